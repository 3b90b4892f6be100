"""Write down in Medplum what our service did with PHI: who, what, whose, when, what for.

    fhir.accessed ─► [this] ─► AuditEvents in Medplum, exactly one for each act; many in a batch
                           └─► and one Provenance for each release that a row left for, once and for all
    ops.audit     ─► [this] ─► AuditEvent in Medplum: who moved or copied which of the tenant's dead letters, and why

The data path never waits for this: the act is on a topic of its own, and an audit write that Medplum's quota puts off
is tried again from there. The record goes where PHI may rest, for it names the resource.
"""

from collections.abc import Mapping, Sequence

from shared.effects import Effect, Otherwise, Publish, Record, Together
from shared.errors import Code, Problem
from shared.events.data import Accessed, Accounted, Act, OperationAudited, OperationExported
from shared.events.envelope import Event
from shared.fhir.audit import Site, audit_event, operation_event
from shared.fhir.provenance import provenance, tag_of
from shared.settings import Zone
from shared.subscriber import Scope, Subscription, subscribes

ON = Subscription(
    handler="audit",
    topic="fhir.accessed",
    zone=Zone.CLINICAL,
    takes=(Accounted, Accessed),
    publishes=("fhir.accessed",),
    scopes=frozenset({Scope.MEDPLUM_AUDIT, Scope.PUBLISH}),
)

OPERATIONS = Subscription(
    handler="operations",
    topic="ops.audit",
    zone=Zone.CLINICAL,
    takes=(OperationAudited, OperationExported),
    scopes=frozenset({Scope.MEDPLUM_AUDIT}),
)


@subscribes(ON)
async def audit(event: Event[Accounted | Accessed], given: None, *, site: Site) -> Sequence[Effect]:
    """An AuditEvent for each act, under the act's own event id, so that a second delivery finds the first.

    One that Medplum refuses for good goes back to the topic alone, and is set aside from there: the others are written.
    The releases' Provenances come after them: they are there already, but for a release's first rows.
    """
    match event.data:
        case Accessed() as access:
            return [Record(access.project, event.id, audit_event(access, site, correlation=event.correlation))]
        case Accounted(project=project, acts=(act,)):
            return [_record(project, act, site), *_releases(project, (act,))]
        case Accounted(project=project, acts=acts):
            return [
                Together(
                    tuple(Otherwise(_record(project, a, site), Code.AUDIT_REFUSED, _alone(project, a)) for a in acts)
                ),
                *_releases(project, acts),
            ]


def _record(project: str, act: Act, site: Site) -> Record:
    return Record(project, act.event, audit_event(act, site, correlation=act.correlation))


def _releases(project: str, acts: Sequence[Act]) -> list[Record]:
    """What the releases are made of, to which the acts' rows went; an end that was told made no row."""
    first: dict[str, Record] = {}
    for act in acts:
        if act.action == "disclose" and act.disclosure is not None:
            tag = tag_of(act.disclosure)
            first.setdefault(tag, Record(project, tag, provenance(act.disclosure, act.at)))
    return list(first.values())


def _alone(project: str, act: Act) -> Publish:
    return Publish("fhir.accessed", act.event, Accounted(project=project, acts=(act,)), "")


@subscribes(OPERATIONS)
async def audit_operation(
    event: Event[OperationAudited | OperationExported], given: None, *, projects: Mapping[str, str]
) -> Sequence[Effect]:
    """In the Medplum of the tenant whose events were moved. `projects`: tenant's public name → Medplum project.

    What names no tenant may be anyone's, so it stands in everyone's record: a count and a reason, nothing of an event.
    """
    if event.data.project == "-":
        concerned = list(projects.values())
    elif event.data.project in projects:
        concerned = [projects[event.data.project]]
    else:
        raise Problem(Code.UNKNOWN_PROJECT, "data.project")
    record = operation_event(event.data, correlation=event.correlation)
    return [Record(project, event.id, record) for project in concerned]
