"""Vertices and edges, and the picture of one row.

A row owns its vertex's attributes and the edges that leave it, and nothing else: so two rows never write the same thing,
and a row can be drawn again without asking about any other.
"""

from collections.abc import Mapping

from msgspec import Struct

type Value = str | int | float | bool
type End = tuple[str, str]  # type and id of a vertex

CONCEPT = "Concept"  # the vertex of a code: its id is `system|code`
KNOWN = "known"  # false on a vertex that only an edge names, or whose row was deleted: no published query shows it


class Edge(Struct, frozen=True, eq=False):
    """An edge that leaves a row's vertex. Two are the same when they lead to the same end, whatever their attributes say."""

    type: str
    to: End
    attributes: tuple[tuple[str, Value], ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edge) and (self.type, self.to) == (other.type, other.to)

    def __ne__(self, other: object) -> bool:  # a Struct's own asks another question
        return not self == other

    def __hash__(self) -> int:
        return hash((self.type, self.to))


class Vertex(Struct, frozen=True):
    """A vertex as a graph holds it, with the edges that its row owns."""

    type: str
    id: str
    attributes: Mapping[str, Value]
    edges: tuple[Edge, ...] = ()


class Picture(Struct, frozen=True):
    """How the graph has to show a row. `project` (the tenant's public name) and `key_id` together name the graph.

    `gone`: edges of older versions that this one has not. `wipe`: edges of any kind may be left over, and are to go.
    """

    project: str
    key_id: str
    sequence: str
    vertex: Vertex
    concepts: tuple[Vertex, ...] = ()
    gone: tuple[Edge, ...] = ()
    wipe: bool = False

    @property
    def end(self) -> End:
        return (self.vertex.type, self.vertex.id)
