"""The stand-in's rest-hooks against those that a real Medplum sent: bytes, retries, redirects, what is never sent."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.local.medplum import Fate, Hook, Medplum
from tests.contracts.receiver import Received, Receiver, receiving
from tests.contracts.recordings import comparable, recorded

PROJECT = "4d135744-b70e-416a-9d4c-cae3d05fde06"
CLIENT = "bf00847c-76b8-40f7-bc94-b423f1703811"
SECRET = "s3cr3t-k3y"
SCALE = 0.004
SPOOFING = (
    "Authorization: Bearer abc.def",
    "X-Url: https://foo.bar:8443/x",
    "X-Medplum-Subscription: spoof",
    "X-Empty:",
)
HEADERS = {"/all-secret": SPOOFING, "/ctype": ("content-type: application/json", "X-A: 1")}
LABELS = [
    "patient-create-all-nosecret",
    "patient-create-all-secret",
    "patient-update-all-nosecret",
    "patient-update-all-secret",
    "patient-patch-all-nosecret",
    "patient-patch-all-secret",
    "patient-delete-all-nosecret",
    "patient-delete-all-secret",
    "obs-create-obs-crit",
    "obs-create-obs-secret",
    "obs-update-obs-secret",
    "obs-update-obs-crit",
    "obs-delete-obs-secret",
    "obs-delete-obs-crit",
    "documentreference-create-presigned-url",
    "lowercase-content-type-custom-header",
    "crash-duplicate-0",
    "crash-duplicate-1",
    "redirect-followed-redir-target",
    "redirect-followed-redir-target307",
]
CRITERIA = {"/obs-crit": "Observation?code=http://loinc.org|8867-4&status=final"}
PATIENT: dict[str, object] = {"resourceType": "Patient", "gender": "female"}


class Clinic:
    """A Medplum, a receiver of its hooks, and an API client."""

    def __init__(self, medplum: Medplum, receiver: Receiver, http: httpx.AsyncClient) -> None:
        self.medplum, self.receiver, self.http = medplum, receiver, http

    def subscribe(self, criteria: str = "Patient", path: str = "/hook", secret: str | None = SECRET) -> str:
        return self.medplum.subscribe(PROJECT, criteria, self.receiver.url + path, secret, HEADERS.get(path, ()))

    def create(self, resource: dict[str, object] = PATIENT) -> dict[str, object]:
        return self.medplum.create(PROJECT, resource)

    def update(self, stored: dict[str, object], **changes: object) -> dict[str, object]:
        return self.medplum.update(PROJECT, {**stored, **changes})

    def delete(self, stored: dict[str, object]) -> None:
        self.medplum.delete(PROJECT, str(stored["resourceType"]), str(stored["id"]))

    async def hooks(self) -> list[Received]:
        await asyncio.wait_for(self.medplum.idle(), 10)
        return self.receiver.received


@dataclass(frozen=True)
class Fates:
    """Faults as a function."""

    on_hook: Callable[[Hook], Fate]


@asynccontextmanager
async def open_clinic(**options: Any) -> AsyncIterator[Clinic]:
    medplum = Medplum(time_scale=SCALE, seed=3, **options)
    medplum.add_project(PROJECT, [(CLIENT, "secret")])
    async with receiving() as receiver:
        base = await medplum.start()
        async with httpx.AsyncClient(base_url=base, auth=(CLIENT, "secret")) as http:
            yield Clinic(medplum, receiver, http)
        await medplum.stop()


@pytest.fixture
async def clinic() -> AsyncIterator[Clinic]:
    async with open_clinic() as clinic:
        yield clinic


@pytest.mark.parametrize("label", LABELS)
async def test_a_hook_is_what_medplum_sent(clinic: Clinic, label: str) -> None:
    golden = next(hook for hook in recorded("golden-webhooks.json") if hook["label"] == label)
    headers = dict(golden["raw_headers"])
    resource = _told(golden)
    path = golden["path"].replace("/redir-target", "/redirect")
    clinic.receiver.respond = _redirecting(307 if "307" in label else 302)
    clinic.subscribe(CRITERIA.get(path, resource["resourceType"]), path, golden["secret"])

    await _cause(clinic, headers["X-Medplum-Interaction"], resource, headers["x-trace-id"])

    sent = (await clinic.hooks())[-1]
    assert (sent.method, sent.path) == (golden["method"], golden["path"])
    assert [name for name, _ in sent.headers] == [name for name, _ in golden["raw_headers"]]
    varying = {"host", "content-length", "X-Signature"}
    assert {n: comparable(v) for n, v in sent.headers if n not in varying} == {
        name: comparable(value) for name, value in headers.items() if name not in varying
    }
    assert comparable(sent.body.decode()) == comparable(golden["body"])
    if golden["secret"] and sent.body:
        assert sent.header("X-Signature") == hmac.digest(golden["secret"].encode(), sent.body, "sha256").hex()
    if sent.body == b"{}":
        assert sent.header("X-Signature") == headers.get("X-Signature", "")


async def test_an_update_that_changes_nothing_tells_nobody(clinic: Clinic) -> None:
    clinic.subscribe()
    stored = clinic.create()
    assert clinic.update(stored)["meta"] == stored["meta"]
    assert [hook.header("X-Medplum-Interaction") for hook in await clinic.hooks()] == ["create"]


async def test_an_audit_event_tells_nobody(clinic: Clinic) -> None:
    clinic.subscribe("AuditEvent")
    clinic.create({"resourceType": "AuditEvent", "outcome": "0"})
    assert await clinic.hooks() == []


async def test_only_what_meets_the_criteria_is_told(clinic: Clinic) -> None:
    clinic.subscribe("Observation?status=final")
    clinic.create({"resourceType": "Observation", "status": "preliminary"})
    final = clinic.create({"resourceType": "Observation", "status": "final"})
    clinic.create()
    assert [json.loads(hook.body)["id"] for hook in await clinic.hooks()] == [final["id"]]


async def test_five_attempts_on_medplums_schedule_and_then_the_event_is_gone(clinic: Clinic) -> None:
    expected = recorded("retry-default-schedule.json")["/d-default"]
    clinic.receiver.respond = _status(503)
    clinic.subscribe()
    clinic.create()
    hooks = await clinic.hooks()
    assert len(hooks) == len(expected) == 5
    assert len({(hook.body, hook.header("X-Signature"), hook.header("x-trace-id")) for hook in hooks}) == 1
    for hook, following, seconds, later in zip(hooks, hooks[1:], expected, expected[1:], strict=False):
        assert following.at - hook.at >= (later - seconds) * SCALE * 0.85
    stats = clinic.medplum.stats
    assert (stats.fired, stats.sent, stats.failed, stats.given_up, stats.accepted) == (1, 5, 5, 1, 0)


@pytest.mark.parametrize("status, attempts", [(200, 1), (304, 1), (400, 5), (401, 5), (404, 5), (410, 5), (429, 5)])
async def test_only_200_to_399_ends_the_attempts(clinic: Clinic, status: int, attempts: int) -> None:
    clinic.receiver.respond = _status(status)
    clinic.subscribe()
    clinic.create()
    assert len(await clinic.hooks()) == attempts


@pytest.mark.parametrize("then", ["update", "delete"])
async def test_a_retry_of_what_is_no_longer_the_newest_is_dropped(clinic: Clinic, then: str) -> None:
    answers = iter([503])
    clinic.receiver.respond = lambda _: _answer(next(answers, 204))
    clinic.subscribe()
    stored = clinic.create()
    await asyncio.wait_for(clinic.receiver.first.wait(), 10)
    if then == "update":
        clinic.update(stored, gender="male")
    else:
        clinic.delete(stored)
    interactions = [hook.header("X-Medplum-Interaction") for hook in await clinic.hooks()]
    assert interactions == ["create", then]
    assert clinic.medplum.stats.stale == 1


async def test_the_first_attempt_of_an_older_version_is_still_sent(clinic: Clinic) -> None:
    clinic.subscribe()
    clinic.update(clinic.create(), gender="male")
    assert len(await clinic.hooks()) == 2


async def test_a_subscription_that_is_off_is_told_nothing_more(clinic: Clinic) -> None:
    clinic.receiver.respond = _status(503)
    id = clinic.subscribe()
    clinic.create()
    await asyncio.wait_for(clinic.receiver.first.wait(), 10)
    answer = await clinic.http.get(f"/fhir/R4/Subscription/{id}")
    await clinic.http.put(f"/fhir/R4/Subscription/{id}", json={**answer.json(), "status": "off"})
    clinic.create()
    assert len(await clinic.hooks()) == 1


async def test_twenty_receivers_that_hang_stop_everybody(clinic: Clinic) -> None:
    free = asyncio.Event()

    async def hang(request: Received) -> tuple[int, str]:
        if request.path == "/slow":
            await free.wait()
        return 204, ""

    clinic.receiver.respond = hang
    clinic.subscribe("Patient", "/slow")
    clinic.subscribe("Observation", "/quick")
    for _ in range(20):
        clinic.create()
    clinic.create({"resourceType": "Observation", "status": "final"})
    await asyncio.sleep(0.2)
    assert {hook.path for hook in clinic.receiver.received} == {"/slow"}
    free.set()
    assert [hook.path for hook in await clinic.hooks()][20:] == ["/quick"]


async def test_a_dropped_attempt_comes_again() -> None:
    async with open_clinic(faults=Fates(lambda hook: "drop" if hook.attempt == 0 else "deliver")) as clinic:
        clinic.subscribe()
        clinic.create()
        assert len(await clinic.hooks()) == 1
        assert (clinic.medplum.stats.failed, clinic.medplum.stats.accepted) == (1, 1)


async def test_a_hook_comes_twice_byte_for_byte() -> None:
    async with open_clinic(faults=Fates(lambda _: "twice")) as clinic:
        clinic.subscribe()
        clinic.create()
        first, second = await clinic.hooks()
        assert (first.headers, first.body) == (second.headers, second.body)
        assert clinic.medplum.stats.accepted == 1


async def test_a_hook_that_is_held_back_is_overtaken() -> None:
    def slow_creates(hook: Hook) -> Fate:
        return 0.1 if hook.interaction == "create" else "deliver"

    async with open_clinic(faults=Fates(slow_creates)) as clinic:
        clinic.subscribe()
        clinic.update(clinic.create(), gender="male")
        assert [hook.header("X-Medplum-Interaction") for hook in await clinic.hooks()] == ["update", "create"]


def _told(golden: dict[str, Any]) -> dict[str, Any]:
    """The resource as somebody must have written it, for the hook to be told."""
    if golden["body"] in ("", "{}"):
        type = "Observation" if golden["label"].startswith("obs") else "Patient"
        heart_rate = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
        return {"resourceType": type, "status": "final", "code": heart_rate}
    resource: dict[str, Any] = json.loads(golden["body"])
    del resource["id"], resource["meta"]
    for content in resource.get("content", []):
        content["attachment"]["url"] = "Binary/480e5380-102b-4bf4-bc3a-3f03383d49c3"
    return resource


async def _cause(clinic: Clinic, interaction: str, resource: dict[str, Any], trace: str) -> None:
    """Over HTTP, as an API client does it."""
    headers = {"traceparent" if trace.startswith("00-") else "x-trace-id": trace}
    path = f"/fhir/R4/{resource['resourceType']}"
    first = resource if interaction != "update" else {**resource, "language": "en"}
    created = (await clinic.http.post(path, json=first, headers=headers)).json()
    if interaction == "update":
        changed = {**resource, "id": created["id"]}
        assert (await clinic.http.put(f"{path}/{created['id']}", json=changed, headers=headers)).status_code == 200
    if interaction == "delete":
        await clinic.medplum.idle()
        assert (await clinic.http.delete(f"{path}/{created['id']}", headers=headers)).status_code == 200


async def _answer(status: int) -> tuple[int, str]:
    return status, ""


def _status(status: int) -> Any:
    return lambda _: _answer(status)


def _redirecting(status: int) -> Any:
    async def respond(request: Received) -> tuple[int, str]:
        if request.path.startswith("/redirect"):
            return status, request.path.replace("/redirect", "/redir-target")
        return 200, ""

    return respond
