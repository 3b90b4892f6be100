"""Put a de-identified row where analysts can query it; and take a patient out again who is to be forgotten.

    fhir.deidentified ─► [this] ─┬─ a row ───► BigQuery (current rows, change log) ─► analytics.committed
                                 │                                                └─► fhir.deidentified.<tenant>, for others
                                 └─ Erasure ─► no more of him in; tombstones over all of his, said to all; the proof

This handler can not reach PHI: it may not import `shared.phi` or `shared.fhir`, not even through others.
"""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from shared.deid.row import SafeRow, erased, from_event
from shared.effects import Effect, NotErased, Prove, Publish, Purge, Store, Together
from shared.erasures.port import Found
from shared.errors import Code, Problem
from shared.events.data import Committed, Deidentified, Erasure, Row
from shared.events.envelope import Event
from shared.settings import Zone
from shared.subscriber import Read, Scope, Subscription, subscribes

ON = Subscription(
    handler="analytics",
    topic="fhir.deidentified",
    zone=Zone.ANALYTICS,
    takes=(Deidentified, Erasure),
    publishes=("analytics.committed",),
    scopes=frozenset({Scope.BIGQUERY_WRITE, Scope.BIGQUERY_READ, Scope.PUBLISH}),
)

type Given = Found | None
type Find = Callable[[Erasure], Awaitable[Found]]


@subscribes(ON)
async def analyse(
    event: Event[Deidentified | Erasure],
    given: Given,
    *,
    releases: Collection[tuple[str, str]],
    outgoing: Mapping[tuple[str, str], str],
) -> Sequence[Effect]:
    """Store first, then say so: who hears of a row can query it.

    `releases`: (tenant's name, key id) of each dataset. `outgoing`: the topic of those whose rows others subscribe to.
    """
    said = event.data
    if (said.project, said.key_id) not in releases:
        raise Problem(Code.UNKNOWN_PROJECT, "data.project")
    topic = outgoing.get((said.project, said.key_id))
    if isinstance(said, Deidentified):
        row = from_event(said)
        effects: list[Effect] = [Store(row), _committed(row, event.id)]
        return [*effects, NotErased(row), _copied(row, event.id, topic)] if topic else effects
    if given is None:
        raise TypeError("an erasure is given what there is of the patient")
    return _erase(said, event.id, given, topic)


def patients_rows(find: Find, releases: Collection[tuple[str, str]]) -> Read[Given]:
    """For an erasure: let nothing more of the patient in, and see what there is. Nothing for a row."""

    async def fetch(event: Event[Deidentified | Erasure]) -> Given:
        said = event.data
        served = (said.project, said.key_id) in releases
        return await find(said) if isinstance(said, Erasure) and served else None

    return Read(fetch, lambda _, __: None)


def _erase(erasure: Erasure, id: str, found: Found, topic: str | None) -> list[Effect]:
    """Tombstones before the purge: a key that the log says nothing of is one that the graph waits for."""
    if erasure.dry_run:
        return [Prove(erasure, found)]
    rows = [erased(type, key, erasure) for type, key in found.keys]
    effects: list[Effect] = [
        Together(tuple(Store(row) for row in rows)),
        Purge(erasure.project, erasure.key_id, tuple(row.key for row in rows)),
        Together(tuple(_committed(row, _of_row(id, row)) for row in rows)),
    ]
    if topic:
        effects.append(Together(tuple(_copied(row, _of_row(id, row), topic) for row in rows)))
    return [*effects, Prove(erasure, found)]


def _committed(row: SafeRow, id: str) -> Publish:
    committed = Committed(
        project=row.project,
        key_id=row.key_id,
        resource_type=row.resource_type,
        key=row.key,
        sequence=row.sequence,
        deleted=row.deleted,
    )
    return Publish("analytics.committed", id, committed, ordering_key=row.key)


def _copied(row: SafeRow, id: str, topic: str) -> Publish:
    return Publish(topic, id, Row(**dict(row.event())), ordering_key=row.key)


def _of_row(id: str, row: SafeRow) -> str:
    """The id of what is said of one of many rows: keyed by the erasure's own id, which is a secret-keyed hash."""
    name = f"{row.resource_type}/{row.key}".encode()
    return hashlib.blake2b(name, key=id.encode()[:64], digest_size=32).hexdigest()
