"""Who is at the console: a person, by an assertion of Google's Identity-Aware Proxy, or by an identity token on one machine.

The proxy signs each request that it lets through (ES256, ten minutes). Whoever reaches the service past the proxy can set
the header too, and X-Goog-Authenticated-User-Email as he likes: only the signature counts, for exactly our audience.
"""

from collections.abc import Callable, Collection
from typing import final

from msgspec import Struct

from shared.errors import Code, Problem
from shared.identity.jws import SKEW, in_time, signed_claims, well_formed
from shared.identity.keys import SigningKeys

IAP_ISSUER = "https://cloud.google.com/iap"
IAP_LONGEST = 600 + 2 * SKEW  # seconds that an assertion may be good for
OIDC_LONGEST = 3600 + 300
_REQUIRED = ("iss", "aud", "exp", "iat", "sub", "email")


@final
class Known(Struct, frozen=True):
    """The proof that somebody's token was verified. The e-mail is in small letters: A@x and a@x are one pair of eyes."""

    email: str
    groups: frozenset[str]
    until: float


class PersonTokens(Struct, frozen=True):
    """`audience`: exactly ours. `verified`: the issuer says of each e-mail whether it is. `now`: since the epoch."""

    keys: SigningKeys
    issuers: Collection[str]
    audience: str
    longest: float
    now: Callable[[], float]
    verified: bool = False

    async def verify(self, token: str) -> Known:
        """Who it is. Raises Problem: BAD_TOKEN, KEYS_DOWN."""
        if not self.audience or not well_formed(token):
            raise Problem(Code.BAD_TOKEN, "authorization")
        claims = await signed_claims(token, self.keys, audience=self.audience, require=_REQUIRED)
        email, groups = claims["email"], claims.get("groups", [])
        good = (
            type(claims["iss"]) is str
            and claims["iss"] in self.issuers
            and in_time(claims, self.now(), longest=self.longest)
            and (not self.verified or claims.get("email_verified") is True)
            and type(email) is str
            and type(groups) is list
        )
        if not good:
            raise Problem(Code.BAD_TOKEN, "authorization")
        return Known(email.lower(), frozenset(one for one in groups if type(one) is str), float(claims["exp"]))
