"""One hash of what a graph shows, whatever the order in which it was written.

Left out is what no published query shows: vertices that are not known, and concepts, which say nothing that an edge to
them does not. Memory stays flat: the hash is the sum of a hash for each vertex with its edges.
"""

import hashlib
from collections.abc import AsyncIterable
from dataclasses import dataclass

import orjson

from shared.graph.picture import CONCEPT, KNOWN, Vertex

_BITS = 256


@dataclass(slots=True)
class Canonical:
    """What was counted so far."""

    vertices: int = 0
    edges: int = 0
    _sum: int = 0

    def add(self, vertex: Vertex) -> None:
        """Count a vertex, each once."""
        if vertex.type == CONCEPT or not vertex.attributes[KNOWN]:
            return
        edges = sorted([edge.type, *edge.to, sorted(edge.attributes)] for edge in vertex.edges)
        text = orjson.dumps([vertex.type, vertex.id, sorted(vertex.attributes.items()), edges])
        self.vertices += 1
        self.edges += len(edges)
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(text).digest())) % (1 << _BITS)

    @property
    def hash(self) -> str:
        """The same for the same graph."""
        return f"{self._sum:064x}"


async def canonical(vertices: AsyncIterable[Vertex]) -> Canonical:
    """The hash of all of these."""
    counted = Canonical()
    async for vertex in vertices:
        counted.add(vertex)
    return counted
