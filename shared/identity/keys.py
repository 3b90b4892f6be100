"""The keys that callers' tokens are checked with: a JWKS, cached, fetched off the hot path, outliving the issuer's outages.

start ─► fetch ─► keys ─► (max-age nearly over) ─► fetch …           unknown kid ─► one fetch more, at most twice a minute

Each set is for one algorithm: RS256 for identity tokens of Google's accounts, ES256 for the assertions of its Identity-Aware
Proxy. A key of another kind is passed over, so no token can choose what it is checked with.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.errors import Code, Problem
from shared.telemetry.logs import log

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,8})", re.IGNORECASE)
_LEAST, _MOST = 60.0, 86_400.0  # seconds between fetches, whatever the issuer says
_SOON = 0.8  # the share of max-age after which the keys are fetched anew
_RETRY = 30.0  # seconds after a fetch that failed, and between two for unknown kids
_LARGEST = 100_000  # bytes of a key set
_SMALLEST = 2048  # bits (RFC 7518 §3.3)
_TIMEOUT = 5.0
_KINDS = {"RS256": "RSA", "ES256": "EC"}

type Algorithm = Literal["RS256", "ES256"]


class SigningKeys:
    """The issuer's public keys for one algorithm, by kid. `now` is seconds since the epoch."""

    def __init__(
        self, url: str, http: httpx.AsyncClient, now: Callable[[], float], algorithm: Algorithm = "RS256"
    ) -> None:
        self._url, self._http, self._now, self.algorithm = url, http, now, algorithm
        self._keys: Mapping[str, Any] = {}
        self._fetched = self._asked = float("-inf")
        self._refresh: asyncio.Task[None] | None = None
        self._fetching: asyncio.Task[float] | None = None

    async def start(self) -> None:
        """Fetch the keys and go on refreshing them. A first fetch that fails is tried again in the background."""
        wait = await self._fetch_once()
        self._refresh = asyncio.create_task(self._refresh_for_ever(wait))

    async def stop(self) -> None:
        """End the refreshing."""
        if self._refresh is not None:
            self._refresh.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refresh

    async def key(self, kid: str) -> Any:
        """The public key of a kid. Raises Problem: KEYS_DOWN if there are no keys at all, BAD_TOKEN if not this one.

        A kid that is not known costs one fetch, shared by all who ask, and at most one in `_RETRY` seconds: whoever
        makes kids up can not make us knock at the issuer's door.
        """
        if (key := self._keys.get(kid)) is not None:
            return key
        if self._fetching is not None or self._now() - self._asked >= _RETRY:
            self._asked = self._now() if self._fetching is None else self._asked
            await self._fetch_once()
            if (key := self._keys.get(kid)) is not None:
                return key
        raise Problem(Code.BAD_TOKEN if self._keys else Code.KEYS_DOWN, "authorization")

    async def _fetch_once(self) -> float:
        """One fetch under way at a time. Seconds until the next is due."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._forget)
        return await asyncio.shield(self._fetching)

    def _forget(self, _: object) -> None:
        self._fetching = None

    async def _refresh_for_ever(self, wait: float) -> None:
        while True:
            await asyncio.sleep(wait)
            wait = await self._fetch_once()

    async def _fetch(self) -> float:
        try:
            async with self._http.stream("GET", self._url, timeout=_TIMEOUT) as answer:
                keys = _parsed(await _body(answer), self.algorithm) if answer.is_success else {}
        except (httpx.HTTPError, Problem, ValueError, RecursionError) as error:
            self._say(exception=type(error).__name__)
            return _RETRY
        if not keys:  # an empty or unreadable set is an outage too: the keys that we have stay
            self._say(status=answer.status_code)
            return _RETRY
        self._keys, self._fetched = keys, self._now()
        found = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        return min(_MOST, max(_LEAST, float(found[1]) * _SOON)) if found else _LEAST

    def _say(self, **fields: object) -> None:
        age = self._now() - self._fetched if self._keys else None
        log("keys not fetched", "WARNING", count=len(self._keys), age_s=age, **fields)


async def _body(answer: httpx.Response) -> bytes:
    """The body, read no further than a key set may be long. Raises ValueError."""
    body = bytearray()
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > _LARGEST:
            raise ValueError("too large")
    return bytes(body)


def _parsed(text: bytes, algorithm: Algorithm) -> dict[str, Any]:
    """kid → key, of the keys for this algorithm's signatures in a JWK set (RFC 7517 §4.2, §4.4). Others are passed over."""
    body = json.loads(text)
    listed = body.get("keys") if isinstance(body, dict) else None
    keys = {}
    for jwk in listed if isinstance(listed, list) else ():
        if not isinstance(jwk, dict) or jwk.get("kty") != _KINDS[algorithm] or not isinstance(jwk.get("kid"), str):
            continue
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
            continue
        try:
            key = jwt.PyJWK(jwk, algorithm=algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if _strong(key):
            keys[jwk["kid"]] = key
    return keys


def _strong(key: object) -> bool:
    """RSA of enough bits; of the elliptic curves P-256 alone, which is ES256's (RFC 7518 §3.4)."""
    if isinstance(key, RSAPublicKey):
        return key.key_size >= _SMALLEST
    return isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1"
