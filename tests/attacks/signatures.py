"""Who calls the webhook: signatures that were made with the wrong secret, bent, doubled, or taken from elsewhere."""

import hashlib
import hmac
import json
from collections.abc import Sequence

from shared.errors import Code
from tests.attacks.target import (
    OTHER_SECRET,
    PATIENT,
    SECOND_SECRET,
    SIGNED,
    WEBHOOK,
    Attack,
    Family,
    Headers,
    Request,
    refused,
)
from tests.tenant import HOOK_SECRET


def sign(body: bytes, secret: str | bytes = HOOK_SECRET, digest: str = "sha256") -> str:
    return hmac.new(secret if isinstance(secret, bytes) else secret.encode(), body, digest).hexdigest()


def hook(
    *signatures: str | bytes, body: bytes = SIGNED, path: str = WEBHOOK, more: Headers = (), peer: str = "203.0.113.9"
) -> Request:
    """A webhook with these signatures; with the right one, if none is given."""
    given: Sequence[str | bytes] = signatures or (sign(body),)
    headers = [("content-type", "application/fhir+json"), *(("x-signature", one) for one in given), *more]
    return Request(path, body, headers, peer=peer)


def unsigned(*signatures: str | bytes, body: bytes = SIGNED, path: str = WEBHOOK) -> Attack:
    return refused(lambda _: hook(*signatures, body=body, path=path), Code.BAD_SIGNATURE)


_GOOD = sign(SIGNED)

ATTACKS: Family = {
    "no signature": refused(
        lambda _: Request(WEBHOOK, SIGNED, [("content-type", "application/fhir+json")]), Code.BAD_SIGNATURE
    ),
    "an empty signature": unsigned(""),
    "a signature with an empty secret": unsigned(sign(SIGNED, b"")),
    "a signature with a secret that was guessed": unsigned(sign(SIGNED, "secret")),
    "a plain digest instead of a keyed one": unsigned(hashlib.sha256(SIGNED).hexdigest()),
    "the right secret under SHA-1": unsigned(sign(SIGNED, digest="sha1")),
    "the right secret under SHA-512": unsigned(sign(SIGNED, digest="sha512")),
    "a good signature cut by a byte": unsigned(_GOOD[:-2]),
    "a good signature's first half, twice": unsigned(_GOOD[:32] * 2),
    "a good signature in capitals": unsigned(_GOOD.upper()),
    "a good signature with a name before it": unsigned(f"sha256={_GOOD}"),
    "a good signature with a space after it": unsigned(f"{_GOOD} "),
    "a good signature with a line break after it": unsigned(f"{_GOOD}\r\nx-canary: 1"),
    "a good signature with a byte of nothing after it": unsigned(f"{_GOOD}\0"),
    "a good signature twice": unsigned(_GOOD, _GOOD),
    "a bad signature before a good one": unsigned("0" * 64, _GOOD),
    "a good signature before a bad one": unsigned(_GOOD, "0" * 64),
    "two signatures in one header": unsigned(f"{_GOOD},{_GOOD}"),
    "digits of another alphabet": unsigned("٣".encode() * 64),
    "a signature beyond ASCII": unsigned("é".encode("latin-1") * 64),
    "a megabyte of signature": unsigned("a" * 1_000_000),
    "the signature over the same JSON, written anew": unsigned(sign(json.dumps(PATIENT, indent=1).encode())),
    "one byte of the body changed": unsigned(_GOOD, body=SIGNED.replace(b"Patient", b"Patiend", 1)),
    "something put after the signed body": unsigned(_GOOD, body=SIGNED + b" "),
    "a body cut to nothing": unsigned(_GOOD, body=b""),
    "a deletion's signature on a change": unsigned(sign(b"{}")),
    "a change's signature on a deletion": unsigned(_GOOD, body=b"{}"),
    "the signature of another subscription of the same tenant": unsigned(sign(SIGNED, SECOND_SECRET)),
    "the signature of another tenant": unsigned(sign(SIGNED, OTHER_SECRET)),
    "the secret of before the rotation": unsigned(sign(SIGNED, "hook-secret-of-last-year")),
    "a subscription that is not there": unsigned(_GOOD, path="/v1/webhooks/medplum/Canaryfamily"),
    "a subscription that is not there, with an empty secret": unsigned(
        sign(SIGNED, b""), path="/v1/webhooks/medplum/Canaryfamily"
    ),
    "a push token instead of a signature": refused(
        lambda on: Request(
            WEBHOOK,
            SIGNED,
            [("content-type", "application/fhir+json"), ("authorization", f"Bearer {on.edge.token('validation')}")],
        ),
        Code.BAD_SIGNATURE,
    ),
}
