"""One DuckDB that keeps tables as BigQuery does: appended to, and where there is a primary key merged when read.

A table of changes is stored as the changes came, in `<table>$changes`; the table itself is a view of the newest change
of each key. So a write is always an append, which DuckDB does well in bulk, and no order of arrival matters. A batch
goes in as one JSON parameter: bound one by one, the values of a row cost DuckDB's Python client twenty times as much.

All writes go through one thread; each query has a cursor of its own.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson
from sqlglot import exp

from shared.local.bigquery import sql
from shared.local.bigquery.sql import BadSql, quoted
from shared.sinks.bigquery.schema import CHANGE_SEQUENCE, CHANGE_TYPE, Column, columns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHANGES = (Column(CHANGE_TYPE, "STRING", True), Column(CHANGE_SEQUENCE, "STRING", False))


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view. `resource` is its REST resource; `stored` the name under which DuckDB keeps its rows."""

    dataset: str
    name: str
    resource: dict[str, Any]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    @property
    def stored(self) -> str:
        return quoted(self.dataset, f"{self.name}$changes" if self.primary_key else self.name)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        return self.columns + (_CHANGES if self.primary_key else ())


@dataclass(frozen=True, slots=True)
class Result:
    """A query's answer: `fields` as BigQuery describes them, timestamps as microseconds since the epoch."""

    fields: tuple[dict[str, str], ...]
    rows: list[tuple[Any, ...]]
    affected: int | None = None


type Batch = tuple[Table, Sequence[dict[str, object]]]


class Store:
    """`path`: a file, or `:memory:`."""

    def __init__(self, path: str = ":memory:") -> None:
        self._duckdb = duckdb.connect(path, config={"autoinstall_known_extensions": False})
        self._writer = ThreadPoolExecutor(1, "warehouse")
        self._lock = threading.Lock()
        self._duckdb.execute(
            "CREATE SCHEMA IF NOT EXISTS starvit; CREATE TABLE IF NOT EXISTS starvit.tables (resource VARCHAR)"
        )
        found = self._duckdb.execute("SELECT resource FROM starvit.tables").fetchall()
        self.tables = {(t.dataset, t.name): t for (text,) in found for t in (_table(json.loads(text)),)}
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
        made = _table(resource)
        with self._lock:
            if (made.dataset, made.name) in self.tables:
                return False
            for statement in _definition(made):
                try:
                    self._duckdb.execute(statement)
                except duckdb.Error as error:
                    raise BadSql(str(error)) from error
            self._duckdb.execute("INSERT INTO starvit.tables VALUES ($1)", [json.dumps(resource)])
            self.tables[made.dataset, made.name] = made
            return True

    def replace_view(self, resource: dict[str, Any]) -> None:
        """Put a view's query in place of its old one. Raises BadSql: then the old one stays."""
        made = _table(resource)
        [statement] = _definition(made)
        with self._lock:
            try:
                self._duckdb.execute(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
            except duckdb.Error as error:
                raise BadSql(str(error)) from error
            old = json.dumps(self.tables[made.dataset, made.name].resource)
            self._duckdb.execute(
                "UPDATE starvit.tables SET resource = $1 WHERE resource = $2", [json.dumps(resource), old]
            )
            self.tables[made.dataset, made.name] = made

    def append(self, batches: Sequence[Batch]) -> None:
        """Add rows in one transaction. To be called in the writing thread."""
        with self._lock:
            self._duckdb.begin()
            try:
                for table, rows in batches:
                    self._duckdb.execute(_insert(table), [orjson.dumps(rows).decode()])
            except BaseException:
                self._duckdb.rollback()
                raise
            self._duckdb.commit()

    @property
    def writer(self) -> ThreadPoolExecutor:
        return self._writer

    def query(self, statement: str, parameters: dict[str, object] | None = None) -> Result:
        """Run a query or a DELETE in GoogleSQL. Raises BadSql."""
        tree = sql.parse(statement)
        if isinstance(tree, exp.Delete):
            return self._delete(tree, parameters)
        text = sql.to_duckdb(tree)
        cursor = self._duckdb.cursor()
        try:
            cursor.execute(f"DESCRIBE {text}", parameters)
            described = [(name, kind) for name, kind, *_ in cursor.fetchall()]
            # Python's DuckDB needs another package to make a datetime with a zone: it gets a number instead.
            instants = [name for name, kind in described if kind == "TIMESTAMP WITH TIME ZONE"]
            as_numbers = ", ".join(f"epoch_us({quoted(name)}) AS {quoted(name)}" for name in instants)
            chosen = f"* REPLACE ({as_numbers})" if instants else "*"
            rows = cursor.execute(f"SELECT {chosen} FROM ({text})", parameters).fetchall()
        except duckdb.Error as error:
            raise BadSql(str(error)) from error
        finally:
            cursor.close()
        return Result(tuple(sql.field(name, kind) for name, kind in described), rows)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query, with timestamps as datetimes."""
        result = self.query(statement)
        instants = {i for i, field in enumerate(result.fields) if field["type"] == "TIMESTAMP"}
        if not instants:
            return result.rows
        return [tuple(_instant(cell) if i in instants else cell for i, cell in enumerate(row)) for row in result.rows]

    def dump(self) -> Iterator[str]:
        """Every cell that is stored, superseded changes and repeats included, as text."""
        for table in list(self.tables.values()):
            if not table.columns:
                continue
            cursor = self._duckdb.cursor()
            cursor.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {table.stored}")
            while chunk := cursor.fetchmany(1000):
                for row in chunk:
                    yield from (cell for cell in row if cell is not None)
            cursor.close()

    def close(self) -> None:
        self._writer.shutdown()
        self._duckdb.close()

    def _delete(self, tree: exp.Delete, parameters: dict[str, object] | None) -> Result:
        target = tree.this
        table = self.tables.get((target.db, target.name))
        if table is None or not table.columns:
            raise BadSql(f"{target.db}.{target.name} is no table")
        if table.primary_key:
            raise BadSql(f"{table.name} is written by change data capture and takes no DML")
        with self._lock:
            try:
                found = self._duckdb.execute(sql.to_duckdb(tree), parameters).fetchone()
            except duckdb.Error as error:
                raise BadSql(str(error)) from error
        return Result((), [], affected=found[0] if found else 0)


def _table(resource: dict[str, Any]) -> Table:
    reference = resource["tableReference"]
    key = resource.get("tableConstraints", {}).get("primaryKey", {}).get("columns", ())
    return Table(reference["datasetId"], reference["tableId"], resource, columns(resource), tuple(key))


def _definition(table: Table) -> Iterator[str]:
    name = quoted(table.dataset, table.name)
    if view := table.resource.get("view"):
        yield f"CREATE VIEW {name} AS {sql.to_duckdb(sql.parse(view['query']))}"
        return
    parts = (
        f"{quoted(c.name)} {sql.BIGQUERY_TO_DUCKDB[c.type]}{' NOT NULL' if c.required else ''}"
        for c in table.stored_columns
    )
    yield f"CREATE TABLE {table.stored} ({', '.join(parts)})"
    if table.primary_key:
        chosen = ", ".join(quoted(column.name) for column in table.columns)
        key = ", ".join(map(quoted, table.primary_key))
        newest = f"{quoted(CHANGE_SEQUENCE)} DESC NULLS LAST, rowid DESC"  # of two alike the later arrival wins
        yield (
            f"CREATE VIEW {name} AS SELECT {chosen} FROM {table.stored} "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {newest}) = 1 "
            f"AND {quoted(CHANGE_TYPE)} = 'UPSERT'"
        )


def _insert(table: Table) -> str:
    carried = {"JSON": "VARCHAR", "TIMESTAMP": "BIGINT"}  # a JSON column's text as a string, an instant as microseconds
    form = {c.name: carried.get(c.type) or sql.BIGQUERY_TO_DUCKDB[c.type] for c in table.stored_columns}
    values = {"JSON": "{}::JSON", "TIMESTAMP": "make_timestamptz({})"}
    chosen = ", ".join(values.get(c.type, "{}").format(quoted(c.name)) for c in table.stored_columns)
    rows = f"SELECT unnest(from_json($1, '[{json.dumps(form)}]'), recursive := true)"
    return f"INSERT INTO {table.stored} SELECT {chosen} FROM ({rows})"


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
