"""The issuer is away for a day: on a virtual clock, with a push every minute, no good token is refused and no push waits."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import httpx
from jwt.algorithms import RSAAlgorithm

from shared.errors import Code, Problem
from shared.identity.keys import SigningKeys
from shared.identity.push import PushTokens
from tests.shared.test_identity import ACCOUNT, AUDIENCE, ISSUERS, KEY, OTHER, token
from tests.simulation.loop import EPOCH, VirtualLoop

_HOUR, _MINUTE = 3600, 60


class _Issuer(httpx.AsyncBaseTransport):
    """The issuer's site on virtual time (a socket knows no such): up, down, hanging, or talking nonsense."""

    def __init__(self) -> None:
        self.hot = False
        self.asked = self.asked_by_pushes = 0
        self.keys = {"k1": KEY}
        self.away: Callable[[], str] = str

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.asked_by_pushes += self.hot
        match self.away():
            case "refused":
                raise httpx.ConnectError("down", request=request)
            case "late":
                raise httpx.ReadTimeout("late", request=request)
            case "error":
                return httpx.Response(503)
            case "page":
                return httpx.Response(200, content=b"<html>sorry</html>")
            case "empty":
                return httpx.Response(200, content=b'{"keys":[]}')
        listed = [{**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid} for kid, key in self.keys.items()]
        return httpx.Response(
            200, headers={"cache-control": "public, max-age=3600"}, content=json.dumps({"keys": listed})
        )


async def _pushes(loop: VirtualLoop, issuer: _Issuer, minutes: int) -> AsyncIterator[bool]:
    """A push a minute, each hour with a new token: whether it was let in, at the very moment that it came."""

    def now() -> float:
        return EPOCH + loop.time()

    async with httpx.AsyncClient(transport=issuer) as http:
        keys = SigningKeys("https://issuer.example/certs", http, now)
        await keys.start()
        tokens = PushTokens(keys, ISSUERS, now)
        for minute in range(minutes):
            if minute % 60 == 0:
                made = int(EPOCH) + minute * _MINUTE
                bearer = f"Bearer {token(iat=made, exp=made + _HOUR + _MINUTE)}"
            before, issuer.hot = loop.time(), True
            try:
                await tokens.verify(bearer, account=ACCOUNT, audience=AUDIENCE)
                yield loop.time() == before
            except Problem:
                yield False
            issuer.hot = False
            await asyncio.sleep(_MINUTE)
        await keys.stop()


def test_a_day_without_the_issuer_refuses_no_good_token_and_fetches_nothing_for_a_push() -> None:
    loop = VirtualLoop()
    issuer = _Issuer()
    kinds = ("refused", "late", "error", "page", "empty")

    def away() -> str:
        hour = int(loop.time()) // _HOUR
        return kinds[hour % len(kinds)] if 1 <= hour < 25 else ""

    issuer.away = away
    found: list[bool] = []

    async def day() -> None:
        found.extend([good async for good in _pushes(loop, issuer, 26 * 60)])

    loop.run(day())
    assert loop.time() >= 26 * _HOUR
    assert (len(found), found.count(False)) == (26 * 60, 0)
    assert issuer.asked_by_pushes == 0
    assert issuer.asked > 24 * 60, "all the while it was asked again and again, in the background"


def test_when_the_issuer_is_back_its_new_keys_are_known_within_a_minute() -> None:
    loop = VirtualLoop()
    issuer = _Issuer()
    issuer.away = lambda: "refused" if _HOUR < loop.time() < 25 * _HOUR else ""
    codes: list[Code | None] = []

    async def day() -> None:
        def now() -> float:
            return EPOCH + loop.time()

        async with httpx.AsyncClient(transport=issuer) as http:
            keys = SigningKeys("https://issuer.example/certs", http, now)
            await keys.start()
            await asyncio.sleep(25 * _HOUR - 1)
            issuer.keys = {"k2": OTHER}
            for wait in (0, 61):
                await asyncio.sleep(wait)
                issuer.hot = True
                try:
                    await keys.key("k2")
                    codes.append(None)
                except Problem as problem:
                    codes.append(problem.code)
                issuer.hot = False
            await keys.stop()

    loop.run(day())
    assert codes == [Code.BAD_TOKEN, None]
