"""Write, then read the change log again, until what was written is the newest: so the graph converges.

    picture ─► write ─► newest version in the change log ─┬─ the one that was written ─► done
                 ▲                                        │
                 └──────────────── its picture ◄──────────┴─ a newer one

REST++ can not compare before it writes, so of two writers the one with the older picture may be the last. But whoever
wrote something older sees that when he reads again, and writes once more; and who dies before he has read again has not
acknowledged his event, which comes again (docs/decisions/0012-graph.md).
"""

from shared.errors import Code, Problem
from shared.graph.drawing import Drawing
from shared.graph.picture import Picture
from shared.sinks.changes.port import Changes
from shared.sinks.sequence import padded
from shared.sinks.tigergraph.port import Graph


class Settled:
    """Keeps shared.sinks.tigergraph.port.Draws."""

    def __init__(self, graph: Graph, changes: Changes, drawing: Drawing) -> None:
        self._graph, self._changes, self._drawing = graph, changes, drawing

    async def draw(self, picture: Picture) -> None:
        """Raises Problem as Graph.write and Changes.history do. Safe to repeat, and to break off."""
        while True:
            await self._graph.write(picture)
            versions = await self._changes.history(picture.project, picture.key_id, picture.vertex.id)
            if not versions:
                raise Problem(Code.WAREHOUSE_BEHIND, "change_log")
            if max(padded(version.sequence) for version in versions) == padded(picture.sequence):
                return
            picture = self._drawing.picture(picture.project, picture.key_id, versions)
