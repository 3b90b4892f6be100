"""Write down in Medplum that our service read PHI: who, what, when, what for.

    fhir.accessed ─► [this] ─► AuditEvent in Medplum, exactly one for each access

The data path never waits for this: the access is on a topic of its own, and an audit write that Medplum's quota puts off
is tried again from there. The record goes where PHI may rest, for it names the resource.
"""

from collections.abc import Sequence

from shared.effects import Effect, Record
from shared.events.data import Accessed
from shared.events.envelope import Event
from shared.fhir.audit import audit_event
from shared.settings import Zone
from shared.subscriber import Scope, Subscription, subscribes

ON = Subscription(
    handler="audit",
    topic="fhir.accessed",
    zone=Zone.CLINICAL,
    takes=(Accessed,),
    scopes=frozenset({Scope.MEDPLUM_AUDIT}),
)


@subscribes(ON)
async def audit(event: Event[Accessed], given: None) -> Sequence[Effect]:
    """One AuditEvent, under the access's own event id, so that a second delivery finds the first."""
    record = audit_event(event.data, correlation=event.correlation)
    return [Record(event.data.project, event.id, record)]
