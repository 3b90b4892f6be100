"""One DuckDB that keeps tables as BigQuery does: appended to, and where there is a primary key merged when read.

All writes go through one thread; each query has a cursor of its own. In memory, where DuckDB would keep rows no safer than
a list does, they wait in one until somebody looks: a statement costs DuckDB a millisecond however few rows it brings.
"""

import json
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any, NamedTuple

import duckdb
import orjson
from sqlglot import exp

from shared.local.bigquery import sql
from shared.local.bigquery.sql import BadSql, quoted
from shared.local.bigquery.tables import Table, alteration, definition, table

# DuckDB tries to import pandas twice for each statement with parameters, and each time Python looks on the disk for what is
# not there: half of what such a statement costs. None is Python's own way to say that there is none.
if find_spec("pandas") is None:
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONED = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True, slots=True)
class Result:
    """A query's answer: `fields` as BigQuery describes them, timestamps as microseconds since the epoch."""

    fields: tuple[dict[str, Any], ...]
    rows: list[tuple[Any, ...]]
    affected: int | None = None


class _Shape(NamedTuple):
    """A query that gives instants as microseconds, and its fields as BigQuery describes them."""

    text: str
    fields: tuple[dict[str, Any], ...]


type Batch = tuple[Table, Sequence[dict[str, object]]]

_MOST_WAITING = 20_000  # rows, in memory, that nobody has looked at yet
_KNOWN = 256  # statements whose shape is remembered


class Store:
    """`path`: a file, or `:memory:`."""

    def __init__(self, path: str = ":memory:") -> None:
        self._duckdb = duckdb.connect(path, config={"autoinstall_known_extensions": False})
        self._writer = ThreadPoolExecutor(1, "warehouse")
        self._lock = threading.Lock()
        self._most_waiting = _MOST_WAITING if path == ":memory:" else 0
        self._waiting: dict[str, tuple[Table, list[dict[str, object]]]] = {}
        self._shapes: dict[tuple[str, tuple[type, ...]], _Shape] = {}
        self._duckdb.execute(
            "CREATE SCHEMA IF NOT EXISTS starvit; CREATE TABLE IF NOT EXISTS starvit.tables (resource VARCHAR)"
        )
        found = self._duckdb.execute("SELECT resource FROM starvit.tables").fetchall()
        self.tables = {(t.dataset, t.name): t for (text,) in found for t in (table(json.loads(text)),)}
        # What comes over REST is SQL of anyone on this machine: it may read tables, and no files.
        self._duckdb.execute("SET GLOBAL TimeZone = 'UTC'; SET enable_external_access = false")
        self._duckdb.execute("SET lock_configuration = true")

    def create_dataset(self, dataset: str) -> bool:
        """False if it was there."""
        with self._lock:
            if self.has_dataset(dataset):
                return False
            self._duckdb.execute(f"CREATE SCHEMA {quoted(dataset)}")
            return True

    def has_dataset(self, dataset: str) -> bool:
        found = self._duckdb.cursor().execute(
            "SELECT 1 FROM information_schema.schemata WHERE schema_name = $1", [dataset]
        )
        return found.fetchone() is not None

    def create_table(self, resource: dict[str, Any]) -> bool:
        """Create the table or view of a REST resource. False if it was there. Raises BadSql."""
        made = table(resource)
        with self._lock:
            if (made.dataset, made.name) in self.tables:
                return False
            self._execute(definition(made))
            self._duckdb.execute("INSERT INTO starvit.tables VALUES ($1)", [json.dumps(resource)])
            self.tables[made.dataset, made.name] = made
            return True

    def update_table(self, resource: dict[str, Any]) -> None:
        """Make a table or view what its new REST resource says, all rows kept. Raises BadSql, KeyError."""
        made = table(resource)
        with self._lock:
            self._settle()
            old = self.tables[made.dataset, made.name]
            self._execute(list(alteration(old, made)))
            self._shapes.clear()
            self._duckdb.execute(
                "UPDATE starvit.tables SET resource = $1 WHERE resource = $2",
                [json.dumps(resource), json.dumps(old.resource)],
            )
            self.tables[made.dataset, made.name] = made

    def datasets(self) -> list[str]:
        """The datasets, sorted."""
        found = self._duckdb.cursor().execute(
            "SELECT schema_name FROM information_schema.schemata "
            "WHERE catalog_name = current_database() AND schema_name NOT IN ('main', 'starvit') ORDER BY 1"
        )
        return [name for (name,) in found.fetchall() if name not in ("information_schema", "pg_catalog")]

    def append(self, batches: Sequence[Batch]) -> None:
        """Add rows in one transaction. To be called in the writing thread."""
        with self._lock:
            for into, rows in batches:
                self._waiting.setdefault(into.stored, (into, []))[1].extend(rows)
            if sum(len(rows) for _, rows in self._waiting.values()) > self._most_waiting:
                self._settle()

    def _settle(self, names: Collection[str] | None = None) -> None:
        """Give DuckDB what waits for the tables that it stores under these names, or all. To be called with the lock."""
        due = [name for name in self._waiting if names is None or name in names]
        if not due:
            return
        self._duckdb.begin()
        try:
            for name in due:
                into, rows = self._waiting[name]
                self._duckdb.execute(into.insertion, [orjson.dumps(rows).decode()])
        except BaseException:
            self._duckdb.rollback()
            raise
        self._duckdb.commit()
        for name in due:
            del self._waiting[name]

    def _behind(self, statement: str) -> set[str]:
        """Under which names DuckDB stores what a statement reads, through views too."""
        found, queries = set(), [statement]
        while queries:
            for known in sql.read_by(queries.pop()):
                table = self.tables.get(known)
                if table is not None and "view" in table.resource:
                    queries.append(table.resource["view"]["query"])
                elif table is not None:
                    found.add(table.stored)
        return found

    @property
    def writer(self) -> ThreadPoolExecutor:
        return self._writer

    def query(self, statement: str, parameters: dict[str, object] | None = None) -> Result:
        """Run a query or a DELETE in GoogleSQL. Raises BadSql."""
        text, delete = sql.translated(statement)
        if delete is not None:
            return self._delete(text, delete, parameters)
        with self._lock:
            self._settle(self._behind(statement))
        cursor = self._duckdb.cursor()
        try:
            shape = self._shape(cursor, text, parameters)
            rows = cursor.execute(shape.text, parameters).fetchall()
        except duckdb.Error as error:
            raise BadSql(str(error)) from error
        finally:
            cursor.close()
        return Result(shape.fields, rows)

    def _shape(self, cursor: duckdb.DuckDBPyConnection, text: str, parameters: dict[str, object] | None) -> "_Shape":
        """What a query answers with: asked of DuckDB once for each kind of parameters."""
        known = (text, tuple(map(type, (parameters or {}).values())))
        if known not in self._shapes:
            if len(self._shapes) >= _KNOWN:
                self._shapes.clear()
            cursor.execute(f"DESCRIBE {text}", parameters)
            described = [(name, kind) for name, kind, *_ in cursor.fetchall()]
            # Python's DuckDB needs another package to make a datetime with a zone: it gets a number, or in records a text.
            instants = [
                f"epoch_us({quoted(name)}) AS {quoted(name)}"
                if kind == _ZONED
                else f"CAST({quoted(name)} AS {kind.replace(_ZONED, 'VARCHAR')}) AS {quoted(name)}"
                for name, kind in described
                if _ZONED in kind
            ]
            chosen = f"* REPLACE ({', '.join(instants)})" if instants else "*"
            fields = tuple(sql.field(name, duckdb.dtype(kind)) for name, kind in described)
            self._shapes[known] = _Shape(f"SELECT {chosen} FROM ({text})", fields)
        return self._shapes[known]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query, with timestamps as datetimes."""
        result = self.query(statement)
        instants = {i for i, field in enumerate(result.fields) if field["type"] == "TIMESTAMP"}
        if not instants:
            return result.rows
        return [tuple(_instant(cell) if i in instants else cell for i, cell in enumerate(row)) for row in result.rows]

    def dump(self) -> Iterator[str]:
        """Every cell that is stored, superseded changes and repeats included, as text."""
        with self._lock:
            self._settle()
        for one in list(self.tables.values()):
            if not one.columns:
                continue
            cursor = self._duckdb.cursor()
            cursor.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {one.stored}")
            while chunk := cursor.fetchmany(1000):
                for row in chunk:
                    yield from (cell for cell in row if cell is not None)
            cursor.close()

    def close(self) -> None:
        self._writer.shutdown()
        self._duckdb.close()

    def _execute(self, statements: Iterable[str]) -> None:
        for statement in statements:
            try:
                self._duckdb.execute(statement)
            except duckdb.Error as error:
                raise BadSql(str(error)) from error

    def _delete(self, text: str, tree: exp.Delete, parameters: dict[str, object] | None) -> Result:
        target = tree.this
        found_in = self.tables.get((target.db, target.name))
        if found_in is None or not found_in.columns:
            raise BadSql(f"{target.db}.{target.name} is no table")
        if found_in.primary_key:
            raise BadSql(f"{found_in.name} is written by change data capture and takes no DML")
        with self._lock:
            self._settle()
            try:
                found = self._duckdb.execute(text, parameters).fetchone()
            except duckdb.Error as error:
                raise BadSql(str(error)) from error
        return Result((), [], affected=found[0] if found else 0)


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
