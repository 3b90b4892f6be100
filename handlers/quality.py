"""Count how often rules are broken, where analysts can see it.

    quality.found ─► [this] ─► BigQuery: quality_rows, published as `data_quality`

What comes here names a rule, a severity and a resource type, and no resource. This handler can not reach PHI: it may not
import `shared.phi` or `shared.fhir`, not even through others.
"""

from collections.abc import Collection, Sequence
from datetime import UTC

from shared.effects import Effect, Tally, Together
from shared.errors import Code, Problem
from shared.events.data import QualityFound
from shared.events.envelope import Event
from shared.settings import Zone
from shared.sinks.quality import QualityRow
from shared.subscriber import Scope, Subscription, subscribes

ON = Subscription(
    handler="quality",
    topic="quality.found",
    zone=Zone.ANALYTICS,
    takes=(QualityFound,),
    scopes=frozenset({Scope.BIGQUERY_WRITE}),
)


@subscribes(ON)
async def tally(event: Event[QualityFound], given: None, *, releases: Collection[tuple[str, str]]) -> Sequence[Effect]:
    """A row for each rule, under the event's own id. `releases`: (tenant's name, key id) of each dataset."""
    said = event.data
    if (said.project, said.key_id) not in releases:
        raise Problem(Code.UNKNOWN_PROJECT, "data.project")
    rows = [
        QualityRow(
            project=said.project,
            key_id=said.key_id,
            key=event.id,
            rule=rule,
            severity=severity,
            resource_type=said.resource_type,
            day=event.time.astimezone(UTC).date(),
            findings=count,
            generation=said.generation,
        )
        for severity, broken in (("error", said.errors), ("warning", said.warnings))
        for rule, count in broken.items()
    ]
    return [Together(tuple(Tally(row) for row in rows))]
