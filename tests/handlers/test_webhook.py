"""The ingress believes a signature over raw bytes, keeps a reference, and answers when the publish is confirmed."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import pytest

from handlers.webhook import Hook, Webhooks
from shared.errors import Code, Problem
from shared.events.envelope import Message
from shared.head import Head
from shared.identity.event_ids import EventIds
from shared.limits import Allowance, Recent
from shared.phi import Phi
from shared.sinks.memory import MemoryPublisher
from tests.tenant import EVENT_KEY, HOOK_SECRET, PROJECT, tenant

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "f9c8e546-e655-47fb-be43-f8b8a9c7d3f1",
    "name": [{"family": "Canaryfamily"}],
    "meta": {
        "versionId": "3c87c2be-89eb-4f85-bcd8-0a07204e1bed",
        "lastUpdated": "2026-11-23T10:41:55.279Z",
        "project": PROJECT,
        "author": {"reference": "ClientApplication/1", "display": "Canaryauthor"},
    },
}


def body_of(resource: object) -> bytes:
    return json.dumps(resource, separators=(",", ":"), ensure_ascii=False).encode()


def sign(body: bytes, secret: str = HOOK_SECRET) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()


def headers(body: bytes, **more: str) -> list[tuple[bytes, bytes]]:
    changed = {name.replace("_", "-"): value for name, value in more.items()}
    given = {"content-type": "application/fhir+json", "x-signature": sign(body).decode()} | changed
    return [(name.encode(), value.encode()) for name, value in given.items()]


class Ingress:
    """The webhook over the publisher's twin, with a clock that the test turns."""

    def __init__(self, *, secrets: Sequence[str] = (HOOK_SECRET,), unsigned: int = 100, claims: int = 100) -> None:
        self.clock = 1_000_000.0
        self.publisher = MemoryPublisher()
        hook = Hook(tenant(), EventIds(bytes.fromhex(EVENT_KEY)), [secret.encode() for secret in secrets])
        self.webhooks = Webhooks(
            {"clinic": hook}, self.publisher, lambda: self.clock, Allowance(unsigned), Allowance(claims), Recent()
        )

    async def send(self, body: bytes, given: list[tuple[bytes, bytes]] | None = None, path: str = "clinic") -> str:
        return await self.webhooks.receive(
            path, Head(headers(body) if given is None else given), Phi(body), address="192.0.2.1"
        )

    async def refused(
        self, body: bytes, given: list[tuple[bytes, bytes]] | None = None, path: str = "clinic"
    ) -> Problem:
        with pytest.raises(Problem) as raised:
            await self.send(body, given, path)
        assert not self.publisher.published
        return raised.value

    @property
    def messages(self) -> list[Message]:
        return [message for topic, message in self.publisher.published if topic == "fhir.changed"]


async def test_a_signed_change_becomes_a_reference_and_nothing_more() -> None:
    ingress = Ingress()
    await ingress.send(body_of(PATIENT))
    [message] = ingress.messages
    assert json.loads(message.data) == {
        "project": PROJECT,
        "type": "Patient",
        "id": PATIENT["id"],
        "version": "3c87c2be-89eb-4f85-bcd8-0a07204e1bed",
        "lastUpdated": "2026-11-23T10:41:55.279Z",
        "generation": 1 << 16,
    }
    everything = repr(message)
    assert "Canary" not in everything
    assert not any(str(PATIENT["id"]) in value for value in message.attributes.values())


async def test_a_redelivery_has_the_same_event_id_whatever_its_headers_say() -> None:
    ingress, body = Ingress(), body_of(PATIENT)
    first = await ingress.send(body, headers(body, x_medplum_interaction="create"))
    second = await ingress.send(body, headers(body, x_medplum_interaction="update", x_trace_id="another"))
    assert first == second


async def test_another_version_is_another_event() -> None:
    ingress = Ingress()
    other = PATIENT | {"meta": dict(PATIENT["meta"]) | {"versionId": "other"}}
    assert await ingress.send(body_of(PATIENT)) != await ingress.send(body_of(other))


async def test_a_deletion_is_only_a_claim() -> None:
    ingress = Ingress()
    await ingress.send(b"{}", headers(b"{}", x_medplum_deleted_resource="Patient/p1", x_medplum_interaction="delete"))
    [message] = ingress.messages
    assert message.attributes["ce-type"] == "io.starvit.fhir.resource.deletion-claimed.v1"
    assert json.loads(message.data)["subscription"] == "clinic"


async def test_the_same_claim_is_published_once() -> None:
    ingress = Ingress()
    trace = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    given = headers(b"{}", x_medplum_deleted_resource="Patient/p1", x_trace_id=trace)
    assert await ingress.send(b"{}", given) == await ingress.send(b"{}", given)
    assert len(ingress.messages) == 1


async def test_a_captured_deletion_can_not_flood_the_topic() -> None:
    ingress = Ingress(claims=5)
    for n in range(5):
        await ingress.send(b"{}", headers(b"{}", x_medplum_deleted_resource=f"Patient/p{n}"))
    with pytest.raises(Problem) as raised:
        await ingress.send(b"{}", headers(b"{}", x_medplum_deleted_resource="Patient/p5"))
    assert raised.value.code is Code.TOO_MANY_CLAIMS
    await ingress.send(body_of(PATIENT))  # a signed change is never limited
    assert len(ingress.messages) == 6


async def test_signed_changes_are_never_limited_however_many_forgeries_come_from_their_address() -> None:
    ingress, body = Ingress(unsigned=3), body_of(PATIENT)
    codes = [(await ingress.refused(body, headers(body, x_signature="0" * 64))).code for _ in range(5)]
    assert codes == [Code.BAD_SIGNATURE] * 3 + [Code.TOO_MANY_REQUESTS] * 2
    await ingress.send(body)


async def test_a_publish_that_is_not_confirmed_is_not_acknowledged() -> None:
    ingress = Ingress()
    ingress.publisher.fail(1)
    with pytest.raises(Problem) as raised:
        await ingress.send(body_of(PATIENT))
    assert raised.value.code is Code.PUBSUB_DOWN
    await ingress.send(body_of(PATIENT))
    assert len(ingress.messages) == 1


async def test_a_claim_whose_publish_failed_is_published_by_its_redelivery() -> None:
    ingress = Ingress()
    trace = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    given = headers(b"{}", x_medplum_deleted_resource="Patient/p1", x_trace_id=trace)
    ingress.publisher.fail(1)
    with pytest.raises(Problem):
        await ingress.send(b"{}", given)
    await ingress.send(b"{}", given)
    assert len(ingress.messages) == 1


@pytest.mark.parametrize(("why", "secret"), [("the new secret", "new"), ("the old one, while rotating", HOOK_SECRET)])
async def test_two_secrets_are_good_while_they_are_rotated(why: str, secret: str) -> None:
    body = body_of(PATIENT)
    ingress = Ingress(secrets=("new", HOOK_SECRET))
    await ingress.send(body, headers(body, x_signature=sign(body, secret).decode()))
    assert ingress.messages, why


BAD_SIGNATURES = {
    "none": [],
    "of another secret": [sign(body_of(PATIENT), "other")],
    "cut short": [sign(body_of(PATIENT))[:-1]],
    "in upper case": [sign(body_of(PATIENT)).upper()],
    "twice": [sign(body_of(PATIENT))] * 2,
    "with a prefix": [b"sha256=" + sign(body_of(PATIENT))],
    "over a re-serialised body": [sign(json.dumps(PATIENT, indent=1).encode())],
    "of the constant delete": [sign(b"{}")],
    "not hex": [b"z" * 64],
    "not ASCII": [b"\xff" * 64],
}


@pytest.mark.parametrize("why", BAD_SIGNATURES)
async def test_a_bad_signature_is_refused_without_effect(why: str) -> None:
    given = [(b"content-type", b"application/fhir+json"), *((b"x-signature", value) for value in BAD_SIGNATURES[why])]
    assert (await Ingress().refused(body_of(PATIENT), given)).code is Code.BAD_SIGNATURE


async def test_an_unknown_subscription_looks_like_a_bad_signature() -> None:
    assert (await Ingress().refused(body_of(PATIENT), path="other")).code is Code.BAD_SIGNATURE


async def test_a_resource_of_another_project_is_refused() -> None:
    foreign = PATIENT | {"meta": dict(PATIENT["meta"]) | {"project": "another"}}
    problem = await Ingress().refused(body_of(foreign))
    assert (problem.code, problem.at) == (Code.WRONG_TENANT, "meta.project")


BAD_BODIES = {
    "not JSON": b'{"resourceType":"Patient"',
    "a list": b"[]",
    "a string": b'"Patient"',
    "duplicate keys": b'{"resourceType":"Patient","resourceType":"Observation","meta":{}}',
    "NaN": b'{"resourceType":"Observation","meta":{},"valueQuantity":{"value":NaN}}',
    "not UTF-8": b'{"resourceType":"Pati\xff"}',
    "no meta": b'{"resourceType":"Patient","id":"1"}',
    "empty, and no deleted resource named": b"{}",
    "an id that is no FHIR id": body_of(PATIENT | {"id": "a/../b"}),
    "a type that is no type": body_of(PATIENT | {"resourceType": "../Patient"}),
    "a date that is none": body_of(PATIENT | {"meta": dict(PATIENT["meta"]) | {"lastUpdated": "today"}}),
    "very deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
}


@pytest.mark.parametrize("why", BAD_BODIES)
async def test_a_signed_body_that_is_no_resource_is_refused_with_a_place_and_no_value(why: str) -> None:
    problem = await Ingress().refused(BAD_BODIES[why])
    assert problem.code in (Code.BAD_BODY, Code.WRONG_TENANT)
    assert "Canary" not in str(problem)


async def test_a_body_that_is_not_json_by_its_type_is_refused() -> None:
    body = body_of(PATIENT)
    problem = await Ingress().refused(body, headers(body, content_type="text/plain"))
    assert problem.code is Code.NOT_JSON_TYPE


async def test_two_content_types_joined_as_medplum_joins_them_are_taken() -> None:
    body = body_of(PATIENT)
    await Ingress().send(body, headers(body, content_type="application/fhir+json, application/json"))


@pytest.mark.parametrize("named", ["Patient", "Patient/", "/p1", "Patient/p1/x", "Patient/a b", "patient/p1"])
async def test_a_deletion_of_something_unnameable_is_refused(named: str) -> None:
    problem = await Ingress().refused(b"{}", headers(b"{}", x_medplum_deleted_resource=named))
    assert problem.code is Code.BAD_BODY


async def test_a_trace_id_that_is_none_does_not_travel() -> None:
    ingress, body = Ingress(), body_of(PATIENT)
    await ingress.send(body, headers(body, x_trace_id="Canary <script>"))
    assert "Canary" not in repr(ingress.messages[0])
