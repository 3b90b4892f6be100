"""Show in the graph what the warehouse has.

    analytics.committed ─► [this] ─► TigerGraph
                             ▲
          the key's versions, read from the change log in BigQuery

The event only says which row has changed: what is drawn is the newest version that the change log has, so it does not
matter in which order events come, or whether some come twice. This handler can not reach PHI: it may not import
`shared.phi` or `shared.fhir`, not even through others.
"""

from collections.abc import Sequence

from shared.effects import Draw, Effect, Supersede
from shared.errors import Code, Problem
from shared.events.data import Committed
from shared.events.envelope import Event
from shared.graph.drawing import Drawing
from shared.settings import Zone
from shared.sinks.changes.port import Change, Changes
from shared.sinks.sequence import padded
from shared.subscriber import Read, Scope, Subscription, subscribes

ON = Subscription(
    handler="graph",
    topic="analytics.committed",
    zone=Zone.ANALYTICS,
    takes=(Committed,),
    scopes=frozenset({Scope.BIGQUERY_READ, Scope.GRAPH_WRITE}),
    needs="tigergraph_url",
)


@subscribes(ON)
async def draw(event: Event[Committed], given: Sequence[Change], *, drawing: Drawing) -> Sequence[Effect]:
    """Draw the newest version. If the event's own is older it is drawn all the same, and the event is superseded then:
    an earlier attempt of this very event may have left its older picture behind."""
    said = event.data
    if not drawing.shows(said.resource_type):
        return []
    if not given:
        raise Problem(Code.WAREHOUSE_BEHIND, "data.key")
    picture = drawing.picture(said.project, said.key_id, given)
    if padded(picture.sequence) < padded(said.sequence):
        raise Problem(Code.WAREHOUSE_BEHIND, "data.sequence")
    if padded(picture.sequence) > padded(said.sequence):
        return [Draw(picture), Supersede(Code.NEWER_STATE, "data.sequence")]
    return [Draw(picture)]


def versions(changes: Changes, drawing: Drawing) -> Read[Sequence[Change]]:
    """Read the versions of the event's key from the change log; none for a type that is not drawn."""

    async def fetch(event: Event[Committed]) -> Sequence[Change]:
        said = event.data
        return await changes.history(said.project, said.key_id, said.key) if drawing.shows(said.resource_type) else ()

    return Read(fetch, lambda _, __: None)
