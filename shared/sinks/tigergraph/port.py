"""The port of the graph. Kept by TigerGraph and by a memory twin, proven by one contract suite."""

from collections.abc import AsyncIterator, Collection
from typing import Protocol

from shared.graph.picture import End, Picture, Vertex


class Draws(Protocol):
    async def draw(self, picture: Picture) -> None:
        """Returns when the graph shows the row as this picture, or a newer one, has it. Raises Problem as Graph.write
        does, and WAREHOUSE_DOWN, WAREHOUSE_BEHIND. Safe to repeat."""
        ...


class Graph(Protocol):
    """`project` (a tenant's public name) and `key_id` together name a graph.

    Each call raises Problem: UNKNOWN_PROJECT, GRAPH_DOWN, GRAPH_BUSY, GRAPH_DENIED; `write` also GRAPH_REFUSED.
    """

    async def write(self, picture: Picture) -> None:
        """Show the row so: its vertex and edges at once, then without the edges that it has no more.

        A vertex that only an edge names comes into being with `known` false. Idempotent. The last write wins, whatever
        its sequence: whoever writes sees to it that an older picture is not the last (`settled.py`).
        """
        ...

    def vertices(self, project: str, key_id: str) -> AsyncIterator[Vertex]:
        """Every vertex with the edges that leave it, those that are not known too."""
        ...

    async def shown(self, project: str, key_id: str, ends: Collection[End]) -> int:
        """How many of these vertices the graph shows: those that are not there, or not known, do not count."""
        ...

    async def clear(self, project: str, key_id: str) -> None:
        """Take every vertex and edge out of the graph."""
        ...

    async def close(self) -> None: ...
