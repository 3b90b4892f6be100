"""Tables and views in DuckDB's words: how one is made, filled, and changed without loss.

A table of changes is stored as the changes came, in `<table>$changes`; the table itself is a view of the newest change
of each key. So a write is always an append, which DuckDB does well in bulk, and no order of arrival matters.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.local.bigquery import sql
from shared.local.bigquery.sql import BadSql, quoted
from shared.sinks.bigquery.columns import Column, columns, primary_key
from shared.sinks.bigquery.wire import CHANGE_SEQUENCE, CHANGE_TYPE

_CHANGES = (Column(CHANGE_TYPE, "STRING", "REQUIRED"), Column(CHANGE_SEQUENCE, "STRING"))
_MOST_KEYS = 16  # columns of a primary key


@dataclass(frozen=True)
class Table:
    """A table or view. `resource` is its REST resource; `stored` the name under which DuckDB keeps its rows."""

    dataset: str
    name: str
    resource: dict[str, Any]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    @cached_property
    def stored(self) -> str:
        return quoted(self.dataset, f"{self.name}$changes" if self.primary_key else self.name)

    @cached_property
    def stored_columns(self) -> tuple[Column, ...]:
        return self.columns + (_CHANGES if self.primary_key else ())

    @cached_property
    def insertion(self) -> str:
        """The statement that takes rows as one parameter, in JSON: bound one by one, values cost twenty times as much."""
        form = {column.name: _form(column) for column in self.stored_columns}
        chosen = ", ".join(f"line.{quoted(c.name)}::{_type(c)} AS {quoted(c.name)}" for c in self.stored_columns)
        lines = f"SELECT unnest(from_json($1, '[{json.dumps(form)}]')) AS line"
        return f"INSERT INTO {self.stored} BY NAME SELECT {chosen} FROM ({lines})"


def table(resource: dict[str, Any]) -> Table:
    """The table of a REST resource. Raises BadSql for a primary key that BigQuery does not take."""
    reference = resource["tableReference"]
    made = Table(reference["datasetId"], reference["tableId"], resource, columns(resource), primary_key(resource))
    keys = {column.name for column in made.columns if not column.repeated and column.type not in ("JSON", "RECORD")}
    if not keys >= set(made.primary_key) or len(made.primary_key) > _MOST_KEYS:
        raise BadSql("not a primary key")
    return made


def definition(made: Table) -> Iterator[str]:
    """The statements that make it."""
    if "view" in made.resource:
        yield _view(made)
        return
    parts = (f"{quoted(c.name)} {_type(c)}{_constraint(c)}" for c in made.stored_columns)
    yield f"CREATE TABLE {made.stored} ({', '.join(parts)})"
    yield from _merged(made)


def alteration(old: Table, new: Table) -> Iterator[str]:
    """The statements that make the new of the old, with all rows kept. Raises BadSql where BigQuery would refuse."""
    if ("view" in old.resource) != ("view" in new.resource):
        raise BadSql("a table does not become a view")
    if "view" in new.resource:
        yield _view(new)
        return
    if old.primary_key != new.primary_key:
        raise BadSql("the primary key of a table of changes stays as it is")
    yield from _altered(new.stored, (), old.columns, new.columns)
    yield from _merged(new)


def _altered(stored: str, within: tuple[str, ...], old: Sequence[Column], new: Sequence[Column]) -> Iterator[str]:
    known = {column.name: column for column in old}
    if known.keys() - {column.name for column in new}:
        raise BadSql("a column does not go")
    for column in new:
        path = quoted(*within, column.name)
        before = known.get(column.name)
        if before is None:
            if column.required:
                raise BadSql("a new column is not required")
            yield f"ALTER TABLE {stored} ADD COLUMN {path} {_type(column)}{'' if within else _constraint(column)}"
        elif before.type != column.type or (
            before.mode != column.mode and not (before.required and not column.repeated)
        ):
            raise BadSql("a column keeps its type and its mode")
        elif before.required and not column.required and not within:
            yield f"ALTER TABLE {stored} ALTER COLUMN {path} DROP NOT NULL"
        if before is not None and column.fields:
            inner = (*within, column.name, "element") if column.repeated else (*within, column.name)
            yield from _altered(stored, inner, before.fields, column.fields)


def _view(made: Table) -> str:
    query = sql.to_duckdb(sql.parse(made.resource["view"]["query"]))
    return f"CREATE OR REPLACE VIEW {quoted(made.dataset, made.name)} AS {query}"


def _merged(made: Table) -> Iterator[str]:
    if not made.primary_key:
        return
    chosen = ", ".join(quoted(column.name) for column in made.columns)
    key = ", ".join(map(quoted, made.primary_key))
    newest = f"{quoted(CHANGE_SEQUENCE)} DESC NULLS LAST, rowid DESC"  # of two alike the later arrival wins
    yield (
        f"CREATE OR REPLACE VIEW {quoted(made.dataset, made.name)} AS SELECT {chosen} FROM {made.stored} "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {newest}) = 1 "
        f"AND {quoted(CHANGE_TYPE)} = 'UPSERT'"
    )


def _type(column: Column) -> str:
    if column.type == "RECORD":
        one = f"STRUCT({', '.join(f'{quoted(c.name)} {_type(c)}' for c in column.fields)})"
    else:
        one = sql.BIGQUERY_TO_DUCKDB[column.type]
    return f"{one}[]" if column.repeated else one


def _constraint(column: Column) -> str:
    return " DEFAULT []" if column.repeated else " NOT NULL" if column.required else ""


def _form(column: Column) -> object:
    """The form in which a column's values stand in the JSON; the texts are cast to what they are."""
    kept = ("INTEGER", "FLOAT", "BOOLEAN")
    one: object = sql.BIGQUERY_TO_DUCKDB[column.type] if column.type in kept else "VARCHAR"
    if column.type == "RECORD":
        one = {inner.name: _form(inner) for inner in column.fields}
    return [one] if column.repeated else one
