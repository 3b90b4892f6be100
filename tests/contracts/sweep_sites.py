"""Two sites to sweep: the memory twin, and the client against a Medplum over HTTP. A test can not tell them apart.

And what tests of a sweep do: fill a site, walk it to its end.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import orjson
import pytest

from shared.errors import Code, Problem
from shared.events.data import Reference
from shared.fhir.client import MedplumClient
from shared.fhir.memory import MemoryFhir
from shared.fhir.port import Page, Sweeper, Version
from tests.contracts.fhir_worlds import OTHER, PROJECT, HttpWorld

NOBODY = "00000000-0000-4000-8000-000000000000"
PATIENT = {"resourceType": "Patient", "name": [{"family": "Canary"}]}
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "Canary"}}


class Site(Protocol):
    @property
    def sweeper(self) -> Sweeper: ...

    def write(self, resource: Mapping[str, object], project: str = PROJECT) -> Version:
        """A clinic creates or updates (if there is an id) a resource."""
        ...

    def one_instant(self) -> AbstractContextManager[None]:
        """Everything written within has the same lastUpdated."""
        ...

    def delete(self, type: str, id: str) -> None: ...
    def expunge(self, type: str, id: str) -> None: ...
    def answers(self, type: str, version: Version, change: Callable[[Any], object]) -> None:
        """From now on Medplum shows the newest version of this resource otherwise."""
        ...

    async def spend(self) -> None: ...
    async def vanish(self) -> None: ...


@dataclass
class MemorySite:
    sweeper: MemoryFhir = field(default_factory=lambda: MemoryFhir([PROJECT, OTHER]))
    now: datetime = datetime(2026, 11, 23, 10, tzinfo=UTC)
    still: bool = False

    def write(self, resource: Mapping[str, object], project: str = PROJECT) -> Version:
        if not self.still:
            self.now += timedelta(milliseconds=1)
        meta = {"versionId": str(uuid4()), "lastUpdated": self.now.isoformat(timespec="milliseconds")[:-6] + "Z"}
        reference = self.sweeper.put(project, {"id": str(uuid4()), **resource, "meta": meta})
        return Version(reference.id, reference.version, reference.last_updated)

    @contextmanager
    def one_instant(self) -> Iterator[None]:
        self.now += timedelta(milliseconds=1)
        self.still = True
        yield
        self.still = False

    def delete(self, type: str, id: str) -> None:
        self.sweeper.delete(PROJECT, type, id)

    def expunge(self, type: str, id: str) -> None:
        self.sweeper.expunge(PROJECT, type, id)

    def answers(self, type: str, version: Version, change: Callable[[Any], object]) -> None:
        meta = {"versionId": version.version, "lastUpdated": version.last_updated, "project": PROJECT}
        reference = Reference(
            project=PROJECT,
            type=type,
            id=version.id,
            version=version.version,
            last_updated=version.last_updated,
            generation=0,
        )
        body = change({"resourceType": type, "id": version.id, "meta": meta, "name": [{"family": "Canary"}]})
        self.sweeper.put_bytes(reference, orjson.dumps(body))

    async def spend(self) -> None:
        self.sweeper.fail(Code.MEDPLUM_BUSY, retry_after=42.0)

    async def vanish(self) -> None:
        self.sweeper.fail(Code.MEDPLUM_DOWN, times=100)


@dataclass
class HttpSite:
    """`resource_limit` is the client's: a page may have four times of it."""

    world: HttpWorld
    resource_limit: int = 2_000_000
    sweeper: MedplumClient = field(init=False)

    def __post_init__(self) -> None:
        self.sweeper = MedplumClient(
            self.world.http,
            self.world.medplum.base_url,
            self.world.tenants,
            self.resource_limit,
            timeout=20.0,
            clock=self.world.clock,
        )

    def write(self, resource: Mapping[str, object], project: str = PROJECT) -> Version:
        do = self.world.medplum.update if "id" in resource else self.world.medplum.create
        stored = do(project, dict(resource))
        meta = stored["meta"]
        assert isinstance(meta, dict)
        return Version(str(stored["id"]), meta["versionId"], meta["lastUpdated"])

    def one_instant(self) -> AbstractContextManager[None]:
        return self.world.medplum.store.one_instant()

    def delete(self, type: str, id: str) -> None:
        self.world.medplum.delete(PROJECT, type, id)

    def expunge(self, type: str, id: str) -> None:
        self.world.medplum.expunge(PROJECT, type, id)

    def answers(self, type: str, version: Version, change: Callable[[Any], object]) -> None:
        reference = Reference(
            project=PROJECT,
            type=type,
            id=version.id,
            version=version.version,
            last_updated=version.last_updated,
            generation=0,
        )
        self.world.answers(reference, lambda body: orjson.dumps(change(orjson.loads(body))))

    async def spend(self) -> None:
        await self.world.spend()

    async def vanish(self) -> None:
        await self.world.vanish()


def patients(site: Site, count: int) -> list[Version]:
    return [site.write({"resourceType": "Patient", "multipleBirthInteger": n}) for n in range(count)]


def changed(version: Version) -> dict[str, object]:
    return {"resourceType": "Patient", "id": version.id, "active": True}


async def walk(
    site: Site, type: str = "Patient", between: Callable[[Page], None] = lambda page: None, since: str | None = None
) -> list[Version]:
    page = await site.sweeper.live(PROJECT, type, since=since)
    met = list(page.versions)
    while page.cursor is not None:
        between(page)
        page = await site.sweeper.live(PROJECT, type, cursor=page.cursor)
        assert len(page.versions) <= 1000
        met += page.versions
    return met


async def refused(ask: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        await ask
    return raised.value
