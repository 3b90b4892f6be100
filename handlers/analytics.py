"""Put a de-identified row where analysts can query it.

    fhir.deidentified ─► [this] ─► BigQuery (current rows, change log) ─► analytics.committed
                                                                      └─► fhir.deidentified.<tenant>, for others

This handler can not reach PHI: it may not import `shared.phi` or `shared.fhir`, not even through others.
"""

from collections.abc import Collection, Mapping, Sequence

from shared.deid.row import from_event
from shared.effects import Effect, Publish, Store
from shared.errors import Code, Problem
from shared.events.data import Committed, Deidentified, Row
from shared.events.envelope import Event
from shared.settings import Zone
from shared.subscriber import Scope, Subscription, subscribes

ON = Subscription(
    handler="analytics",
    topic="fhir.deidentified",
    zone=Zone.ANALYTICS,
    takes=(Deidentified,),
    publishes=("analytics.committed",),
    scopes=frozenset({Scope.BIGQUERY_WRITE, Scope.PUBLISH}),
)


@subscribes(ON)
async def analyse(
    event: Event[Deidentified],
    given: None,
    *,
    releases: Collection[tuple[str, str]],
    outgoing: Mapping[tuple[str, str], str],
) -> Sequence[Effect]:
    """Store first, then say so: who hears of a row can query it.

    `releases`: (tenant's name, key id) of each dataset. `outgoing`: the topic of those whose rows others subscribe to.
    """
    row = from_event(event.data)
    if (row.project, row.key_id) not in releases:
        raise Problem(Code.UNKNOWN_PROJECT, "data.project")
    committed = Committed(
        project=row.project,
        key_id=row.key_id,
        resource_type=row.resource_type,
        key=row.key,
        sequence=row.sequence,
        deleted=row.deleted,
    )
    effects: list[Effect] = [Store(row), Publish("analytics.committed", event.id, committed, ordering_key=row.key)]
    if topic := outgoing.get((row.project, row.key_id)):
        copy = Row(**dict(event.data))
        effects.append(Publish(topic, event.id, copy, ordering_key=row.key))
    return effects
