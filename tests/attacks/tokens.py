"""Who pushes: tokens that were forged, stolen, stretched, or made by Google for somebody else."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from jwt.algorithms import RSAAlgorithm

from shared.errors import Code
from tests.attacks.target import CANARY, CE, CHANGED, PUSH, TASK, Attack, Family, Headers, Request, Target, refused

_OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # the attacker's own
_CURVE = ec.generate_private_key(ec.SECP256R1())
_BODY = json.dumps(CHANGED | {"x": CANARY}).encode()
_JWK = RSAAlgorithm.to_jwk(_OURS.public_key(), as_dict=True)


def good(on: Target, **changed: Any) -> dict[str, Any]:
    """The claims of a good token, changed; None takes one away."""
    now = int(on.edge.issuer._now())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": on.edge.settings.audience("validation"),
        "email": on.edge.settings.account("validation"),
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
        "sub": "113774264463038321964",
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}


def part(value: dict[str, Any] | bytes) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def token(
    on: Target, claims: dict[str, Any] | bytes | None = None, *, key: rsa.RSAPrivateKey | None = None, **head: Any
) -> str:
    """Signed as Google would, by hand: a library would refuse to make half of these."""
    header = {"alg": "RS256", "typ": "JWT", "kid": on.edge.issuer._kid} | head
    text = (
        part({k: v for k, v in header.items() if v is not None}) + b"." + part(good(on) if claims is None else claims)
    )
    return (text + b"." + part((key or on.edge.issuer._key).sign(text, padding.PKCS1v15(), hashes.SHA256()))).decode()


def _hmac(on: Target) -> str:
    public = on.edge.issuer._key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = part({"alg": "HS256", "kid": on.edge.issuer._kid}) + b"." + part(good(on))
    return (text + b"." + part(hmac.digest(public, text, "sha256"))).decode()


def _curve(on: Target) -> str:
    text = part({"alg": "ES256", "kid": on.edge.issuer._kid}) + b"." + part(good(on))
    return (text + b"." + part(_CURVE.sign(text, ec.ECDSA(hashes.SHA256())))).decode()


def _pss(on: Target) -> str:
    text = part({"alg": "PS256", "kid": on.edge.issuer._kid}) + b"." + part(good(on))
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return (text + b"." + part(on.edge.issuer._key.sign(text, scheme, hashes.SHA256()))).decode()


def _unsigned(on: Target, algorithm: str) -> str:
    return (part({"alg": algorithm, "kid": on.edge.issuer._kid}) + b"." + part(good(on)) + b".").decode()


def _twice(on: Target) -> str:
    text = json.dumps(good(on, email="evil@example.iam.gserviceaccount.com"))
    return token(on, text[:-1].encode() + f', "email": "{on.edge.settings.account("validation")}"}}'.encode())


def _other(token: str) -> str:
    """The last character of the signature changed."""
    return token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")


def push(*credentials: str, path: str = PUSH, query: str = "", more: Headers = ()) -> Request:
    headers = [*CE.items(), *(("authorization", credential) for credential in credentials), *more]
    return Request(path, _BODY, headers, query=query)


def bad(make: Callable[[Target], str], code: Code = Code.BAD_TOKEN) -> Attack:
    return refused(lambda on: push(f"Bearer {make(on)}"), code)


def claiming(code: Code = Code.BAD_TOKEN, **changed: Any) -> Attack:
    return bad(lambda on: token(on, good(on, **changed)), code)


def _at(on: Target, **moments: int) -> dict[str, Any]:
    now = int(on.edge.issuer._now())
    return good(on, **{name: now + seconds for name, seconds in moments.items()})


ATTACKS: Family = {
    "no token at all": refused(lambda _: push(), Code.NO_TOKEN),
    "a token in the query, where proxies write it down": refused(
        lambda on: push(query=f"access_token={token(on)}"), Code.NO_TOKEN
    ),
    "a token in a cookie": refused(lambda on: push(more=[("cookie", f"token={token(on)}")]), Code.NO_TOKEN),
    "a token in somebody else's header": refused(
        lambda on: push(more=[("x-serverless-authorization", f"Bearer {token(on)}")]), Code.NO_TOKEN
    ),
    "a good token after a bad one": refused(
        lambda on: push("Bearer Canary.family.x", f"Bearer {token(on)}"), Code.BAD_TOKEN
    ),
    "a good token twice": refused(lambda on: push(*[f"Bearer {token(on)}"] * 2), Code.BAD_TOKEN),
    "two tokens in one header": refused(lambda on: push(f"Bearer {token(on)}, Bearer {token(on)}"), Code.BAD_TOKEN),
    "a hundred Authorization headers": refused(lambda on: push(*[f"Bearer {token(on)}"] * 100), Code.BAD_TOKEN),
    "a password instead of a token": refused(lambda _: push("Basic Q2FuYXJ5ZmFtaWx5Og=="), Code.BAD_TOKEN),
    "an unsigned token (alg none)": bad(lambda on: _unsigned(on, "none")),
    "an unsigned token (alg NoNe)": bad(lambda on: _unsigned(on, "NoNe")),
    "the public key used as a shared secret (HS256)": bad(_hmac),
    "an elliptic-curve signature under an RSA key's id": bad(_curve),
    "another padding with the right key (PS256)": bad(_pss),
    "a stripped signature": bad(lambda on: token(on).rpartition(".")[0] + "."),
    "a signature of two other bytes": bad(lambda on: _other(token(on))),
    "a signature with junk in it that a lenient decoder skips": bad(lambda on: token(on) + "!!"),
    "the claims of one token under the signature of another": bad(
        lambda on: ".".join((*token(on, good(on, sub="1")).split(".")[:2], token(on).split(".")[2]))
    ),
    "a key of the attacker's under a published id": bad(lambda on: token(on, key=_OURS)),
    "a key that comes with the token (jwk)": bad(lambda on: token(on, key=_OURS, jwk=_JWK)),
    "a key to be fetched from the attacker (jku)": bad(
        lambda on: token(on, key=_OURS, kid="x", jku="https://evil.example/keys")
    ),
    "a certificate to be fetched from the attacker (x5u)": bad(
        lambda on: token(on, key=_OURS, kid="x", x5u="http://169.254.169.254/computeMetadata/v1/")
    ),
    "a certificate that comes with the token (x5c)": bad(lambda on: token(on, key=_OURS, x5c=["Q2FuYXJ5ZmFtaWx5"])),
    "a key id that is a path": bad(lambda on: token(on, kid="../../../../dev/null")),
    "a key id that is a URL": bad(lambda on: token(on, kid="https://evil.example/key")),
    "a key id that is a query": bad(lambda on: token(on, kid="x' UNION SELECT 'Canaryfamily")),
    "a key id that nobody published": bad(lambda on: token(on, kid="c0ffee")),
    "no key id": bad(lambda on: token(on, kid=None)),
    "a critical extension nobody here knows": bad(lambda on: token(on, crit=["exp"])),
    "a payload that is not encoded (b64 false)": bad(lambda on: token(on, crit=["b64"], b64=False)),
    "a token within a token": bad(lambda on: token(on, token(on).encode(), cty="JWT")),
    "a claim given twice, bad and then good": bad(_twice),
    "claims that are a list": bad(lambda on: token(on, b'["Canaryfamily"]')),
    "claims that are no JSON": bad(lambda on: token(on, b"Canaryfamily")),
    "another issuer": claiming(iss="https://evil.example"),
    "an issuer that only begins like Google": claiming(iss="https://accounts.google.com.evil.example"),
    "a list of issuers": claiming(iss=["https://accounts.google.com"]),
    "a token for another handler": bad(lambda on: on.edge.token("deid")),
    "a token for this handler at another host": claiming(aud="https://evil.example/v1/push/validation"),
    "an audience that goes on": bad(
        lambda on: token(on, good(on, aud=on.edge.settings.audience("validation") + "/../deid"))
    ),
    "a list of audiences, ours among them": bad(
        lambda on: token(on, good(on, aud=[on.edge.settings.audience("validation"), "x"]))
    ),
    "no audience": claiming(aud=None),
    "expired": bad(lambda on: token(on, _at(on, iat=-3700, exp=-100))),
    "without an end": claiming(exp=None),
    "good for ten years": bad(lambda on: token(on, _at(on, exp=315_360_000))),
    "an end that is not a number (NaN)": bad(lambda on: token(on, json.dumps(good(on, exp=float("nan"))).encode())),
    "an end beyond all numbers (1e400)": bad(
        lambda on: token(on, json.dumps(good(on)).replace(str(good(on)["exp"]), "1e400").encode())
    ),
    "issued tomorrow": bad(lambda on: token(on, _at(on, iat=86_400, exp=90_000))),
    "not yet valid": bad(lambda on: token(on, _at(on, nbf=600))),
    "no e-mail": claiming(email=None),
    "an e-mail nobody verified": claiming(email_verified=False),
    "an e-mail verified in words": claiming(email_verified="true"),
    "a good token of another service account": claiming(
        Code.WRONG_CALLER, email="evil@starvit.iam.gserviceaccount.com"
    ),
    "a good token of the same account in another project": claiming(
        Code.WRONG_CALLER, email="push-validation@evil-project.iam.gserviceaccount.com"
    ),
    "a good token of a person": claiming(Code.WRONG_CALLER, email="canaryfamily@gmail.com"),
    "the right account in capitals": bad(
        lambda on: token(on, good(on, email=on.edge.settings.account("validation").upper())), Code.WRONG_CALLER
    ),
    "a token of eight megabytes": bad(lambda _: "a" * 8_000_000),
    "a token of dots": bad(lambda _: "." * 4000),
    "a token beyond ASCII": bad(lambda _: "Canaryfämily.x.y"),
    "a push token at the scheduler's door": refused(
        lambda on: push(f"Bearer {on.edge.token('validation')}", path=TASK), Code.BAD_TOKEN
    ),
    "somebody else's token for the scheduler's door": refused(
        lambda on: push(
            f"Bearer {on.edge.issuer.token('evil@example.com', on.edge.settings.reconcile_url)}", path=TASK
        ),
        Code.WRONG_CALLER,
    ),
    "no token at the scheduler's door": refused(lambda _: push(path=TASK), Code.NO_TOKEN),
}
