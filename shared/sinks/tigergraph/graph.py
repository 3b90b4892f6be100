"""The graph port kept by TigerGraph: the pictures of many requests share one atomic upsert.

    write(picture) ─┐
    write(picture) ─┼─► POST, all or nothing ─► accepted as many as were sent? ─► DELETE the edges that are gone
    write(picture) ─┘

A process has one upsert to a graph under way at a time, so two pictures of one row never race within it. If a batch is
refused, its halves go again, until the one picture at fault stands alone and the others have passed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from functools import partial
from itertools import batched

from shared.batching import Batcher
from shared.egress import Client
from shared.errors import Code, Problem
from shared.graph.picture import CONCEPT, KNOWN, Edge, End, Picture, Vertex
from shared.graph.plan import Plan
from shared.sinks.tigergraph.restpp import Refused, Restpp
from shared.sinks.tigergraph.upserts import newest, size, upsert

_MOST, _LARGEST = 500, 1_000_000  # pictures and bytes of one upsert; REST++ states no limit, and its proxy has one
_AT_ONCE = 16  # requests beside each other: fewer than the client has connections


class TigerGraph:
    """Keeps shared.sinks.tigergraph.port.Graph. `graphs`: (tenant's name, key id) → (graph, token)."""

    def __init__(
        self,
        http: Client,
        url: str,
        graphs: Mapping[tuple[str, str], tuple[str, str]],
        plan: Plan,
        *,
        seconds: float = 10,
    ) -> None:
        self._plan = plan
        self._graphs = {of: Restpp(http, url, name, token, seconds) for of, (name, token) in graphs.items()}
        self._writes: dict[tuple[str, str], Batcher[Picture, None]] = {
            of: Batcher(partial(self._send, restpp), max_items=_MOST, max_bytes=_LARGEST, in_flight=1, size=size)
            for of, restpp in self._graphs.items()
        }

    async def write(self, picture: Picture) -> None:
        of = (picture.project, picture.key_id)
        self._graph(*of)
        await self._writes[of].submit(picture)

    async def vertices(self, project: str, key_id: str) -> AsyncIterator[Vertex]:
        restpp = self._graph(project, key_id)
        for type in self._plan.vertices:
            found = await _answered(restpp.get("vertices", type))
            for some in batched(found, _AT_ONCE, strict=False):
                for vertex in await asyncio.gather(*(self._vertex(restpp, type, one) for one in some)):
                    yield vertex

    async def shown(self, project: str, key_id: str, ends: Collection[End]) -> int:
        restpp, count = self._graph(project, key_id), 0
        drawn = [end for end in ends if end[0] in self._plan.vertices]
        for some in batched(drawn, _AT_ONCE, strict=False):
            count += sum(await asyncio.gather(*(_known(restpp, *end) for end in some)))
        return count

    async def clear(self, project: str, key_id: str) -> None:
        restpp = self._graph(project, key_id)
        for type in self._plan.vertices:
            await _answered(restpp.delete("vertices", type))

    async def close(self) -> None:
        """Finish what is under way. The client is its owner's to close."""
        for writes in self._writes.values():
            await writes.drain()

    def _graph(self, project: str, key_id: str) -> Restpp:
        found = self._graphs.get((project, key_id))
        if found is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        return found

    async def _send(self, restpp: Restpp, pictures: Sequence[Picture]) -> Sequence[Exception | None]:
        chosen = newest(pictures)
        try:
            await _post(restpp, chosen)
            await self._take_away(restpp, chosen)
        except Refused:
            if len(pictures) == 1:
                return [Problem(Code.GRAPH_REFUSED, pictures[0].vertex.type)]
            middle = len(pictures) // 2
            first, second = pictures[:middle], pictures[middle:]
            return [*await self._send(restpp, first), *await self._send(restpp, second)]
        return [None] * len(pictures)

    async def _take_away(self, restpp: Restpp, pictures: Sequence[Picture]) -> None:
        """Delete the edges that are gone; where any may be left over, all, and then draw again what is there."""
        await _each(restpp, [("edges", *p.end, edge.type, *edge.to) for p in pictures if not p.wipe for edge in p.gone])
        wiped = [picture for picture in pictures if picture.wipe]
        kinds = self._plan.kinds
        await _each(restpp, [("edges", *p.end, edge) for p in wiped for edge in kinds[p.vertex.type].edges])
        if again := [picture for picture in wiped if picture.vertex.edges]:
            await _post(restpp, again)

    async def _vertex(self, restpp: Restpp, type: str, found: Mapping[str, object]) -> Vertex:
        id, attributes = str(found["v_id"]), found["attributes"]
        assert isinstance(attributes, dict)
        own = () if type == CONCEPT else self._plan.kinds[type].edges
        edges = [one for edge in own for one in await _answered(restpp.get("edges", type, id, edge))]
        leaving = (
            Edge(one["e_type"], (one["to_type"], one["to_id"]), tuple(one["attributes"].items())) for one in edges
        )
        return Vertex(type, id, attributes, tuple(leaving))


async def _post(restpp: Restpp, pictures: Sequence[Picture]) -> None:
    made = upsert(pictures)
    accepted = await restpp.upsert(made.body)
    if (accepted.get("accepted_vertices"), accepted.get("accepted_edges")) != (made.vertices, made.edges):
        raise Refused


async def _known(restpp: Restpp, type: str, id: str) -> bool:
    try:
        found = await restpp.get("vertices", type, id)
    except Refused:  # so REST++ may answer for a vertex that is not there
        return False
    return any(bool(one["attributes"][KNOWN]) for one in found)


async def _each(restpp: Restpp, paths: Sequence[tuple[str, ...]]) -> None:
    for some in batched(paths, _AT_ONCE, strict=False):
        await asyncio.gather(*(restpp.delete(*path) for path in some))


async def _answered[T](call: Awaitable[T]) -> T:
    try:
        return await call
    except Refused:
        raise Problem(Code.GRAPH_REFUSED, "schema") from None
