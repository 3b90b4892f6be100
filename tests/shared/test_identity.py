"""Who is asking: every forged token is refused, every good one is known, and the issuer's outages do not matter."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from shared import egress
from shared.errors import Code, Problem
from shared.identity.event_ids import EventIds
from shared.identity.keys import SigningKeys
from shared.identity.push import PushTokens
from shared.identity.webhook import verify_signature

ACCOUNT, AUDIENCE = "push-deid@starvit.iam.gserviceaccount.com", "https://clinical.example/v1/push/deid"
ISSUERS = ("https://accounts.google.com", "accounts.google.com")
KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class IssuerSite:
    """An issuer's key endpoint over real HTTP, that does what the test says."""

    def __init__(self) -> None:
        self.fetches, self.status, self.age = 0, 200, "public, max-age=3600"
        self.body: bytes = b""
        self.publish(k1=KEY)
        self.url = ""

    def publish(self, **keys: rsa.RSAPrivateKey) -> None:
        listed = [{**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid} for kid, key in keys.items()]
        self.body = json.dumps({"keys": listed}).encode()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.fetches += 1
        head = f"HTTP/1.1 {self.status} X\r\nCache-Control: {self.age}\r\nContent-Length: {len(self.body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + self.body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def issuer() -> AsyncIterator[tuple[IssuerSite, SigningKeys, PushTokens, Clock]]:
    site, clock = IssuerSite(), Clock()
    server = await asyncio.start_server(site.answer, "127.0.0.1", 0)
    site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/certs"
    async with egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
        keys = SigningKeys(site.url, http, clock)
        await keys.start()
        try:
            yield site, keys, PushTokens(keys, ISSUERS, clock), clock
        finally:
            await keys.stop()
            server.close()
            await server.wait_closed()


def claims(**changed: Any) -> dict[str, Any]:
    good = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": "113774264463038321964",
        "sub": "113774264463038321964",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": int(NOW) - 10,
        "exp": int(NOW) + 3590,
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def token(kid: str | None = "k1", key: rsa.RSAPrivateKey = KEY, *, header: Any = None, **changed: Any) -> str:
    headers = {**({"kid": kid} if kid else {}), **(header or {})}
    payload = json.dumps(claims(**changed)).encode()  # as bytes: the library's own encoder refuses some forgeries
    return jwt.PyJWS().encode(payload, key, algorithm="RS256", headers=headers)


def _hs256() -> str:
    """The public key, which everyone knows, used as if it were a shared secret."""
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"k1"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
    mac = base64.urlsafe_b64encode(hmac.digest(public, head + b"." + body, "sha256")).rstrip(b"=")
    return b".".join((head, body, mac)).decode()


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": "k1"}),
    "HS256 with the public key": _hs256,
    "another key under a known kid": lambda: token(key=OTHER),
    "a kid that nobody published": lambda: token("k9"),
    "no kid": lambda: token(None),
    "a critical extension": lambda: token(header={"crit": ["exp"]}),
    "another issuer": lambda: token(iss="https://evil.example"),
    "a list of issuers": lambda: token(iss=list(ISSUERS)),
    "another audience": lambda: token(aud="https://clinical.example/v1/push/audit"),
    "a longer audience": lambda: token(aud=AUDIENCE + "/"),
    "a list with our audience in it": lambda: token(aud=[AUDIENCE]),
    "no audience": lambda: token(aud=None),
    "expired": lambda: token(iat=int(NOW) - 3700, exp=int(NOW) - 100),
    "no expiry": lambda: token(exp=None),
    "good for a day": lambda: token(exp=int(NOW) + 86_400),
    "issued in the future": lambda: token(iat=int(NOW) + 300),
    "not yet valid": lambda: token(nbf=int(NOW) + 300),
    "an expiry that is a string": lambda: token(exp="never"),
    "no e-mail": lambda: token(email=None),
    "an e-mail that is a list": lambda: token(email=[ACCOUNT]),
    "an unverified e-mail": lambda: token(email_verified=False),
    "verified by a string": lambda: token(email_verified="true"),
    "no word on verification": lambda: token(email_verified=None),
    "a stripped signature": lambda: token().rpartition(".")[0] + ".",
    "a cut signature": lambda: token()[:-4],
    "two parts": lambda: token().rpartition(".")[0],
    "many dots": lambda: "." * 100,
    "garbage": lambda: "Canary",
    "beyond ASCII": lambda: "Cänary.x.y",
    "huge": lambda: "a" * 9000,
    "empty": lambda: "",
}


@pytest.mark.parametrize("why", FORGED)
async def test_a_forged_token_is_refused_and_not_quoted(why: str) -> None:
    async with issuer() as (_, _, tokens, _):
        with pytest.raises(Problem) as raised:
            await tokens.verify(f"Bearer {FORGED[why]()}", account=ACCOUNT, audience=AUDIENCE)
        assert raised.value.code is Code.BAD_TOKEN
        assert str(raised.value) == "bad-token at authorization"


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "bearer"])
async def test_without_a_bearer_token_nobody_is_let_in(header: str | None) -> None:
    async with issuer() as (_, _, tokens, _):
        with pytest.raises(Problem) as raised:
            await tokens.verify(header, account=ACCOUNT, audience=AUDIENCE)
        assert raised.value.code in (Code.NO_TOKEN, Code.BAD_TOKEN)


async def test_a_good_token_of_somebody_else_is_another_matter() -> None:
    async with issuer() as (_, _, tokens, _):
        with pytest.raises(Problem) as raised:
            await tokens.verify(f"Bearer {token(email='evil@example.com')}", account=ACCOUNT, audience=AUDIENCE)
        assert raised.value.code is Code.WRONG_CALLER


async def test_a_good_token_is_good_for_every_push_of_its_hour_and_no_longer() -> None:
    async with issuer() as (site, _, tokens, clock):
        bearer = f"Bearer {token()}"
        for _ in range(50):
            assert (await tokens.verify(bearer, account=ACCOUNT, audience=AUDIENCE)).email == ACCOUNT
        assert site.fetches == 1, "no key is fetched on the hot path"
        clock.now += 3700
        with pytest.raises(Problem):
            await tokens.verify(bearer, account=ACCOUNT, audience=AUDIENCE)


async def test_a_remembered_token_is_still_held_against_each_endpoint() -> None:
    async with issuer() as (_, _, tokens, _):
        bearer = f"Bearer {token()}"
        await tokens.verify(bearer, account=ACCOUNT, audience=AUDIENCE)
        with pytest.raises(Problem) as raised:
            await tokens.verify(bearer, account=ACCOUNT, audience="https://clinical.example/v1/push/audit")
        assert raised.value.code is Code.BAD_TOKEN
        with pytest.raises(Problem) as raised:
            await tokens.verify(bearer, account="other@example.com", audience=AUDIENCE)
        assert raised.value.code is Code.WRONG_CALLER


async def test_a_rotated_key_is_found_with_one_fetch() -> None:
    async with issuer() as (site, _, tokens, clock):
        site.publish(k1=KEY, k2=OTHER)
        clock.now += 60
        new = f"Bearer {token('k2', OTHER)}"
        await asyncio.gather(*(tokens.verify(new, account=ACCOUNT, audience=AUDIENCE) for _ in range(20)))
        assert site.fetches == 2


async def test_kids_that_are_made_up_do_not_knock_at_the_issuers_door() -> None:
    async with issuer() as (site, _, tokens, clock):
        clock.now += 60
        for n in range(200):
            with pytest.raises(Problem):
                await tokens.verify(f"Bearer {token(f'made-up-{n}')}", account=ACCOUNT, audience=AUDIENCE)
        assert site.fetches == 2


@pytest.mark.parametrize("outage", ["down", "empty", "garbage", "huge", "not an object"])
async def test_a_day_without_the_issuer_refuses_no_good_token(outage: str) -> None:
    async with issuer() as (site, keys, tokens, clock):
        site.status = 503 if outage == "down" else 200
        site.body = {
            "down": b"",
            "empty": b'{"keys":[]}',
            "garbage": b"<html>",
            "huge": b" " * 200_000,
            "not an object": b"[]",
        }[outage]
        for _ in range(24 * 4):
            clock.now += 900
            await keys._fetch_once()
            iat, exp = int(clock.now) - 10, int(clock.now) + 3000
            bearer = f"Bearer {token(iat=iat, exp=exp)}"
            assert await tokens.verify(bearer, account=ACCOUNT, audience=AUDIENCE)


async def test_without_any_key_the_answer_is_try_again() -> None:
    clock = Clock()
    async with egress.client({"127.0.0.1"}, timeout=1, local=True) as http:
        keys = SigningKeys("http://127.0.0.1:9/certs", http, clock)
        await keys.start()
        with pytest.raises(Problem) as raised:
            await PushTokens(keys, ISSUERS, clock).verify(f"Bearer {token()}", account=ACCOUNT, audience=AUDIENCE)
        await keys.stop()
    assert raised.value.code is Code.KEYS_DOWN


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("max-age=3600", 2880), ("public, max-age=20", 60), ("no-store", 60), ("max-age=99999999", 86_400), ("", 60)],
)
async def test_the_issuer_says_how_long_its_keys_are_good_and_is_believed_within_reason(
    header: str, seconds: float
) -> None:
    async with issuer() as (site, keys, _, _):
        site.age = header
        assert await keys._fetch_once() == seconds


async def test_keys_that_are_no_rsa_signing_keys_are_passed_over() -> None:
    async with issuer() as (site, keys, _, _):
        good = json.loads(site.body)["keys"][0]
        weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
        odd = [{"kty": "EC", "kid": "ec"}, {"kty": "RSA", "kid": "bare"}, {"kty": "RSA"}, 5, {"kty": "oct", "kid": "o"}]
        odd += [good | {"kid": "for secrets", "use": "enc"}, good | {"kid": "other", "alg": "RS512"}]
        listed = [good, *odd, {**RSAAlgorithm.to_jwk(weak, as_dict=True), "kid": "weak"}]
        site.body = json.dumps({"keys": listed}).encode()
        await keys._fetch_once()
        assert set(keys._keys) == {"k1"}


@pytest.mark.parametrize("body", [b" " * 200_000, b"[" * 90_000, b"\xff", b"null", b"{}"])
async def test_a_key_set_that_is_none_leaves_the_keys_that_we_have(body: bytes) -> None:
    async with issuer() as (site, keys, _, _):
        await keys._fetch_once()
        site.body = body
        await keys._fetch_once()
        assert set(keys._keys) == {"k1"}


def test_a_signature_is_of_the_raw_bytes_and_of_any_secret_in_rotation() -> None:
    body = b'{"a": 1}'
    good = hmac.new(b"old", body, hashlib.sha256).hexdigest()
    verify_signature([b"new", b"old"], body, [good])
    for bad in ([], [good, good], [good.upper()], [good[:-1]], [f"sha256={good}"], [good + "0"], [""], ["é" * 64]):
        with pytest.raises(Problem):
            verify_signature([b"new", b"old"], body, bad)
    with pytest.raises(Problem):
        verify_signature([b"new", b"old"], b'{"a":1}', [good])
    with pytest.raises(Problem):
        verify_signature([], body, [good])


_TEXT = st.text(st.characters(codec="ascii", exclude_characters="\x00"), min_size=1, max_size=12)


type Four = tuple[str, str, str, str]


@given(st.tuples(_TEXT, _TEXT, _TEXT, _TEXT), st.tuples(_TEXT, _TEXT, _TEXT, _TEXT))
def test_two_changes_share_an_id_only_if_they_are_the_same(one: Four, other: Four) -> None:
    ids = EventIds(b"k" * 32)
    assert (ids.change(*one, 1) == ids.change(*other, 1)) is (one == other)


def test_ids_tell_nothing_and_differ_by_kind_generation_and_key() -> None:
    ids, others = EventIds(b"k" * 32), EventIds(b"o" * 32)
    made = {
        ids.change("p", "Patient", "1", "v", 1),
        ids.change("p", "Patient", "1", "v", 2),
        ids.deletion("p", "Patient", "1", "v", 1),
        ids.claim("p", "s", "Patient", "1", "t"),
        ids.accessed("deid", "e"),
        ids.ordering("Patient", "1"),
        others.change("p", "Patient", "1", "v", 1),
    }
    assert len(made) == 7
    assert all(len(id) == 64 and set(id) <= set("0123456789abcdef") for id in made)
    assert "k" * 8 not in repr(ids)


async def test_the_issuers_real_neighbour_is_not_asked() -> None:
    """The client that fetches keys reaches the issuer's host and no other."""
    async with egress.client({"127.0.0.1"}, timeout=1, local=True) as http:
        with pytest.raises(Problem) as raised:
            await http.get("https://www.googleapis.com/oauth2/v3/certs")
        assert raised.value.code is Code.EGRESS_DENIED
        assert isinstance(http, httpx.AsyncClient)
