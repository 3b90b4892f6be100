"""Vertices and edges in memory. A request is one transaction; requests follow one another."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from shared.local.tigergraph.body import EdgeUpsert, Values, VertexUpsert
from shared.local.tigergraph.schema import Attribute, Schema

_V, _E = ("graph", "type", "id"), ("graph", "type", "source_type", "source", "target_type", "target")

type Key = tuple[str, ...]
type Attributes = dict[str, object]


class Merged(NamedTuple):
    """What an upsert did. `missed`: vertices that had to be there for an edge and were not."""

    vertices: int
    edges: int
    skipped: int
    missed: list[tuple[str, str]]


class Store:
    """Graphs of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._lock = threading.Lock()
        self._vertices: dict[Key, Attributes] = {}
        self._edges: dict[Key, Attributes] = {}
        self._touching: defaultdict[Key, set[Key]] = defaultdict(set)  # a vertex → the edges at it

    def merge(
        self, graph: str, vertices: Iterable[VertexUpsert], edges: Iterable[EdgeUpsert], *, must_exist: bool
    ) -> Merged:
        """Upsert all of them, in one transaction."""
        with self._lock:
            ours: dict[Key, Values] = {(graph, one.type, one.id): one.values for one in vertices}
            wanted: dict[Key, Values] = {(graph, one.type, *one.source, *one.target): one.values for one in edges}
            ends = {end for key in wanted for end in _ends(key)}
            missed = {end for end in ends if end not in self._vertices and end not in ours} if must_exist else set()
            kept = {key: values for key, values in wanted.items() if not missed.intersection(_ends(key))}
            made: dict[Key, Values] = {end: {} for key in kept for end in _ends(key)}
            _put(self._vertices, made | ours, lambda key: self.schema.vertices[key[1]])
            _put(self._edges, kept, lambda key: self.schema.edges[key[1]].attributes)
            for key in kept:
                for end in _ends(key):
                    self._touching[end].add(key)
        return Merged(len(ours), len(kept), len(wanted) - len(kept), [(key[1], key[2]) for key in sorted(missed)])

    def delete_vertices(self, graph: str, type: str, id: str | None) -> int:
        """Delete one vertex or all of a type, with the edges that touch them."""
        with self._lock:
            gone = _found(self._vertices, _V, {"graph": graph, "type": type} | _given({"id": id}))
            for key in gone:
                for edge in tuple(self._touching.pop(key, ())):
                    self._cut(edge)
                del self._vertices[key]
            return len(gone)

    def delete_edges(self, graph: str, **of: str | None) -> int:
        """Delete the edges that the given columns name."""
        with self._lock:
            gone = self._edges_of({"graph": graph} | _given(of))
            for key in gone:
                self._cut(key)
            return len(gone)

    def vertices(self, graph: str, **of: str | None) -> list[dict[str, Any]]:
        """Vertices of columns with these values: type, id."""
        with self._lock:
            found = _found(self._vertices, _V, {"graph": graph} | _given(of))
            return [_shown(_V, key, self._vertices[key]) for key in found]

    def edges(self, graph: str, **of: str | None) -> list[dict[str, Any]]:
        """Edges of columns with these values."""
        with self._lock:
            return [_shown(_E, key, self._edges[key]) for key in self._edges_of({"graph": graph} | _given(of))]

    def whole(self, graph: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """All vertices and edges of a graph."""
        return self.vertices(graph), self.edges(graph)

    def dump(self) -> Iterator[str]:
        """Every cell, as text: for a scan for what must not be there."""
        with self._lock:
            rows = [
                (*key, json.dumps(values)) for table in (self._vertices, self._edges) for key, values in table.items()
            ]
        for row in rows:
            yield from row

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            for table in (self._vertices, self._edges, self._touching):
                table.clear()

    def _edges_of(self, of: Mapping[str, str]) -> list[Key]:
        if "source" not in of:
            return _found(self._edges, _E, of)
        at = self._touching.get((of["graph"], of["source_type"], of["source"]), ())
        return _found(sorted(at), _E, of)

    def _cut(self, edge: Key) -> None:
        del self._edges[edge]
        for end in _ends(edge):
            if end in self._touching:
                self._touching[end].discard(edge)


def _ends(edge: Key) -> tuple[Key, Key]:
    graph, _, *ends = edge
    return (graph, *ends[:2]), (graph, *ends[2:])


def _found(among: Iterable[Key], names: tuple[str, ...], of: Mapping[str, str]) -> list[Key]:
    places = [(names.index(name), value) for name, value in of.items()]
    return [key for key in among if all(key[place] == value for place, value in places)]


def _shown(names: tuple[str, ...], key: Key, attributes: Attributes) -> dict[str, Any]:
    return dict(zip(names, key, strict=True)) | {"attributes": dict(attributes)}


def _put(table: dict[Key, Attributes], wanted: Mapping[Key, Values], of: Callable[[Key], dict[str, Attribute]]) -> None:
    """Merge each with what is there, or with the defaults."""
    for key, values in wanted.items():
        if values or key not in table:
            table[key] = _merged(table.get(key), values, of(key))


def _merged(there: Attributes | None, values: Values, attributes: dict[str, Attribute]) -> Attributes:
    merged = dict(there) if there is not None else {name: one.default for name, one in attributes.items()}
    for name, (value, op) in values.items():
        before: Any = merged[name]
        given: Any = value
        match op if there is not None else "":
            case "+" | "add":
                merged[name] = before + given
            case ">" | "max":
                merged[name] = max(before, given)
            case "<" | "min":
                merged[name] = min(before, given)
            case "~" | "ignore_if_exists":
                pass
            case _:
                merged[name] = value
    return merged


def _given(of: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in of.items() if value is not None}
