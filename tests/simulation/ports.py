"""The ports of one process: the twins that all processes share, each call over the process's own wire."""

from collections.abc import Sequence

from shared.deid.row import SafeRow
from shared.events.data import DeletionClaimed, Reference
from shared.events.envelope import Message
from shared.fhir.memory import MemoryFhir
from shared.fhir.port import Deletion, Resource
from shared.ledger.port import Lease, Ledger, Record, State
from shared.phi import Phi
from shared.sinks.memory_warehouse import MemoryWarehouse
from shared.sinks.port import Publisher
from tests.simulation.process import Process


class WiredLedger:
    """A Ledger over the wire."""

    def __init__(self, process: Process, ledger: Ledger) -> None:
        self._process, self._ledger = process, ledger

    async def claim(self, key: str, fingerprint: str, *, owner: str, now: float, until: float) -> Lease | Record:
        async def effect() -> Lease | Record:
            return await self._ledger.claim(key, fingerprint, owner=owner, now=now, until=until)

        return await self._process.call("ledger", f"claim {key}", effect)

    async def finish(
        self, lease: Lease, state: State, *, code: str = "", now: float, not_before: float = 0, trace: str = ""
    ) -> None:
        async def effect() -> None:
            await self._ledger.finish(lease, state, code=code, now=now, not_before=not_before, trace=trace)

        await self._process.call("ledger", f"finish {lease.key}", effect)

    async def renew(self, lease: Lease, *, now: float, until: float) -> Lease:
        return await self._process.call(
            "ledger", f"renew {lease.key}", lambda: self._ledger.renew(lease, now=now, until=until)
        )

    async def reopen(self, key: str, *, now: float) -> bool:
        return await self._process.call("ledger", f"reopen {key}", lambda: self._ledger.reopen(key, now=now))

    async def get(self, key: str) -> Record | None:
        return await self._process.call("ledger", f"get {key}", lambda: self._ledger.get(key))

    async def close(self) -> None:
        """Nothing to close."""


class WiredFhir:
    """Reader and AuditWriter over the wire."""

    def __init__(self, process: Process, fhir: MemoryFhir) -> None:
        self._process, self._fhir = process, fhir

    async def version(self, reference: Reference) -> Phi[Resource]:
        what = f"version {reference.type}/{reference.id}/{reference.version}"
        return await self._process.call("fhir", what, lambda: self._fhir.version(reference))

    async def current(self, project: str, type: str, id: str) -> Phi[Resource] | None:
        return await self._process.call("fhir", f"read {type}/{id}", lambda: self._fhir.current(project, type, id))

    async def deletion(self, claim: DeletionClaimed) -> Deletion:
        what = f"deletion {claim.type}/{claim.id}"
        return await self._process.call("fhir", what, lambda: self._fhir.deletion(claim))

    async def create_once(self, project: str, tag: str, audit_event: Resource) -> bool:
        return await self._process.call(
            "audit", f"create {tag}", lambda: self._fhir.create_once(project, tag, audit_event)
        )

    async def close(self) -> None:
        """Nothing to close."""


class WiredPublisher:
    """A Publisher over the wire."""

    def __init__(self, process: Process, publisher: Publisher) -> None:
        self._process, self._publisher = process, publisher

    async def publish(self, topic: str, message: Message) -> None:
        what = f"{topic} {message.attributes['ce-id']}"
        await self._process.call("pubsub", what, lambda: self._publisher.publish(topic, message))

    async def close(self) -> None:
        """Nothing to close."""


class WiredWarehouse:
    """A Warehouse over the wire."""

    def __init__(self, process: Process, warehouse: MemoryWarehouse) -> None:
        self._process, self._warehouse = process, warehouse

    async def write(self, row: SafeRow) -> None:
        await self._process.call("warehouse", f"write {row.key} {row.sequence}", lambda: self._warehouse.write(row))

    async def close(self) -> None:
        """Nothing to close."""


class WiredScrubber:
    """A Scrubber over the wire, which has nothing to add to the local matcher."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def scrub(self, texts: Sequence[str]) -> Sequence[str]:
        async def effect() -> Sequence[str]:
            return texts

        return await self._process.call("dlp", "scrub", effect)

    async def close(self) -> None:
        """Nothing to close."""
