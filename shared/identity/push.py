"""Who pushes: Google's OIDC identity token of the subscription's own service account (RS256, one hour).

Any Google account can have a token made for our audience, so the signature alone says nothing: the e-mail must be the
very account that the subscription was given, and verified. A token is no nonce: Pub/Sub sends one with many pushes,
so a verified one is remembered until it runs out.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, final

import jwt
from jwt.utils import base64url_decode

from shared.errors import Code, Problem
from shared.identity.keys import SigningKeys
from shared.strict_json import parse_object

_JWS = re.compile(r"[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+")  # compact form, signed; the library takes more
_SKEW = 30.0  # seconds by which clocks may differ
_LARGEST = 8192  # characters of a token
_LONGEST = 3600 + 300  # seconds that a token may be good for: Google's are good for an hour
_REMEMBERED = 4096


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """The proof that a token was verified: only PushTokens makes one."""

    email: str
    audience: str
    until: float


def credential(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The Authorization header, names in lower case. Two of them could be understood in two ways: Problem(BAD_TOKEN)."""
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) > 1:
        raise Problem(Code.BAD_TOKEN, "authorization")
    return given[0].decode("latin-1") if given else None


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
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(token) > _LARGEST or not _JWS.fullmatch(token):
            raise Problem(Code.BAD_TOKEN, "authorization")
        digest = hashlib.sha256(token.encode()).digest()
        caller = self._memo.get(digest)
        if caller is None or caller.until <= self._now():
            caller = await self._verified(token, audience)
            self._remember(digest, caller)
        if caller.audience != audience:
            raise Problem(Code.BAD_TOKEN, "authorization")
        if caller.email != account:
            raise Problem(Code.WRONG_CALLER, "authorization")
        return caller

    async def _verified(self, token: str, audience: str) -> Caller:
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            # Before anything is trusted: `none`, HS256 over the public key, and critical extensions nobody here knows.
            if header.get("alg") != "RS256" or not isinstance(kid, str) or "crit" in header:
                raise Problem(Code.BAD_TOKEN, "authorization")
            parse_object(base64url_decode(token.split(".")[1]))  # a claim given twice would be two claims
            # Our clock, not the library's: times are checked below.
            claims = jwt.decode(
                token,
                await self._keys.key(kid),
                algorithms=["RS256"],
                audience=audience,
                options={
                    "require": ["iss", "aud", "exp", "iat", "email", "email_verified"],
                    "strict_aud": True,
                    "verify_signature": True,
                    "verify_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_iss": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError):  # whatever the library makes of a token that is none
            raise Problem(Code.BAD_TOKEN, "authorization") from None
        return self._checked(claims, audience)

    def _checked(self, claims: dict[str, Any], audience: str) -> Caller:
        now, exp, iat, nbf = self._now(), claims["exp"], claims["iat"], claims.get("nbf", claims["iat"])
        good = (
            type(claims["iss"]) is str
            and claims["iss"] in self._issuers
            and all(type(moment) in (int, float) for moment in (exp, iat, nbf))
            and now - _SKEW < exp <= iat + _LONGEST
            and iat <= now + _SKEW
            and nbf <= now + _SKEW
            and claims["email_verified"] is True
            and type(claims["email"]) is str
        )
        if not good:
            raise Problem(Code.BAD_TOKEN, "authorization")
        return Caller(claims["email"], audience, float(exp))

    def _remember(self, digest: bytes, caller: Caller) -> None:
        self._memo[digest] = caller
        if len(self._memo) > _REMEMBERED:
            self._memo.popitem(last=False)
