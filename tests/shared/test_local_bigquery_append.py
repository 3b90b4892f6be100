"""The embedded Storage Write API holds its callers to BigQuery's rules, seen through Google's own client."""

from collections.abc import AsyncIterator, Callable

import pytest
from google.api_core.exceptions import InvalidArgument, NotFound
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest

from shared.local.bigquery import Endpoints, Warehouse
from shared.sinks.bigquery import wire
from shared.sinks.bigquery.columns import Column
from shared.sinks.bigquery.outcomes import of_exception
from tests.appending import CHANGE, LINE, K, V, embedding, request, sent


@pytest.fixture
async def embedded() -> AsyncIterator[tuple[Warehouse, Endpoints]]:
    async with embedding() as both:
        yield both


async def test_a_good_row_is_taken_and_needs_to_name_its_table_once(embedded: tuple[Warehouse, Endpoints]) -> None:
    warehouse, endpoints = embedded
    answers = await sent(
        endpoints, request("plain", [K, V], LINE), request("plain", [K, V], {"k": "b", "v": 2}, first=False)
    )
    assert [answer.error.code for answer in answers] == [0, 0]
    assert warehouse.rows("SELECT k, v FROM d.plain ORDER BY k") == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    "bad",
    [
        lambda: request("plain", [K, V, Column("more", "STRING")], LINE),
        lambda: request("plain", [V], {"v": 1}),
        lambda: request("plain", [K, Column("v", "STRING")], {"k": "a", "v": "1"}),
        lambda: request("plain", [K, Column("v", "INTEGER", "REPEATED")], {"k": "a", "v": [1]}),
        lambda: request("plain", [K, V, *wire.CHANGE], LINE | CHANGE),
        lambda: request("plain", [K, V], LINE, stream="streams/mine"),
        lambda: request("plain", [K, V], LINE, first=False),
        lambda: request("plain", [K, V], LINE, offset=0),
    ],
    ids=[
        "an unknown column",
        "a required column is missing",
        "another type",
        "another mode",
        "a change of a table without a key",
        "another stream than the default one",
        "no table",
        "an offset",
    ],
)
async def test_a_writer_that_does_not_fit_its_table_is_refused(
    embedded: tuple[Warehouse, Endpoints], bad: Callable[[], AppendRowsRequest]
) -> None:
    with pytest.raises(InvalidArgument):
        await sent(embedded[1], bad())
    assert embedded[0].rows("SELECT * FROM d.plain") == []


async def test_an_unknown_column_and_a_missing_table_are_told_apart(embedded: tuple[Warehouse, Endpoints]) -> None:
    with pytest.raises(InvalidArgument) as extra:
        await sent(embedded[1], request("plain", [K, V, Column("more", "STRING")], LINE))
    with pytest.raises(NotFound) as missing:
        await sent(embedded[1], request("nowhere", [K, V], LINE))
    assert of_exception(extra.value).name == "SCHEMA_MISMATCH_EXTRA_FIELDS"
    assert of_exception(missing.value).name == "TABLE_NOT_FOUND"


@pytest.mark.parametrize(
    "line",
    [
        {"v": 1} | CHANGE,
        LINE | CHANGE | {wire.CHANGE_TYPE: "INSERT"},
        LINE | CHANGE | {wire.CHANGE_SEQUENCE: "now"},
        LINE | CHANGE | {wire.CHANGE_SEQUENCE: "1/2/3/4/5"},
        LINE | CHANGE | {wire.CHANGE_SEQUENCE: "0" * 17},
    ],
)
async def test_one_bad_row_refuses_its_whole_request_and_is_named(
    embedded: tuple[Warehouse, Endpoints], line: dict[str, object]
) -> None:
    good = LINE | CHANGE
    [answer] = await sent(embedded[1], request("keyed", [K, V, *wire.CHANGE], good, line, good))
    assert answer.error.code == 3
    assert [error.index for error in answer.row_errors] == [1]
    assert embedded[0].rows("SELECT * FROM d.keyed") == []


async def test_a_row_that_is_no_message_is_named(embedded: tuple[Warehouse, Endpoints]) -> None:
    bad = request("plain", [K, V], LINE)
    bad.proto_rows.rows.serialized_rows.append(b"\xff")
    [answer] = await sent(embedded[1], bad)
    assert [error.index for error in answer.row_errors] == [1]


async def test_changes_of_a_key_are_merged_by_their_number_and_a_delete_hides_the_row(
    embedded: tuple[Warehouse, Endpoints],
) -> None:
    def change(sequence: str, value: int, kind: str = "UPSERT") -> dict[str, object]:
        return {"k": "a", "v": value, wire.CHANGE_TYPE: kind, wire.CHANGE_SEQUENCE: sequence}

    lines = [change("F/B", 1), change("10", 2), change("F/AB", 3)]
    await sent(embedded[1], request("keyed", [K, V, *wire.CHANGE], *lines))
    assert embedded[0].rows("SELECT v FROM d.keyed") == [(2,)]
    await sent(embedded[1], request("keyed", [K, V, *wire.CHANGE], change("11", 0, "DELETE"), change("10/1", 4)))
    assert embedded[0].rows("SELECT v FROM d.keyed") == []


async def test_a_request_over_ten_million_bytes_is_refused(embedded: tuple[Warehouse, Endpoints]) -> None:
    [answer] = await sent(embedded[1], request("plain", [K, V], {"k": "x" * 10_000_000}))
    assert answer.error.code == 3
    assert embedded[0].rows("SELECT * FROM d.plain") == []
