"""Forget a patient: what ops orders under Medplum's id becomes an order under each dataset's pseudonym of him.

    privacy.erase ─► [this] ─┬─► the door's list: nothing of him leaves any more
                             ├─► fhir.deidentified: one Erasure for each dataset
                             └─► an AuditEvent in Medplum: who had whom erased, and why

Nothing is read from Medplum: whether the patient is still there does not matter. What Medplum itself holds is not touched.
"""

from collections.abc import Mapping, Sequence

from shared.deid.door import Door
from shared.effects import Effect, Publish, Record, Suppress
from shared.errors import Code, Problem
from shared.events.data import Erasure, ErasureOrdered
from shared.events.envelope import Event
from shared.fhir.audit import erasure_event
from shared.settings import Zone
from shared.subscriber import Scope, Subscription, subscribes

ON = Subscription(
    handler="erase",
    topic="privacy.erase",
    zone=Zone.CLINICAL,
    takes=(ErasureOrdered,),
    publishes=("fhir.deidentified",),
    scopes=frozenset({Scope.PUBLISH, Scope.PSEUDONYM_KEYS, Scope.MEDPLUM_AUDIT}),
)


@subscribes(ON)
async def erase(
    event: Event[ErasureOrdered], given: None, *, doors: Mapping[str, tuple[Door, ...]], projects: Mapping[str, str]
) -> Sequence[Effect]:
    """`doors` and `projects` (Medplum's) by the tenant's public name. The record comes last: erasing does not wait for it."""
    order = event.data
    if order.project not in doors:
        raise Problem(Code.UNKNOWN_PROJECT, "data.project")
    effects = [effect for door in doors[order.project] for effect in _at(door, event, len(doors[order.project]))]
    if order.round == 1 and not order.dry_run:
        record = erasure_event(order, correlation=event.correlation)
        effects.append(Record(projects[order.project], event.id, record))
    return effects


def _at(door: Door, event: Event[ErasureOrdered], datasets: int) -> list[Effect]:
    order, names = event.data, door.pseudonyms
    patient = names.id("Patient", order.patient)
    said = Erasure(
        project=order.project,
        key_id=names.key_id,
        patient=patient,
        order=order.order,
        round=order.round,
        datasets=datasets,
        dry_run=order.dry_run,
        policy=door.policy.name,
        policy_hash=door.policy.hash,
        at=order.at,
    )
    correlation = names.correlation(event.correlation)
    publish = Publish("fhir.deidentified", names.event(event.id), said, ordering_key=patient, correlation=correlation)
    return [publish] if order.dry_run else [Suppress(order.project, names.key_id, patient), publish]
