"""Who pushes: Google's OIDC identity token of the subscription's own service account (RS256, one hour).

Any Google account can have a token made for our audience, so the signature alone says nothing: the e-mail must be the
very account that the subscription was given, and verified. A token is no nonce: Pub/Sub sends one with many pushes,
so a verified one is remembered until it runs out.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import final

from msgspec import Struct

from shared.errors import Code, Problem
from shared.head import Head
from shared.identity.jws import in_time, signed_claims, well_formed
from shared.identity.keys import SigningKeys

_LONGEST = 3600 + 300  # seconds that a token may be good for: Google's are good for an hour
_REMEMBERED = 4096


@final
class Caller(Struct, frozen=True):
    """The proof that a token was verified: only PushTokens makes one."""

    email: str
    audience: str
    until: float


def credential(head: Head) -> str | None:
    """The Authorization header. Two of them could be understood in two ways: Problem(BAD_TOKEN)."""
    given = head.all(b"authorization")
    if len(given) > 1:
        raise Problem(Code.BAD_TOKEN, "authorization")
    return given[0] if given else None


class PushTokens:
    """`now` is seconds since the epoch."""

    def __init__(self, keys: SigningKeys, issuers: Collection[str], now: Callable[[], float]) -> None:
        self._keys, self._issuers, self._now = keys, frozenset(issuers), now
        self._memo: OrderedDict[bytes, Caller] = OrderedDict()

    async def verify(self, authorization: str | None, *, account: str, audience: str) -> Caller:
        """The caller, if the header carries a good token of `account` for exactly `audience`.

        Raises Problem: NO_TOKEN, BAD_TOKEN (401); WRONG_CALLER (403) for a good token of somebody else; KEYS_DOWN.
        """
        if not authorization:
            raise Problem(Code.NO_TOKEN, "authorization")
        digest = hashlib.sha256(authorization.encode()).digest()
        caller = self._memo.get(digest)
        if caller is None or caller.until <= self._now():
            caller = await self._verified(authorization, audience)
            self._remember(digest, caller)
        if caller.audience != audience:
            raise Problem(Code.BAD_TOKEN, "authorization")
        if caller.email != account:
            raise Problem(Code.WRONG_CALLER, "authorization")
        return caller

    async def _verified(self, authorization: str, audience: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not well_formed(token):
            raise Problem(Code.BAD_TOKEN, "authorization")
        require = ["iss", "aud", "exp", "iat", "email", "email_verified"]
        claims = await signed_claims(token, self._keys, audience=audience, require=require)
        good = (
            type(claims["iss"]) is str
            and claims["iss"] in self._issuers
            and in_time(claims, self._now(), longest=_LONGEST)
            and claims["email_verified"] is True
            and type(claims["email"]) is str
        )
        if not good:
            raise Problem(Code.BAD_TOKEN, "authorization")
        return Caller(claims["email"], audience, float(claims["exp"]))

    def _remember(self, digest: bytes, caller: Caller) -> None:
        self._memo[digest] = caller
        if len(self._memo) > _REMEMBERED:
            self._memo.popitem(last=False)
