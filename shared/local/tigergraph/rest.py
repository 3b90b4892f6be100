"""REST++ as TigerGraph 4 has it under /restpp/graph/{graph}: upsert, read and delete, and its ways to fail.

An error is told in the body of a 200, as REST++ tells it; a missing or wrong token is 403. A planted fault is `error`
(such a body), `lost` (the work is done, the answer is not heard: 502) or a status.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Collection
from typing import Any, Literal
from urllib.parse import unquote

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.local.tigergraph import body as bodies
from shared.local.tigergraph.body import BadBody, EdgeUpsert, VertexUpsert
from shared.local.tigergraph.store import Store

type Fault = Literal["error", "lost"] | int

_EDGE = ("source_type", "source", "type", "target_type", "target")
_LIMIT = 8_000_000  # bytes of a body, as its proxy has one
_VERSION = {"edition": "local", "api": "v2", "schema": 0}


class Rest:
    """`counts`: requests by method, and what they changed. `tokens`: each is good for all graphs."""

    def __init__(self, store: Store, graphs: Collection[str], tokens: Collection[str]) -> None:
        self._store, self._graphs, self._tokens = store, frozenset(graphs), frozenset(tokens)
        self.counts: Counter[str] = Counter()
        self.faults: deque[Fault] = deque()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._guarded, methods=["POST", "GET", "DELETE"])])

    async def _guarded(self, request: Request) -> Response:
        self.counts[request.method] += 1
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, int):
            return JSONResponse(_said([], "REST-40000", "planted"), fault, {"retry-after": "1"})
        if fault == "error":
            return JSONResponse(_said([], "REST-30000", "planted"))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return JSONResponse(_said([], "REST-10016", "the token is not valid"), 403)
        named = _named(request)
        if named is None or named["graph"] not in self._graphs:
            return JSONResponse(_said([], "REST-1000", "the endpoint or the graph is not there"), 404)
        body = await request.body()
        answer = await asyncio.to_thread(self._answer, request, named, body)
        return JSONResponse({}, 502) if fault == "lost" else answer

    def _answer(self, request: Request, named: dict[str, str], body: bytes) -> Response:
        graph = named.pop("graph")
        if request.method == "POST":
            return self._upsert(request, graph, body)
        whole = named.pop("of") == "vertices"
        if not self._known(named, of_vertices=whole):
            return JSONResponse(_said([], "REST-30200", "the type is not there"))
        if request.method == "DELETE":
            return JSONResponse(_said(self._delete(graph, named, of_vertices=whole)))
        return JSONResponse(_said(self._get(graph, named, of_vertices=whole)))

    def _upsert(self, request: Request, graph: str, body: bytes) -> Response:
        if len(body) > _LIMIT:
            return JSONResponse(_said([], "REST-10005", "the body is too large"), 413)
        try:
            parsed = list(bodies.parse(orjson.loads(body), self._store.schema))
        except (BadBody, orjson.JSONDecodeError):
            return JSONResponse(_said([], "REST-30003", "the body is not one"), 400)
        bad = [one for one in parsed if isinstance(one, BadBody)]
        atomic = request.headers.get("gsql-atomic-level", "nonatomic") == "atomic"
        if bad and atomic:
            return JSONResponse(_said([], "REST-30200", str(bad[0])))
        vertices = [one for one in parsed if isinstance(one, VertexUpsert)]
        edges = [one for one in parsed if isinstance(one, EdgeUpsert)]
        must_exist = request.query_params.get("vertex_must_exist") == "true"
        merged = self._store.merge(graph, vertices, edges, must_exist=must_exist)
        self.counts.update(vertices=merged.vertices, edges=merged.edges)
        result: dict[str, object] = {"accepted_vertices": merged.vertices, "accepted_edges": merged.edges}
        if must_exist:
            missed = [{"v_type": type, "v_id": id} for type, id in merged.missed]
            result |= {"skipped_edges": merged.skipped, "miss_vertices": missed}
        return JSONResponse(_said([result], "REST-0002"))

    def _known(self, named: dict[str, str], *, of_vertices: bool) -> bool:
        schema = self._store.schema
        if of_vertices:
            return named["type"] in schema.vertices
        edge = named.get("type")
        return named["source_type"] in schema.vertices and (edge is None or edge in schema.edges)

    def _delete(self, graph: str, named: dict[str, str], *, of_vertices: bool) -> object:
        if of_vertices:
            number = self._store.delete_vertices(graph, named["type"], named.get("id"))
            self.counts["deleted_vertices"] += number
            return {"v_type": named["type"], "deleted_vertices": number}
        number = self._store.delete_edges(graph, **named)
        self.counts["deleted_edges"] += number
        return [{"e_type": named.get("type", ""), "deleted_edges": number}]

    def _get(self, graph: str, named: dict[str, str], *, of_vertices: bool) -> object:
        if of_vertices:
            found = self._store.vertices(graph, **named)
            return [{"v_id": one["id"], "v_type": one["type"], "attributes": one["attributes"]} for one in found]
        return [
            {
                "e_type": one["type"],
                "directed": True,
                "from_id": one["source"],
                "from_type": one["source_type"],
                "to_id": one["target"],
                "to_type": one["target_type"],
                "attributes": one["attributes"],
            }
            for one in self._store.edges(graph, **named)
        ]


def _named(request: Request) -> dict[str, str] | None:
    """What the path names; None for a path that REST++ has not. Split before it is decoded: an id may hold a slash."""
    parts = [unquote(part) for part in request.scope["raw_path"].decode().split("/")]
    match request.method, parts:
        case "POST", ["", "restpp", "graph", graph]:
            return {"graph": graph}
        case "GET" | "DELETE", ["", "restpp", "graph", graph, "vertices" as of, type, *id] if len(id) <= 1:
            return {"graph": graph, "of": of, "type": type} | dict(zip(("id",), id, strict=False))
        case "GET" | "DELETE", ["", "restpp", "graph", graph, "edges" as of, *ends] if 2 <= len(ends) <= len(_EDGE):
            return {"graph": graph, "of": of} | dict(zip(_EDGE, ends, strict=False))
    return None


def _said(results: object, code: str = "REST-0000", message: str = "") -> dict[str, Any]:
    failed = bool(message)
    return {"version": _VERSION, "error": failed, "message": message, "results": results, "code": code}
