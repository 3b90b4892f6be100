"""The columns of a table, as BigQuery's REST has them, and what of a column's type the rest of the sink needs to know."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

_NAMES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}  # GoogleSQL's → REST's


class Column(Struct, frozen=True):
    """`type` is one of STRING, INTEGER, FLOAT, NUMERIC, BOOLEAN, DATE, TIMESTAMP, JSON, RECORD; `fields` are a record's."""

    name: str
    type: str
    mode: str = "NULLABLE"
    fields: "tuple[Column, ...]" = ()

    @property
    def required(self) -> bool:
        return self.mode == "REQUIRED"

    @property
    def repeated(self) -> bool:
        return self.mode == "REPEATED"


def columns(resource: Mapping[str, object]) -> tuple[Column, ...]:
    """The columns of a table's REST resource; none of a view's."""
    match resource:
        case {"schema": {"fields": [*fields]}, **others} if "view" not in others:
            return tuple(map(_column, fields))
    return ()


def primary_key(resource: Mapping[str, object]) -> tuple[str, ...]:
    """The columns of a table's primary key."""
    match resource:
        case {"tableConstraints": {"primaryKey": {"columns": [*names]}}}:
            return tuple(names)
    return ()


def _column(field: Mapping[str, Any]) -> Column:
    kind = field["type"].upper()
    inner = tuple(map(_column, field.get("fields", ())))
    return Column(field["name"], _NAMES.get(kind, kind), field.get("mode") or "NULLABLE", inner)
