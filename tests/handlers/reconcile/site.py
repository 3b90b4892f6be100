"""A tenant with two datasets, its Medplum and its warehouse as twins, and whoever tells of a change or does not."""

from copy import replace
from datetime import UTC, datetime
from functools import cache
from uuid import uuid4

import orjson

from handlers.reconcile.publish import Events
from handlers.reconcile.rounds import Rounds
from handlers.reconcile.sweep import Sweep
from shared.deid.door import Door, open_doors
from shared.deid.row import SafeRow, from_event
from shared.events.data import Deidentified, Validated
from shared.events.envelope import Message
from shared.fhir.memory import MemoryFhir
from shared.fhir.port import Resource
from shared.ledger.memory import MemoryLedger
from shared.ledger.port import Lease, State
from shared.marks import MemoryMarks
from shared.phi import Phi
from shared.sinks.memory import MemoryPublisher
from shared.sinks.memory_warehouse import MemoryWarehouse
from tests.simulation import house

NOW = 1_790_000_000.0
DAY = 86_400.0


@cache
def _doors() -> tuple[Door, ...]:
    """The tenant's doors, under a policy that is new enough for every test."""
    return open_doors(house.tenants()[0].model_copy(update={"epoch": 2}))


class Site:
    """`clock` is seconds since the epoch. Changes are an hour old unless a test says otherwise."""

    def __init__(self) -> None:
        self.clock = NOW
        self.tenant = house.tenants()[0]
        self.doors, self.ids = _doors(), house.ids()[self.tenant.project]
        self.fhir, self.ledger, self.publisher = MemoryFhir([self.tenant.project]), MemoryLedger(), MemoryPublisher()
        self.warehouse, self.marks = MemoryWarehouse([self.tenant.name]), MemoryMarks()
        self._written = 0

    def sweep(self, *, apply: bool = True, epoch: int = 1) -> Sweep:
        """A sweep of the tenant, perhaps under a newer policy."""
        tenant = self.tenant.model_copy(update={"epoch": epoch, "types": ("Patient", "Observation")})
        events = Events(tenant, self.ids, self.publisher, self.now)
        return Sweep(
            tenant, self.doors, self.fhir, self.warehouse, self.ledger, events, self.now, apply=apply, sleep=self.sleep
        )

    def rounds(self, *, apply: bool = True, epoch: int = 1) -> Rounds:
        """Rounds of the tenant."""
        return Rounds([self.sweep(apply=apply, epoch=epoch)], self.marks, self.ledger, str(uuid4()), self.now)

    def now(self) -> float:
        return self.clock

    async def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def write(self, id: str, *, age: float = 3600.0, type: str = "Patient") -> Validated:
        """A version in Medplum that nobody has told of yet; each is a moment later than the one before."""
        self._written += 1
        at = datetime.fromtimestamp(self.clock - age + self._written / 1000, UTC)
        instant = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"resourceType": type, "id": id, "meta": {"versionId": str(uuid4()), "lastUpdated": instant}}
        reference = self.fhir.put(self.tenant.project, body)
        return Validated(**{**dict(reference), "generation": self.tenant.generation}, op="write")

    async def tell(self, version: Validated, *, generation: int | None = None) -> None:
        """Let a version, or its deletion, go all the way to the warehouse."""
        version = version.model_copy(update={"generation": generation or version.generation})
        content: Phi[Resource] = Phi({"resourceType": version.type, "id": version.id})
        for door in self.doors:
            await self.warehouse.write(door.row(version, None if version.op == "delete" else content))

    async def told(self, id: str, **how: object) -> Validated:
        """A version that was told of."""
        version = self.write(id, **how)  # type: ignore[arg-type]
        await self.tell(version)
        return version

    def delete(self, version: Validated) -> Validated:
        """Delete a resource in Medplum; the deletion, for whoever tells of it."""
        self.fhir.delete(self.tenant.project, version.type, version.id)
        return version.model_copy(update={"op": "delete"})

    async def known(self, version: Validated, state: State) -> None:
        """The ledger knows of a version's event."""
        id = self.ids.change(version.project, version.type, version.id, version.version, version.generation)
        lease = await self.ledger.claim(f"validation:{id}", "x", owner="x", now=self.clock, until=self.clock + 9)
        assert isinstance(lease, Lease)
        if state is not State.LEASED:
            await self.ledger.finish(lease, state, now=self.clock)

    def published(self, topic: str) -> list[Message]:
        """What was published to a topic."""
        return [message for to, message in self.publisher.published if to == topic]

    def changes(self) -> set[str]:
        """The versions that were told of by reconcile."""
        found = [orjson.loads(message.data)["version"] for message in self.published("fhir.changed")]
        assert len(found) == len(set(found))
        return set(found)

    def tombstones(self) -> list[SafeRow]:
        """The rows that were buried by reconcile."""
        return [
            from_event(Deidentified.model_validate_json(message.data))
            for message in self.published("fhir.deidentified")
        ]

    def row(self, version: Validated, dataset: int = 0) -> SafeRow:
        """The row that the door makes of a version."""
        content: Phi[Resource] = Phi({"resourceType": version.type, "id": version.id})
        return self.doors[dataset].row(version, None if version.op == "delete" else content)


def plain(row: SafeRow) -> SafeRow:
    """A row without what policies differ in."""
    return replace(row, resource=None)
