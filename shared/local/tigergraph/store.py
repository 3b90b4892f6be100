"""One DuckDB of vertices and edges. A request is one transaction; requests follow one another.

A table has no index: what a request changes is taken out and put in again by one join with its keys, which DuckDB does
in bulk. Values go in as one JSON parameter, as in shared.local.bigquery.store.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import duckdb
import orjson

from shared.local.tigergraph.body import EdgeUpsert, Values, VertexUpsert
from shared.local.tigergraph.schema import Attribute, Schema

_V, _E = ("graph", "type", "id"), ("graph", "type", "source_type", "source", "target_type", "target")
_KEYS = {"vertices": _V, "edges": _E}

type Key = tuple[str, ...]
type Attributes = dict[str, object]


class Merged(NamedTuple):
    """What an upsert did. `missed`: vertices that had to be there for an edge and were not."""

    vertices: int
    edges: int
    skipped: int
    missed: list[tuple[str, str]]


class Store:
    """Graphs of one schema. `path`: a file, or `:memory:`."""

    def __init__(self, schema: Schema, path: str = ":memory:") -> None:
        self.schema = schema
        self._duckdb = duckdb.connect(path, config={"autoinstall_known_extensions": False})
        self._lock = threading.Lock()
        for table, keys in _KEYS.items():
            columns = ", ".join(f"{key} VARCHAR" for key in keys)
            self._duckdb.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}, attributes VARCHAR)")

    def merge(
        self, graph: str, vertices: Iterable[VertexUpsert], edges: Iterable[EdgeUpsert], *, must_exist: bool
    ) -> Merged:
        """Upsert all of them, in one transaction."""
        with self._lock, self._transaction():
            ours: dict[Key, Values] = {(graph, one.type, one.id): one.values for one in vertices}
            wanted: dict[Key, Values] = {(graph, one.type, *one.source, *one.target): one.values for one in edges}
            ends = {(graph, *end) for key in wanted for end in (key[2:4], key[4:6])}
            there = self._find("vertices", {*ours, *ends})
            missed = {end for end in ends if end not in there and end not in ours} if must_exist else set()
            kept = {k: v for k, v in wanted.items() if not {(graph, *k[2:4]), (graph, *k[4:6])} & missed}
            made: dict[Key, Values] = {(graph, *end): {} for k in kept for end in (k[2:4], k[4:6])}
            self._put("vertices", made | ours, there, lambda key: self.schema.vertices[key[1]])
            self._put("edges", kept, self._find("edges", kept), lambda key: self.schema.edges[key[1]].attributes)
        return Merged(len(ours), len(kept), len(wanted) - len(kept), [(key[1], key[2]) for key in sorted(missed)])

    def delete_vertices(self, graph: str, type: str, id: str | None) -> int:
        """Delete one vertex or all of a type, with the edges that touch them."""
        with self._lock, self._transaction():
            for side in ("source", "target"):
                self._delete("edges", {"graph": graph, f"{side}_type": type} | _given({side: id}))
            return self._delete("vertices", {"graph": graph, "type": type} | _given({"id": id}))

    def delete_edges(self, graph: str, **of: str | None) -> int:
        """Delete the edges that the given columns name."""
        with self._lock, self._transaction():
            return self._delete("edges", {"graph": graph} | _given(of))

    def vertices(self, graph: str, **of: str | None) -> list[dict[str, Any]]:
        """Vertices of columns with these values: type, id."""
        return self._read("vertices", {"graph": graph} | _given(of))

    def edges(self, graph: str, **of: str | None) -> list[dict[str, Any]]:
        """Edges of columns with these values."""
        return self._read("edges", {"graph": graph} | _given(of))

    def whole(self, graph: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """All vertices and edges of a graph."""
        return self.vertices(graph), self.edges(graph)

    def dump(self) -> Iterator[str]:
        """Every cell, as text: for a scan for what must not be there."""
        with self._lock:
            rows = [row for table in _KEYS for row in self._duckdb.execute(f"SELECT * FROM {table}").fetchall()]
        for row in rows:
            yield from row

    def close(self) -> None:
        self._duckdb.close()

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._duckdb)

    def _find(self, table: str, keys: Iterable[Key]) -> dict[Key, Attributes]:
        names = _KEYS[table]
        sql = f"SELECT {', '.join(names)}, attributes FROM {table} SEMI JOIN {_rows(names)} USING ({', '.join(names)})"
        found = self._duckdb.execute(sql, [_json(names, keys)]).fetchall()
        return {tuple(row[:-1]): orjson.loads(row[-1]) for row in found}

    def _put(
        self,
        table: str,
        wanted: Mapping[Key, Values],
        there: Mapping[Key, Attributes],
        of: Callable[[Key], dict[str, Attribute]],
    ) -> None:
        """Merge each with what is there, or with the defaults."""
        names = _KEYS[table]
        changed = {key: values for key, values in wanted.items() if values or key not in there}
        if not changed:
            return
        merged = {key: _merged(there.get(key), values, of(key)) for key, values in changed.items()}
        using = " AND ".join(f"{table}.{name} = given.{name}" for name in names)
        self._duckdb.execute(f"DELETE FROM {table} USING {_rows(names)} WHERE {using}", [_json(names, merged)])
        rows = [dict(zip(names, key, strict=True)) | {"attributes": json.dumps(v)} for key, v in merged.items()]
        put = f"INSERT INTO {table} SELECT * FROM {_rows((*names, 'attributes'))}"
        self._duckdb.execute(put, [orjson.dumps(rows).decode()])

    def _delete(self, table: str, of: Mapping[str, str]) -> int:
        where = " AND ".join(f"{name} = ${n}" for n, name in enumerate(of, 1))
        found = self._duckdb.execute(f"DELETE FROM {table} WHERE {where}", list(of.values())).fetchone()
        return int(found[0]) if found else 0

    def _read(self, table: str, of: Mapping[str, str]) -> list[dict[str, Any]]:
        names = (*_KEYS[table], "attributes")
        where = " AND ".join(f"{name} = ${n}" for n, name in enumerate(of, 1))
        with self._lock:
            sql = f"SELECT {', '.join(names)} FROM {table} WHERE {where}"
            rows = self._duckdb.execute(sql, list(of.values())).fetchall()
        return [dict(zip(names, row, strict=True)) | {"attributes": orjson.loads(row[-1])} for row in rows]


class _Transaction:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.begin()

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.rollback() if kind else self._connection.commit()


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


def _rows(names: tuple[str, ...]) -> str:
    form = json.dumps([dict.fromkeys(names, "VARCHAR")])
    return f"(SELECT unnest(from_json($1, '{form}'), recursive := true)) AS given"


def _json(names: tuple[str, ...], keys: Iterable[Key]) -> str:
    return orjson.dumps([dict(zip(names, key, strict=True)) for key in keys]).decode()
