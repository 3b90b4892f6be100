"""De-identify a validated version and hand the row to analytics. The last handler that sees PHI.

    fhir.validated ─► [this] ─► fhir.deidentified

Beyond this door nothing joins back: the event id, the correlation id and the ordering key are new, derived with the
tenant's pseudonym key, and the trace is another one.
"""

from collections.abc import Sequence

from shared.deid.door import Door
from shared.effects import Effect, Publish
from shared.errors import Code, Problem
from shared.events.data import Validated
from shared.events.envelope import Event
from shared.fhir.port import Deletion
from shared.fhir.reading import Given
from shared.settings import Zone
from shared.subscriber import Scope, Subscription, subscribes
from shared.tenancy import ByProject

ON = Subscription(
    handler="deid",
    topic="fhir.validated",
    zone=Zone.CLINICAL,
    takes=(Validated,),
    publishes=("fhir.deidentified", "fhir.accessed"),
    scopes=frozenset({Scope.MEDPLUM_READ, Scope.PUBLISH, Scope.EVENT_KEYS, Scope.PSEUDONYM_KEYS}),
)


@subscribes(ON)
async def deidentify(event: Event[Validated], given: Given, *, doors: ByProject[Door]) -> Sequence[Effect]:
    """One row: the de-identified resource, or a tombstone for a deletion."""
    if isinstance(given, Deletion):
        raise Problem(Code.UNKNOWN_TYPE, "ce-type")
    door = doors[event.data.project]
    row = door.row(event.data, given)
    return [
        Publish(
            "fhir.deidentified",
            door.pseudonyms.event(event.id),
            row.event(),
            ordering_key=row.key,
            correlation=door.pseudonyms.correlation(event.correlation),
        )
    ]
