"""The Patient whose record free text is matched against: read as it is now, and accounted for like every access to PHI.

    event, id of a Patient ─► [this] ─► Phi[Patient] | None        and an Act ─► fhir.accessed ─► audit

Nothing is kept: each event that has free text reads the record anew, since PHI may rest in Medplum alone. The access is
noted before anything is done with the record, and is published before the message ends.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from shared.events.data import Act, Reference
from shared.events.envelope import Event
from shared.fhir.port import Reader, Resource
from shared.identity.event_ids import EventIds
from shared.phi import Phi
from shared.tenancy import ByProject

_PATIENT = "Patient"


class Records(Struct, frozen=True):
    """Reads records for one handler. `now` is seconds since the epoch; `note` accounts for an access (accounts.py)."""

    reader: Reader
    ids: ByProject[EventIds]
    handler: str
    now: Callable[[], float]
    note: Callable[[Act, Event[Any]], None]

    async def of(self, event: Event[Reference], id: Phi[str]) -> Phi[Resource] | None:
        """The patient's record; None when Medplum has no such Patient (any more). Raises Problem as Reader.current."""
        project, patient = event.data.project, id.reveal()
        record = await self.reader.current(project, _PATIENT, patient)
        if record is not None:
            self.note(self._access(event, project, patient), event)
        return record

    def _access(self, event: Event[Reference], project: str, patient: str) -> Act:
        """The same access however often it is tried: its id depends on handler and event alone."""
        return Act(
            event=self.ids[project].accessed(f"{self.handler}:record", event.id),
            correlation=event.correlation,
            type=_PATIENT,
            id=patient,
            version=None,
            patient=patient,
            action="read",
            handler=self.handler,
            purpose="de-identification",
            at=datetime.fromtimestamp(self.now(), UTC),
            disclosure=None,
        )
