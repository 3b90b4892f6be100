"""The memory twin of the graph: the same promises in a dictionary, for tests."""

from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable

from shared.errors import Code, Problem
from shared.graph.picture import KNOWN, Edge, End, Picture, Vertex
from shared.graph.plan import DEFAULTS, Plan

type Edges = dict[tuple[str, End], Edge]


class MemoryGraph:
    """Keeps shared.sinks.tigergraph.port.Graph. `graphs`: (tenant's name, key id)."""

    def __init__(self, graphs: Collection[tuple[str, str]], plan: Plan) -> None:
        self._plan = plan
        self._graphs: dict[tuple[str, str], tuple[dict[End, Vertex], dict[End, Edges]]] = {
            of: ({}, {}) for of in graphs
        }
        self._failures: deque[Problem] = deque()

    def fail(self, problems: Iterable[Problem]) -> None:
        """The next calls end like this, one after the other, and leave nothing behind."""
        self._failures.extend(problems)

    async def write(self, picture: Picture) -> None:
        self.upsert(picture)
        self.take_away(picture)

    def upsert(self, picture: Picture) -> None:
        """The first half of a write: vertices and edges, at once."""
        vertices, edges = self._graph(picture.project, picture.key_id)
        if picture.vertex.type not in self._plan.kinds:
            raise Problem(Code.GRAPH_REFUSED, picture.vertex.type)
        for vertex in (picture.vertex, *picture.concepts):
            vertices[vertex.type, vertex.id] = Vertex(vertex.type, vertex.id, dict(vertex.attributes))
        edges.setdefault(picture.end, {}).update(_own(picture))
        for edge in picture.vertex.edges:
            vertices.setdefault(edge.to, self._unknown(edge.to))

    def take_away(self, picture: Picture) -> None:
        """The second half: edges that are gone; where any may be left over, all but those of the picture."""
        own = self._graph(picture.project, picture.key_id)[1].setdefault(picture.end, {})
        if picture.wipe:
            own.clear()
            own.update(_own(picture))
        for edge in picture.gone:
            own.pop((edge.type, edge.to), None)

    async def vertices(self, project: str, key_id: str) -> AsyncIterator[Vertex]:
        vertices, edges = self._graph(project, key_id)
        for end, vertex in vertices.items():
            yield Vertex(vertex.type, vertex.id, vertex.attributes, tuple(edges.get(end, {}).values()))

    async def shown(self, project: str, key_id: str, ends: Collection[End]) -> int:
        vertices, _ = self._graph(project, key_id)
        return sum(bool(end in vertices and vertices[end].attributes[KNOWN]) for end in ends)

    async def clear(self, project: str, key_id: str) -> None:
        for part in self._graph(project, key_id):
            part.clear()

    async def close(self) -> None:
        """Nothing is held."""

    def _unknown(self, end: End) -> Vertex:
        attributes = {name: DEFAULTS[type] for name, type in self._plan.vertices[end[0]].items()}
        return Vertex(*end, attributes | {KNOWN: False})

    def _graph(self, project: str, key_id: str) -> tuple[dict[End, Vertex], dict[End, Edges]]:
        if self._failures:
            raise self._failures.popleft()
        found = self._graphs.get((project, key_id))
        if found is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        return found


def _own(picture: Picture) -> Edges:
    return {(edge.type, edge.to): edge for edge in picture.vertex.edges}
