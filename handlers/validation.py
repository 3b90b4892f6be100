"""Is it a resource that we can vouch for, and is a deletion true?

    fhir.changed ─► [this] ─► fhir.validated | validation.quarantine

A version is read back from Medplum and held against FHIR R4; a claimed deletion is confirmed. What passes goes on as a
reference; what does not is set aside under a code and a FHIRPath.
"""

from collections.abc import Sequence

from shared.effects import Effect, Publish
from shared.errors import Code, Problem
from shared.events.data import Changed, DeletionClaimed, Validated
from shared.events.envelope import Event
from shared.fhir.port import Deletion
from shared.fhir.reading import Given
from shared.fhir.validation import Validator
from shared.identity.event_ids import EventIds
from shared.phi import Phi
from shared.settings import Zone
from shared.subscriber import Scope, Subscription, subscribes
from shared.tenancy import ByProject

ON = Subscription(
    handler="validation",
    topic="fhir.changed",
    zone=Zone.CLINICAL,
    takes=(Changed, DeletionClaimed),
    publishes=("fhir.validated", "fhir.accessed"),
    scopes=frozenset({Scope.MEDPLUM_READ, Scope.PUBLISH, Scope.EVENT_KEYS}),
)


@subscribes(ON)
async def validate(
    event: Event[Changed | DeletionClaimed], given: Given, *, validator: Validator, ids: ByProject[EventIds]
) -> Sequence[Effect]:
    """The reference under its own id for a version that passes; the deletion's identity for one that Medplum confirms."""
    own = ids[event.data.project]
    match event.data, given:
        case Changed() as changed, Phi() as resource:
            for issue in validator.issues(resource.reveal()):
                if issue.severity in ("error", "fatal"):
                    raise Problem(Code.RESOURCE_INVALID, issue.path)
            data = Validated(**dict(changed), op="write")
            id = event.id
        case DeletionClaimed() as claim, Deletion(version, last_updated):
            data = Validated(
                project=claim.project,
                type=claim.type,
                id=claim.id,
                version=version,
                last_updated=last_updated,
                generation=claim.generation,
                op="delete",
            )
            id = own.deletion(data.project, data.type, data.id, version, data.generation)
        case _:
            raise Problem(Code.UNKNOWN_TYPE, "ce-type")
    return [Publish("fhir.validated", id, data, own.ordering(data.type, data.id))]
