"""Medplum's signature: `X-Signature` is HMAC-SHA256 in lower-case hex over the raw bytes of the body.

Raw bytes: a body that was parsed and written again is another body. Every secret is tried, and in constant time, so
that the time tells neither how much of a forgery was right nor which secret a rotation has come to.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

from shared.errors import Code, Problem

_SIGNATURE = re.compile(r"[0-9a-f]{64}")


def verify_signature(secrets: Sequence[bytes], body: bytes, signatures: Sequence[str]) -> None:
    """Raises Problem(BAD_SIGNATURE) unless the one header given is the body's signature under one of the secrets."""
    given = signatures[0] if len(signatures) == 1 and _SIGNATURE.fullmatch(signatures[0]) else ""
    good = False
    for secret in secrets:
        good |= hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest(), given)
    if not good:
        raise Problem(Code.BAD_SIGNATURE, "x-signature")
