"""Is it a resource that we can vouch for, and is a deletion true?

    fhir.changed ─► [this] ─► fhir.validated | validation.quarantine
                      ├─────► quality.found, if there was anything to find
                      └─────► Medplum: a Task or an AuditEvent with the OperationOutcome, where the deployment wants it

A version is read back from Medplum and held against FHIR R4 and our rules (schemas/validation); a claimed deletion is
confirmed. What passes goes on as a reference, with warnings too; what does not is set aside under a code, the rule and a
FHIRPath. Rules are looked at anew each time: a replay passes by the rules of then.
"""

from collections.abc import Sequence
from typing import Any, Literal

from shared.deid.door import Door
from shared.deid.quality import TOPIC, by_rule, said, told
from shared.effects import Effect, Publish, Record, SetAside
from shared.errors import Code, Problem
from shared.events.data import Changed, DeletionClaimed, Validated
from shared.events.envelope import Event
from shared.fhir.elements import resource_types
from shared.fhir.outcomes import record
from shared.fhir.port import Deletion
from shared.fhir.reading import Given
from shared.fhir.validation import Issue, Validator
from shared.identity.event_ids import EventIds
from shared.phi import Phi
from shared.settings import Zone
from shared.subscriber import Scope, Subscription, subscribes
from shared.telemetry.metrics import RULES_BROKEN
from shared.tenancy import ByProject

ON = Subscription(
    handler="validation",
    topic="fhir.changed",
    zone=Zone.CLINICAL,
    takes=(Changed, DeletionClaimed),
    publishes=("fhir.validated", "fhir.accessed", TOPIC),
    scopes=frozenset({Scope.MEDPLUM_READ, Scope.MEDPLUM_AUDIT, Scope.PUBLISH, Scope.EVENT_KEYS, Scope.PSEUDONYM_KEYS}),
)

type Outcomes = Literal["none", "task", "audit-event"]


@subscribes(ON)
async def validate(
    event: Event[Changed | DeletionClaimed],
    given: Given,
    *,
    validator: Validator,
    ids: ByProject[EventIds],
    doors: ByProject[tuple[Door, ...]] | None = None,
    outcomes: Outcomes = "none",
) -> Sequence[Effect]:
    """The reference under its own id for a version that passes; the deletion's identity for one that Medplum confirms.

    `doors`: through which the counts of broken rules go; without them they do not.
    """
    own = ids[event.data.project]
    others: list[Effect] = []
    match event.data, given:
        case Changed() as changed, Phi() as resource:
            issues = list(validator.issues(resource.reveal()))
            if issues:
                others = _told(event, issues, own, doors[changed.project] if doors else (), outcomes)
            worst = next((issue for issue in issues if issue.refuses), None)
            if worst:
                return [*others, SetAside(Code.RESOURCE_INVALID, worst.path, worst.rule)]
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
    return [Publish("fhir.validated", id, data, own.ordering(data.type, data.id)), *others]


def _told(
    event: Event[Any], issues: Sequence[Issue], own: EventIds, doors: Sequence[Door], outcomes: Outcomes
) -> list[Effect]:
    """What was found, to whom it concerns. A type that R4 has not is named to nobody: it may be any word."""
    found = by_rule(issues)
    for rule in found:
        RULES_BROKEN.add(1, rule)
    effects: list[Effect] = []
    if event.data.type in resource_types():
        effects += [told(door, event, found) for door in doors]
    if outcomes != "none":
        tag = own.outcome(event.id, said(found))
        effects.append(Record(event.data.project, tag, record(outcomes, event, issues)))
    return effects
