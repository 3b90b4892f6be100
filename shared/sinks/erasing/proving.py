"""What is there of a patient, and what is left of him: counted in the warehouse and in the graph.

The graph follows by events, some seconds later; so a first round's count of it may be from before. The round after that
looks again, and the one that finds nothing anywhere is the proof.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from shared.erasures.port import Counts, Erasures, Found, Proof
from shared.events.data import Erasure
from shared.sinks.erasing.port import Erasing
from shared.sinks.tigergraph.port import Graph

GRAPH = "graph"
_CLOCKS = timedelta(minutes=5)  # by which those of an operator and of our instances may differ


class Proving:
    """`graph` is None where there is none. `now` is seconds since the epoch."""

    def __init__(self, erasing: Erasing, erasures: Erasures, graph: Graph | None, now: Callable[[], float]) -> None:
        self._erasing, self._erasures, self._graph, self._now = erasing, erasures, graph, now

    async def find(self, erasure: Erasure) -> Found:
        """Let nothing more of the patient in (unless it is a dry run), and then see what there is."""
        if not erasure.dry_run:
            await self._erasures.suppress(erasure.project, erasure.key_id, erasure.patient)
        since = _instant(erasure.at - _CLOCKS)
        keys = tuple(await self._erasing.rows_of(erasure.project, erasure.key_id, erasure.patient, since))
        return Found(keys, await self._counts(erasure, keys))

    async def prove(self, erasure: Erasure, found: Found) -> None:
        """Count again, and write both down."""
        proof = Proof(
            order=erasure.order,
            round=erasure.round,
            project=erasure.project,
            key_id=erasure.key_id,
            datasets=erasure.datasets,
            dry_run=erasure.dry_run,
            resources=len(found.keys),
            before=found.counts,
            after=await self._counts(erasure, found.keys),
            ordered=_instant(erasure.at),
            at=_instant(datetime.fromtimestamp(self._now(), UTC)),
        )
        await self._erasures.prove(proof)

    async def _counts(self, erasure: Erasure, keys: tuple[tuple[str, str], ...]) -> Counts:
        of = (erasure.project, erasure.key_id)
        counts = dict(await self._erasing.remains(*of, erasure.patient, [key for _, key in keys]))
        if self._graph is not None:
            counts[GRAPH] = await self._graph.shown(*of, keys)
        return counts


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
