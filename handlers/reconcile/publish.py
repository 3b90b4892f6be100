"""The events of reconcile: a change as the webhook would have told it, a tombstone as deid would have made it.

A change has its usual event id, so what was told after all is a duplicate to the ledger. Of a tombstone only the row is
known, by its pseudonyms: it goes straight to fhir.deidentified, with the sequence that the confirmed deletion would have.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from msgspec import Struct, field

from shared.deid.door import Door
from shared.events.data import Accounted, Act, Changed, Data
from shared.events.envelope import Event
from shared.fhir.port import Version
from shared.identity.event_ids import EventIds
from shared.limits import Recent
from shared.settings import Tenant
from shared.sinks.keys import KeyRow
from shared.sinks.port import Publisher
from shared.telemetry.trace import fresh

HANDLER = "reconcile"
CHANGED, DEIDENTIFIED, ACCESSED = "fhir.changed", "fhir.deidentified", "fhir.accessed"


class Events(Struct, frozen=True):
    """Publishes for one tenant. `now` is seconds since the epoch. Each method raises Problem(PUBSUB_DOWN)."""

    tenant: Tenant
    ids: EventIds
    publisher: Publisher
    now: Callable[[], float]
    lately: Recent = field(default_factory=lambda: Recent(3600))  # told of by us, and perhaps not worked on yet

    def id(self, type: str, version: Version) -> str:
        """The event id that a version has, whoever tells of it."""
        return self.ids.change(self.tenant.project, type, version.id, version.version, self.tenant.generation)

    async def changed(self, type: str, version: Version) -> None:
        """Tell of a version that nobody told of."""
        data = Changed(
            project=self.tenant.project,
            type=type,
            id=version.id,
            version=version.version,
            last_updated=version.last_updated,
            generation=self.tenant.generation,
        )
        id = self.id(type, version)
        await self._publish(CHANGED, id, data, self.ids.ordering(type, version.id))
        self.lately.add(id, self.now())

    async def vanished(self, door: Door, type: str, row: KeyRow) -> None:
        """Bury a row whose resource is gone."""
        tombstone = door.tombstone(type, row.key, row.version, row.sequence, row.generation)
        id = door.pseudonyms.event(f"tombstone/{type}/{row.key}/{row.sequence}")
        await self._publish(DEIDENTIFIED, id, tombstone.event(), row.key)

    async def searched(self, type: str) -> None:
        """Account for a walk over the resources of a type: what came held PHI, whatever was kept of it."""
        event, correlation = self.ids.accessed(HANDLER, f"{type}/{uuid4()}"), str(uuid4())
        act = Act(
            event=event,
            correlation=correlation,
            type=type,
            id=None,
            version=None,
            patient=None,
            action="search",
            handler=HANDLER,
            purpose="reconciliation",
            at=datetime.fromtimestamp(self.now(), UTC),
            disclosure=None,
        )
        await self._publish(ACCESSED, event, Accounted(project=self.tenant.project, acts=(act,)), "", correlation)

    async def _publish(self, topic: str, id: str, data: Data, key: str, correlation: str = "") -> None:
        time = datetime.fromtimestamp(self.now(), UTC)
        event = Event(id, data, time, HANDLER, correlation or str(uuid4()), fresh(), ordering_key=key)
        await self.publisher.publish(topic, event.message())
