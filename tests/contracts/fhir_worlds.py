"""Two worlds that keep the FHIR ports: the memory twin, and the client against a Medplum over HTTP.

A test says what has happened in Medplum and then asks through the ports; it can not tell the worlds apart.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import replace
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

import httpx
import orjson

from shared.errors import Code
from shared.events.data import DeletionClaimed, Reference
from shared.fhir.client import MedplumClient
from shared.fhir.memory import MemoryFhir
from shared.fhir.port import AuditWriter, Reader
from shared.local.medplum import Medplum
from shared.settings import Client, Tenant

PROJECT = "4d135744-b70e-416a-9d4c-cae3d05fde06"
OTHER = "9b8f4c38-0b8e-4a83-9c2e-6d5f0f1b2a3c"
LIMIT = 20_000
TASK = {"resourceType": "Task", "status": "requested", "intent": "proposal"}
AUDIT = {
    "resourceType": "AuditEvent",
    "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
    "recorded": "2026-11-23T10:00:00Z",
    "agent": [{"requestor": True}],
    "source": {"observer": {"display": "starvit"}},
}


class World(Protocol):
    @property
    def reader(self) -> Reader: ...
    @property
    def auditor(self) -> AuditWriter: ...

    def write(self, resource: Mapping[str, object]) -> Reference:
        """A clinic creates or updates (if there is an id) a resource in PROJECT."""
        ...

    def answers(self, reference: Reference, change: Callable[[bytes], bytes]) -> None:
        """From now on Medplum answers this reference with other bytes."""
        ...

    def delete(self, reference: Reference) -> None: ...
    def expunge(self, reference: Reference) -> None: ...
    async def spend(self) -> None:
        """The quota of every client is used up."""
        ...

    async def a_minute_later(self) -> None: ...
    async def vanish(self) -> None:
        """Medplum does not answer any more."""
        ...

    def audits(self, project: str) -> list[Mapping[str, object]]: ...


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def claim(reference: Reference) -> DeletionClaimed:
    return DeletionClaimed(
        project=reference.project, subscription="patients", type=reference.type, id=reference.id, generation=0
    )


def tenant(project: str, name: str, auditors: int = 2) -> Tenant:
    return Tenant(
        project=project,
        name=name,
        dataset=name,
        reader=Client.model_validate({"id": f"{name}-reader", "secret": "r"}),
        auditors=tuple(
            Client.model_validate({"id": f"{name}-auditor-{n}", "secret": f"a{n}"}) for n in range(auditors)
        ),
    )


def clients(tenant: Tenant) -> list[tuple[str, str]]:
    assert tenant.reader is not None
    return [(client.id, client.secret.get_secret_value()) for client in (tenant.reader, *tenant.auditors)]


class MemoryWorld:
    def __init__(self) -> None:
        self.reader = self.auditor = MemoryFhir([PROJECT, OTHER], LIMIT)

    def write(self, resource: Mapping[str, object]) -> Reference:
        meta = {"versionId": str(uuid4()), "lastUpdated": "2026-11-23T10:41:55.279Z"}
        return self.reader.put(PROJECT, {"id": str(uuid4()), **resource, "meta": meta})

    def answers(self, reference: Reference, change: Callable[[bytes], bytes]) -> None:
        stored = {
            "resourceType": reference.type,
            "id": reference.id,
            "meta": {"versionId": reference.version, "project": PROJECT},
        }
        self.reader.put_bytes(reference, change(orjson.dumps(stored)))

    def delete(self, reference: Reference) -> None:
        self.reader.delete(reference.project, reference.type, reference.id)

    def expunge(self, reference: Reference) -> None:
        self.reader.expunge(reference.project, reference.type, reference.id)

    async def spend(self) -> None:
        self.reader.fail(Code.MEDPLUM_BUSY, retry_after=42.0)

    async def a_minute_later(self) -> None:
        """A failure in memory is over when it was met."""

    async def vanish(self) -> None:
        self.reader.fail(Code.MEDPLUM_DOWN, times=100)

    def audits(self, project: str) -> list[Mapping[str, object]]:
        return list(self.reader.audits[project].values())


class HttpWorld:
    """`http` is the client's; its requests are listed in `requests` as method and path."""

    def __init__(self, medplum: Medplum, http: httpx.AsyncClient, clock: Clock) -> None:
        self.medplum, self.http, self.clock = medplum, http, clock
        self.requests: list[tuple[str, str]] = []
        self.tenants = [tenant(PROJECT, "one"), tenant(OTHER, "two")]
        for each in self.tenants:
            medplum.add_project(each.project, clients(each))
        self.client = self.reader = self.auditor = MedplumClient(
            http, medplum.base_url, self.tenants, LIMIT, timeout=5.0, clock=clock
        )

    def write(self, resource: Mapping[str, object]) -> Reference:
        do = self.medplum.update if "id" in resource else self.medplum.create
        stored = do(PROJECT, dict(resource))
        meta = stored["meta"]
        assert isinstance(meta, dict)
        return Reference(
            project=PROJECT,
            type=str(stored["resourceType"]),
            id=str(stored["id"]),
            version=meta["versionId"],
            last_updated=meta["lastUpdated"],
            generation=0,
        )

    def answers(self, reference: Reference, change: Callable[[bytes], bytes]) -> None:
        record = self.medplum.store.get(PROJECT, reference.type, reference.id)
        index = next(n for n, version in enumerate(record.versions) if version.id == reference.version)
        record.versions[index] = replace(record.versions[index], body=change(record.versions[index].body))

    def delete(self, reference: Reference) -> None:
        self.medplum.delete(PROJECT, reference.type, reference.id)

    def expunge(self, reference: Reference) -> None:
        self.medplum.expunge(PROJECT, reference.type, reference.id)

    async def spend(self) -> None:
        entry = {"request": {"method": "POST", "url": "Basic"}, "resource": {"resourceType": "Basic"}}
        batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry] * 11}
        async with httpx.AsyncClient(base_url=self.medplum.base_url) as http:
            for id, secret in clients(self.tenants[0]):
                answer = await http.post("/fhir/R4", json=batch, auth=(id, secret))
                assert answer.json()["entry"][-1]["response"]["status"] == "429"

    async def a_minute_later(self) -> None:
        self.clock.now += 61

    async def vanish(self) -> None:
        await self.medplum.stop()

    def audits(self, project: str) -> list[Mapping[str, object]]:
        return list(self.medplum.audit_events(project))


@asynccontextmanager
async def over_http(quota: int = 1000) -> AsyncIterator[HttpWorld]:
    """The client against a stand-in. A quota of 1000 points is eight conditional creates."""
    clock = Clock()
    medplum = Medplum(quota=quota, clock=clock, token_lifetime=600, seed=7)
    await medplum.start()
    async with httpx.AsyncClient() as http:
        world = HttpWorld(medplum, http, clock)

        async def note(request: httpx.Request) -> None:
            world.requests.append((request.method, request.url.path))

        http.event_hooks["request"].append(note)
        yield world
    await medplum.stop()
