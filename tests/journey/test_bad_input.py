"""Bad input at the two doors: each has its status, a problem document with a code and nothing of the input, no effect."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from shared.errors import Code
from shared.local.issuer import Issuer
from tests.journey.edge import Edge, edge
from tests.tenant import HOOK_SECRET, PROJECT

CANARY = "Canaryfamily"
WEBHOOK = "/v1/webhooks/medplum/clinic"
PUSH = "/v1/push/validation"
PATIENT = {
    "resourceType": "Patient",
    "id": "f9c8e546-e655-47fb-be43-f8b8a9c7d3f1",
    "name": [{"family": CANARY}],
    "meta": {
        "versionId": "3c87c2be-89eb-4f85-bcd8-0a07204e1bed",
        "lastUpdated": "2026-11-23T10:41:55.279Z",
        "project": PROJECT,
    },
}
SIGNED = json.dumps(PATIENT).encode()
CHANGED = {
    "project": PROJECT,
    "type": "Patient",
    "id": "p1",
    "version": "v1",
    "lastUpdated": "2026-11-23T10:41:55.279Z",
    "generation": 65536,
}
CE = {
    "ce-specversion": "1.0",
    "ce-id": "a" * 64,
    "ce-source": "urn:starvit:events:webhook",
    "ce-type": "io.starvit.fhir.resource.changed.v1",
    "ce-time": "2026-11-23T10:41:55.279Z",
    "ce-correlationid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "content-type": "application/json",
}


def sign(body: bytes, secret: str = HOOK_SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(body: bytes, **more: str) -> dict[str, str]:
    return {"content-type": "application/fhir+json", "x-signature": sign(body), **more}


HOOKS: dict[str, tuple[bytes, dict[str, str], Code]] = {
    "malformed JSON": (SIGNED[:-1], signed(SIGNED[:-1]), Code.BAD_BODY),
    "a wrong content type": (SIGNED, signed(SIGNED) | {"content-type": "text/plain"}, Code.NOT_JSON_TYPE),
    "one byte more than 10 MB": (b" " * 10_000_001, signed(b""), Code.BODY_TOO_LARGE),
    "duplicate keys": (
        (two := SIGNED[:-1] + b',"id":"other"}'),
        signed(two),
        Code.BAD_BODY,
    ),
    "NaN": ((nan := SIGNED[:-1] + b',"x":NaN}'), signed(nan), Code.BAD_BODY),
    "a foreign tenant": (
        (foreign := SIGNED.replace(PROJECT.encode(), b"another-project")),
        signed(foreign),
        Code.WRONG_TENANT,
    ),
    "no signature": (SIGNED, {"content-type": "application/fhir+json"}, Code.BAD_SIGNATURE),
    "a signature over re-serialised JSON": (
        SIGNED,
        signed(SIGNED) | {"x-signature": sign(json.dumps(PATIENT, indent=2).encode())},
        Code.BAD_SIGNATURE,
    ),
    "a replayed deletion's signature on a change": (
        SIGNED,
        signed(SIGNED) | {"x-signature": sign(b"{}")},
        Code.BAD_SIGNATURE,
    ),
    "a packed body": (SIGNED, signed(SIGNED) | {"content-encoding": "gzip"}, Code.BAD_BODY),
}


@pytest.mark.parametrize("why", HOOKS)
async def test_a_bad_webhook_is_refused_without_effect_or_echo(why: str, capfd: pytest.CaptureFixture[str]) -> None:
    body, headers, code = HOOKS[why]
    async with edge("ingress") as here:
        answer = await here.http.post(WEBHOOK, content=body, headers=headers)
        _is_problem(answer.headers, answer.text, answer.status_code, code)
        assert here.published == []
    _nothing_of_the_input(answer.text, *capfd.readouterr())


TOKENS: dict[str, tuple[Callable[[Edge], str | None], Code]] = {
    "no token": (lambda _: None, Code.NO_TOKEN),
    "a token of another issuer's key": (lambda here: _forged(here, Issuer()), Code.BAD_TOKEN),
    "a token without a signature (alg none)": (
        lambda here: jwt.encode(_claims(here), "", algorithm="none", headers={"kid": "x"}),
        Code.BAD_TOKEN,
    ),
    "an expired token": (lambda here: _expired(here), Code.BAD_TOKEN),
    "a token for another endpoint": (lambda here: here.token("deid"), Code.BAD_TOKEN),
    "a foreign service account": (
        lambda here: here.issuer.token("evil@example.iam.gserviceaccount.com", here.settings.audience("validation")),
        Code.WRONG_CALLER,
    ),
}


@pytest.mark.parametrize("why", TOKENS)
async def test_a_push_with_a_bad_token_is_refused_without_effect_or_echo(
    why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, code = TOKENS[why]
    async with edge("clinical") as here:
        token = make(here)
        headers = CE | ({"authorization": f"Bearer {token}"} if token else {})
        answer = await here.http.post(PUSH, content=json.dumps(CHANGED | {"x": CANARY}), headers=headers)
        _is_problem(answer.headers, answer.text, answer.status_code, code)
        assert here.published == []
    _nothing_of_the_input(answer.text, *capfd.readouterr())


EVENTS: dict[str, tuple[dict[str, str], bytes, Code]] = {
    "malformed JSON": ({}, b'{"project":"' + CANARY.encode(), Code.MALFORMED_DATA),
    "duplicate keys": ({}, json.dumps(CHANGED).encode()[:-1] + b',"id":"Canaryfamily"}', Code.MALFORMED_DATA),
    "NaN": ({}, json.dumps(CHANGED).replace("65536", "NaN").encode(), Code.MALFORMED_DATA),
    "an unknown field": ({}, json.dumps(CHANGED | {CANARY: CANARY}).encode(), Code.MALFORMED_DATA),
    "a wrong content type": ({"content-type": "text/html"}, json.dumps(CHANGED).encode(), Code.MALFORMED_EVENT),
    "no ce-id": ({"ce-id": ""}, json.dumps(CHANGED).encode(), Code.MALFORMED_EVENT),
    "an unknown type": ({"ce-type": "io.example.other.v1"}, json.dumps(CHANGED).encode(), Code.UNKNOWN_TYPE),
    "a foreign tenant": ({}, json.dumps(CHANGED | {"project": "another"}).encode(), Code.UNKNOWN_PROJECT),
}


@pytest.mark.parametrize("wrapped", [False, True], ids=["unwrapped", "wrapped"])
@pytest.mark.parametrize("why", EVENTS)
async def test_a_message_that_no_retry_can_mend_is_set_aside_and_acknowledged(
    why: str, wrapped: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    changed, body, code = EVENTS[why]
    attributes = {name: value for name, value in (CE | changed).items() if value}
    async with edge("clinical") as here:
        headers, content = (attributes, body) if not wrapped else _wrapped(attributes, body)
        headers = headers | {"authorization": f"Bearer {here.token('validation')}"}
        answer = await here.http.post(PUSH, content=content, headers=headers)
        assert (answer.status_code, answer.headers["x-starvit-code"]) == (204, code.slug)
        [aside] = here.to("validation.quarantine")
        assert aside["code"] == code.slug
        assert [topic for topic, _ in here.published] == ["validation.quarantine"]
        assert CANARY not in json.dumps(aside)
    _nothing_of_the_input(answer.text, *capfd.readouterr())


async def test_a_push_of_one_byte_too_many_is_refused() -> None:
    async with edge("clinical", push_limit=1000) as here:
        headers = CE | {"authorization": f"Bearer {here.token('validation')}"}
        answer = await here.http.post(PUSH, content=b" " * 1001, headers=headers)
        _is_problem(answer.headers, answer.text, answer.status_code, Code.BODY_TOO_LARGE)
        assert here.published == []


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", WEBHOOK, Code.METHOD_NOT_ALLOWED),
        ("PUT", PUSH, Code.METHOD_NOT_ALLOWED),
        ("POST", f"/v1/push/{CANARY}", Code.UNKNOWN_ROUTE),
        ("GET", "/openapi.json", Code.UNKNOWN_ROUTE),
        ("GET", "/docs", Code.UNKNOWN_ROUTE),
    ],
)
async def test_what_is_no_endpoint_says_so_in_the_same_words(method: str, path: str, code: Code) -> None:
    async with edge() as here:
        answer = await here.http.request(method, path)
        _is_problem(answer.headers, answer.text, answer.status_code, code)
        assert CANARY not in answer.text


def _is_problem(headers: Any, text: str, status: int, code: Code) -> None:
    assert (status, headers["content-type"]) == (code.status, "application/problem+json")
    document = json.loads(text)
    assert document["code"] == code.slug
    assert set(document) == {"type", "title", "status", "code", "instance"}
    assert document["instance"].endswith(headers["x-request-id"])


def _nothing_of_the_input(*texts: str) -> None:
    for text in texts:
        assert "Canary" not in text
        assert "f9c8e546" not in text


def _wrapped(attributes: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    message = {"attributes": attributes, "data": base64.b64encode(body).decode(), "messageId": "1"}
    push = {"message": message, "subscription": "projects/starvit/subscriptions/fhir.changed--validation"}
    return {"content-type": "application/json"}, json.dumps(push).encode()


def _claims(here: Edge) -> dict[str, object]:
    token = here.token("validation")
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _expired(here: Edge) -> str:
    here.issuer._now = lambda: 1_700_000_000.0
    return here.token("validation")


def _forged(here: Edge, other: Issuer) -> str:
    return other.token(here.settings.account("validation"), here.settings.audience("validation"))
