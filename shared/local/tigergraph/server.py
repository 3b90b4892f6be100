"""The embedded graph: REST++ around one store, in one process, for any number of clients."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from shared.graph.picture import Edge, Vertex
from shared.graph.plan import FILE
from shared.local.medplum.listener import Listener
from shared.local.tigergraph.rest import Fault, Rest
from shared.local.tigergraph.schema import parse
from shared.local.tigergraph.store import Store

SCHEMA = FILE.with_name("schema.gsql")


class TigerGraph:
    """`graphs` that are there, `tokens` that are good. `gsql`: the schema that is installed in each graph."""

    def __init__(self, graphs: Collection[str], tokens: Collection[str], *, gsql: Path | str = SCHEMA) -> None:
        text = gsql.read_text() if isinstance(gsql, Path) else gsql
        self._store = Store(parse(text))
        self._rest = Rest(self._store, graphs, tokens)
        self._listener = Listener()

    async def start(self) -> str:
        """Listen on 127.0.0.1; the URL."""
        await self._listener.start(self._rest.app())
        return f"http://127.0.0.1:{self._listener.port}"

    async def stop(self) -> None:
        """Stop listening; the data stays until `close`."""
        await self._listener.stop()

    def close(self) -> None:
        """Let go of the data."""
        self._store.close()

    def dump(self) -> Iterator[str]:
        """Every cell as text: for a scan for what must not be there."""
        return self._store.dump()

    def vertices(self, graph: str) -> Iterator[Vertex]:
        """Every vertex of a graph with the edges that leave it: what REST++ would tell one by one."""
        vertices, edges = self._store.whole(graph)
        leaving: defaultdict[tuple[str, str], list[Edge]] = defaultdict(list)
        for one in edges:
            edge = Edge(one["type"], (one["target_type"], one["target"]), tuple(one["attributes"].items()))
            leaving[one["source_type"], one["source"]].append(edge)
        for one in vertices:
            yield Vertex(one["type"], one["id"], one["attributes"], tuple(leaving[one["type"], one["id"]]))

    def plant(self, *faults: Fault) -> None:
        """The next requests suffer these, one each."""
        self._rest.faults.extend(faults)

    @property
    def counts(self) -> Counter[str]:
        """Requests by method, and how many vertices and edges they changed."""
        return Counter(self._rest.counts)
