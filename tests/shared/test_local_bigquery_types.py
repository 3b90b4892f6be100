"""Every type of a column, alone, repeated and within records: as it is sent, so Google's client reads it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.local.bigquery import Endpoints, Warehouse
from shared.sinks.bigquery.columns import Column
from tests.appending import create, embedding, request, rest, sent

EVERYTHING: tuple[Column, ...] = (
    Column("s", "STRING"),
    Column("i", "INTEGER"),
    Column("f", "FLOAT"),
    Column("n", "NUMERIC"),
    Column("b", "BOOLEAN"),
    Column("d", "DATE"),
    Column("t", "TIMESTAMP"),
    Column("j", "JSON"),
    Column("many", "STRING", "REPEATED"),
)


@pytest.fixture
async def embedded() -> AsyncIterator[tuple[Warehouse, Endpoints]]:
    async with embedding() as both:
        yield both


async def test_every_type_arrives_as_it_was_sent_alone_and_within_records(
    embedded: tuple[Warehouse, Endpoints],
) -> None:
    _, endpoints = embedded
    fields = [{"name": c.name, "type": c.type, "mode": c.mode} for c in EVERYTHING]
    record = {"name": "records", "type": "RECORD", "mode": "REPEATED", "fields": fields}
    reference = {"projectId": "starvit", "datasetId": "d", "tableId": "everything"}
    await asyncio.to_thread(create, endpoints, {"tableReference": reference, "schema": {"fields": [*fields, record]}})
    at = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    line: dict[str, object] = {
        "s": "Zoë",
        "i": -(2**63),
        "f": 0.1,
        "n": "12345678901234567890.123456789",
        "b": True,
        "d": -719162,
        "t": int(at.timestamp() * 1_000_000),
        "j": '{"a":[1,null]}',
        "many": ["x", "y"],
    }
    columns = (*EVERYTHING, Column("records", "RECORD", "REPEATED", EVERYTHING))
    answers = await sent(endpoints, request("everything", columns, line | {"records": [line, {}]}, {}))
    assert [answer.error.code for answer in answers] == [0]
    expected = {
        "s": "Zoë",
        "i": -(2**63),
        "f": 0.1,
        "n": Decimal("12345678901234567890.123456789"),
        "b": True,
        "d": date(1, 1, 1),
        "t": at,
        "j": {"a": [1, None]},
        "many": ["x", "y"],
    }
    nothing: dict[str, object] = dict.fromkeys(expected, None) | {"many": []}

    def ask(sql: str) -> list[dict[str, Any]]:
        with rest(endpoints) as client:
            return [dict(row) for row in client.query(sql).result()]

    whole = await asyncio.to_thread(ask, "SELECT * FROM d.everything ORDER BY s IS NULL")
    assert whole == [expected | {"records": [expected, nothing]}, nothing | {"records": []}]
    flat = "SELECT line.* FROM d.everything AS e CROSS JOIN UNNEST(e.records) AS line WHERE line.i < 0"
    assert await asyncio.to_thread(ask, "SELECT line.n, line.d, line.many FROM" + flat.partition("FROM")[2]) == [
        {name: expected[name] for name in ("n", "d", "many")}
    ]


@pytest.mark.parametrize("column, value", [("n", "1e40"), ("n", "0.1234567891"), ("n", "much"), ("d", 2**31 - 1)])
async def test_a_value_that_its_type_has_no_room_for_is_a_bad_row(
    embedded: tuple[Warehouse, Endpoints], column: str, value: object
) -> None:
    reference = {"projectId": "starvit", "datasetId": "d", "tableId": "narrow"}
    fields = [{"name": c.name, "type": c.type} for c in EVERYTHING if c.name in ("n", "d")]
    await asyncio.to_thread(create, embedded[1], {"tableReference": reference, "schema": {"fields": fields}})
    columns = [c for c in EVERYTHING if c.name in ("n", "d")]
    [answer] = await sent(embedded[1], request("narrow", columns, {column: value}))
    assert [error.index for error in answer.row_errors] == [0]
