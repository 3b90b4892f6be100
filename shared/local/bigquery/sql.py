"""GoogleSQL as DuckDB's SQL (by sqlglot), and DuckDB's types as BigQuery's.

The twin is one Google Cloud project, so a table's project is dropped.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp

BIGQUERY_TO_DUCKDB = {
    "STRING": "VARCHAR",
    "INTEGER": "BIGINT",
    "BOOLEAN": "BOOLEAN",
    "FLOAT": "DOUBLE",
    "JSON": "JSON",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATE": "DATE",
    "NUMERIC": "DECIMAL(38, 9)",
}
_DUCKDB_TO_BIGQUERY = {
    "VARCHAR": "STRING",
    "JSON": "JSON",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "DOUBLE": "FLOAT",
    "FLOAT": "FLOAT",
    "TIMESTAMP": "DATETIME",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
} | dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT", "UINTEGER"), "INTEGER")


class BadSql(Exception):
    """The statement is none, or none that is taken here. Its text is for a developer's eyes: this is a stand-in."""


def parse(sql: str) -> exp.Query | exp.Delete:
    """A query or a DELETE in GoogleSQL, with the project dropped. Raises BadSql."""
    try:
        tree = sqlglot.parse_one(sql, read="bigquery")
    except sqlglot.ParseError as error:
        raise BadSql(str(error)) from error
    if not isinstance(tree, exp.Query | exp.Delete):
        raise BadSql(f"{type(tree).__name__} is not taken here")
    for table in tree.find_all(exp.Table):
        table.set("catalog", None)
    for division in tree.find_all(exp.IntDiv):  # DIV(a - b, c) becomes an operator, and sqlglot sets no parentheses
        for side in ("this", "expression"):
            if isinstance(division.args[side], exp.Binary):
                division.set(side, exp.paren(division.args[side], copy=False))
    return tree


@lru_cache(256)
def translated(sql: str) -> tuple[str, exp.Delete | None]:
    """A query or a DELETE in DuckDB's words; and of a DELETE its tree, for whoever must know what it touches. Raises BadSql."""
    tree = parse(sql)
    return to_duckdb(tree), tree if isinstance(tree, exp.Delete) else None


@lru_cache(256)
def read_by(sql: str) -> frozenset[tuple[str, str]]:
    """(dataset, table) of whatever a statement names. Raises BadSql."""
    return frozenset((table.db, table.name) for table in parse(sql).find_all(exp.Table))


def to_duckdb(tree: exp.Expression) -> str:
    return str(tree.sql("duckdb", comments=False))


def quoted(*names: str) -> str:
    """A dotted name in quotes."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def field(name: str, kind: Any) -> dict[str, Any]:
    """A column of a result, as BigQuery's REST describes it. `kind` is DuckDB's type (DuckDBPyType)."""
    if kind.id == "list":
        return field(name, kind.children[0][1]) | {"mode": "REPEATED"}
    if kind.id == "struct":
        inner = [field(one, child) for one, child in kind.children]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": inner}
    scalar = re.sub(r"\(.*\)$", "", str(kind))
    given = _DUCKDB_TO_BIGQUERY.get(scalar, "NUMERIC" if scalar == "DECIMAL" else "STRING")
    return {"name": name, "type": given, "mode": "NULLABLE"}


def parameter(given: dict[str, Any]) -> object:
    """The Python value of a query parameter's REST form."""
    kind, value = given["parameterType"], given["parameterValue"]
    if kind["type"] == "ARRAY":
        inner = kind["arrayType"]
        return [parameter({"parameterType": inner, "parameterValue": v}) for v in value.get("arrayValues", ())]
    text = value.get("value")
    if text is None:
        return None
    match kind["type"]:
        case "INT64" | "INTEGER":
            return int(text)
        case "FLOAT64" | "FLOAT":
            return float(text)
        case "BOOL" | "BOOLEAN":
            return str(text).lower() == "true"
        case "TIMESTAMP":
            return datetime.fromisoformat(text)
        case _:
            return text
