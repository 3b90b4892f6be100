"""What a clinical handler reads before it decides, and the access to PHI that this is.

event (a reference) ─► [this] ─► Phi[resource] | Deletion | nothing      and an Act ─► fhir.accessed ─► audit
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from shared.errors import Code, Problem
from shared.events.data import Act, DeletionClaimed, Reference, Validated
from shared.events.envelope import Event
from shared.fhir.port import Deletion, Reader, Resource
from shared.fhir.subject import patient_of
from shared.identity.event_ids import EventIds
from shared.phi import Phi
from shared.subscriber import Read
from shared.tenancy import ByProject

type Given = Phi[Resource] | Deletion | None


class Reading(Struct, frozen=True):
    """Reads for one handler and one purpose. `now` is seconds since the epoch."""

    reader: Reader
    ids: ByProject[EventIds]
    handler: str
    purpose: Literal["validation", "de-identification"]
    now: Callable[[], float]

    def read(self) -> Read[Given]:
        """For `Handler.bind`."""
        return Read(self.fetch, self.access)

    async def fetch(self, event: Event[Any]) -> Given:
        """The version that the event names; the proof of a claimed deletion; nothing for a confirmed one."""
        match event.data:
            case Validated(op="delete"):
                return None
            case Reference() as reference:
                return await self.reader.version(reference)
            case DeletionClaimed() as claim:
                return await self.reader.deletion(claim)
        raise Problem(Code.UNKNOWN_TYPE, "ce-type")

    def access(self, event: Event[Any], given: Given) -> Act | None:
        """The access that `fetch` was, and whose data it gave, if any.

        A retry is the same access: its id depends on handler and event alone.
        """
        match event.data:
            case Validated(op="delete"):
                return None
            case Reference(type=type, id=id, version=version):
                return self._access(event, type, id, version, "vread", given)
            case DeletionClaimed(type=type, id=id):
                return self._access(event, type, id, None, "history", given)
        return None

    def _access(
        self,
        event: Event[Any],
        type: str,
        id: str,
        version: str | None,
        action: Literal["vread", "history"],
        given: Given,
    ) -> Act:
        return Act(
            event=self.ids[event.data.project].accessed(self.handler, event.id),
            correlation=event.correlation,
            type=type,
            id=id,
            version=version,
            patient=patient_of(type, id, given),
            action=action,
            handler=self.handler,
            purpose=self.purpose,
            at=datetime.fromtimestamp(self.now(), UTC),
            disclosure=None,
        )
