"""A signed token's claims (JWS, RFC 7515): every check spelled out, on our own clock. What they mean is the caller's.

form ─► header: the set's algorithm, a kid, nothing critical ─► no claim twice ─► signature ─► audience ─► claims
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from jwt.utils import base64url_decode

from shared.errors import Code, Problem
from shared.identity.keys import SigningKeys
from shared.strict_json import parse_object

LARGEST = 8192  # characters of a token
SKEW = 30.0  # seconds by which clocks may differ
_JWS = re.compile(r"[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+")  # compact form, signed; the library takes more


def well_formed(token: str) -> bool:
    """Whether it may be a token at all."""
    return len(token) <= LARGEST and _JWS.fullmatch(token) is not None


async def signed_claims(token: str, keys: SigningKeys, *, audience: str, require: Sequence[str]) -> dict[str, Any]:
    """The claims, if the signature is good and the audience exactly this one. Raises Problem: BAD_TOKEN, KEYS_DOWN."""
    try:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        # Before anything is trusted: `none`, HS256 over the public key, and critical extensions nobody here knows.
        if header.get("alg") != keys.algorithm or not isinstance(kid, str) or "crit" in header:
            raise Problem(Code.BAD_TOKEN, "authorization")
        parse_object(base64url_decode(token.split(".")[1]))  # a claim given twice would be two claims
        # Our clock, not the library's: in_time() checks the times.
        return jwt.decode(
            token,
            await keys.key(kid),
            algorithms=[keys.algorithm],
            audience=audience,
            options={
                "require": list(require),
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


def in_time(claims: Mapping[str, Any], now: float, *, longest: float) -> bool:
    """Whether the token is good now, and was made for `longest` seconds at most."""
    exp, iat, nbf = claims["exp"], claims["iat"], claims.get("nbf", claims["iat"])
    return (
        all(type(moment) in (int, float) for moment in (exp, iat, nbf))
        and now - SKEW < exp <= iat + longest
        and iat <= now + SKEW
        and nbf <= now + SKEW
    )
