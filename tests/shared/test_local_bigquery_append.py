"""The embedded Storage Write API holds its callers to BigQuery's rules, seen through Google's own client."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import Aborted, GoogleAPICallError, InvalidArgument, NotFound, ResourceExhausted
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcAsyncIOTransport
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse

from shared.errors import Code, Problem
from shared.local.bigquery import Endpoints, Fault, Warehouse
from shared.sinks.bigquery import BigQueryWarehouse, wire
from shared.sinks.bigquery.columns import Column
from shared.sinks.bigquery.outcomes import of_exception
from shared.sinks.channels import connected
from tests.rows import ROW

KEYED: dict[str, Any] = {
    "tableReference": {"projectId": "starvit", "datasetId": "d", "tableId": "keyed"},
    "schema": {
        "fields": [{"name": "k", "type": "STRING", "mode": "REQUIRED"}, {"name": "v", "type": "INT64"}],
    },
    "tableConstraints": {"primaryKey": {"columns": ["k"]}},
}
PLAIN: dict[str, Any] = {
    "tableReference": {"projectId": "starvit", "datasetId": "d", "tableId": "plain"},
    "schema": KEYED["schema"],
}
K, V = Column("k", "STRING", "REQUIRED"), Column("v", "INTEGER")
LINE = {"k": "a", "v": 1}
CHANGE = {wire.CHANGE_TYPE: "UPSERT", wire.CHANGE_SEQUENCE: "1"}
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
    warehouse = Warehouse()
    endpoints = await warehouse.start()
    await asyncio.to_thread(_create, endpoints, KEYED, PLAIN)
    yield warehouse, endpoints
    await warehouse.stop()
    warehouse.close()


@asynccontextmanager
async def writing(endpoints: Endpoints) -> AsyncIterator[BigQueryWriteAsyncClient]:
    client = BigQueryWriteAsyncClient(transport=connected(BigQueryWriteGrpcAsyncIOTransport, endpoints.grpc))
    yield client
    await client.transport.close()


def _create(endpoints: Endpoints, *tables: dict[str, Any]) -> None:
    with rest(endpoints) as client:
        client.create_dataset("d", exists_ok=True)
        for table in tables:
            client.create_table(bigquery.Table.from_api_repr(table))


def rest(endpoints: Endpoints) -> bigquery.Client:
    options = ClientOptions(api_endpoint=endpoints.rest)
    return bigquery.Client("starvit", AnonymousCredentials(), client_options=options)


def request(
    table: str,
    columns: Sequence[Column],
    *lines: dict[str, object],
    stream: str = "streams/_default",
    first: bool = True,
    offset: int | None = None,
) -> AppendRowsRequest:
    """An append; a line that lacks a required column is sent all the same."""
    message = wire.message(table, tuple(columns))
    rows = [message(**line).SerializePartialToString() for line in lines]
    made = AppendRowsRequest(proto_rows={"rows": {"serialized_rows": rows}}, offset=offset)
    if first:
        made.write_stream = f"projects/starvit/datasets/d/tables/{table}/{stream}"
        pb = AppendRowsRequest.pb(made)
        pb.proto_rows.writer_schema.proto_descriptor.CopyFrom(wire.descriptor(table, tuple(columns)))
    return made


async def sent(endpoints: Endpoints, *requests: AppendRowsRequest) -> list[AppendRowsResponse]:
    """The answers to requests on one stream. Raises the error that ended it."""

    async def all_of_them() -> AsyncIterator[AppendRowsRequest]:
        for one in requests:
            yield one

    async with writing(endpoints) as client:
        return [answer async for answer in await client.append_rows(all_of_them())]


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


async def test_every_type_arrives_as_it_was_sent_alone_and_within_records(
    embedded: tuple[Warehouse, Endpoints],
) -> None:
    _, endpoints = embedded
    fields = [{"name": c.name, "type": c.type, "mode": c.mode} for c in EVERYTHING]
    record = {"name": "records", "type": "RECORD", "mode": "REPEATED", "fields": fields}
    reference = {"projectId": "starvit", "datasetId": "d", "tableId": "everything"}
    await asyncio.to_thread(_create, endpoints, {"tableReference": reference, "schema": {"fields": [*fields, record]}})
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
    await asyncio.to_thread(_create, embedded[1], {"tableReference": reference, "schema": {"fields": fields}})
    columns = [c for c in EVERYTHING if c.name in ("n", "d")]
    [answer] = await sent(embedded[1], request("narrow", columns, {column: value}))
    assert [error.index for error in answer.row_errors] == [0]


async def test_a_stream_without_requests_is_cut(embedded: tuple[Warehouse, Endpoints]) -> None:
    warehouse, endpoints = embedded
    warehouse.be(idle=0.05)

    async def one_and_no_more() -> AsyncIterator[AppendRowsRequest]:
        yield request("plain", [K, V], LINE)
        await asyncio.sleep(30)

    async with writing(endpoints) as client:
        with pytest.raises(Aborted, match="inactive"):
            [_ async for _ in await client.append_rows(one_and_no_more())]
    assert warehouse.stats.idle == 1


async def test_a_stream_hears_once_that_its_table_has_a_new_column(embedded: tuple[Warehouse, Endpoints]) -> None:
    warehouse, endpoints = embedded
    turns: asyncio.Queue[AppendRowsRequest] = asyncio.Queue()

    async def as_they_come() -> AsyncIterator[AppendRowsRequest]:
        while True:
            yield await turns.get()

    def grow() -> None:
        with rest(endpoints) as client:
            table = client.get_table("d.plain")
            table.schema = [*table.schema, bigquery.SchemaField("w", "STRING")]
            client.update_table(table, ["schema"])

    async with writing(endpoints) as client:
        answers = aiter(await client.append_rows(as_they_come()))
        turns.put_nowait(request("plain", [K, V], LINE))
        before = await anext(answers)
        await asyncio.to_thread(grow)
        told = []
        for name in "bc":
            turns.put_nowait(request("plain", [K, V], {"k": name}, first=False))
            told.append(await anext(answers))
    assert [[field.name for field in answer.updated_schema.fields] for answer in (before, *told)] == [
        [],
        ["k", "v", "w"],
        [],
    ]
    assert warehouse.rows("SELECT k, v, w FROM d.plain ORDER BY k") == [
        ("a", 1, None),
        ("b", None, None),
        ("c", None, None),
    ]


async def test_a_used_up_quota_ends_the_call_and_takes_nothing(embedded: tuple[Warehouse, Endpoints]) -> None:
    embedded[0].plant(Fault.QUOTA)
    with pytest.raises(ResourceExhausted):
        await sent(embedded[1], request("plain", [K, V], LINE))
    assert embedded[0].rows("SELECT * FROM d.plain") == []


@pytest.mark.parametrize("fault, kept", [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1)])
async def test_a_reset_stream_does_not_say_whether_its_rows_were_kept(
    embedded: tuple[Warehouse, Endpoints], fault: Fault, kept: int
) -> None:
    embedded[0].plant(fault)
    with pytest.raises(GoogleAPICallError) as reset:
        await sent(embedded[1], request("plain", [K, V], LINE))
    assert reset.value.grpc_status_code.name == "UNAVAILABLE"
    assert len(embedded[0].rows("SELECT * FROM d.plain")) == kept


@pytest.mark.parametrize(
    "faults, ends",
    [
        ([Fault.SLOW], [None]),
        ([Fault.SILENT], [None]),
        ([Fault.SILENT] * 4, [Code.WAREHOUSE_DOWN]),  # both tables, both attempts
        ([Fault.GONE], [None]),
        ([Fault.QUOTA], [Code.WAREHOUSE_DOWN]),
    ],
)
async def test_the_sink_comes_through_what_bigquery_does_to_it_and_shows_nothing_twice(
    embedded: tuple[Warehouse, Endpoints], faults: list[Fault], ends: list[Code | None]
) -> None:
    warehouse, endpoints = embedded
    await warehouse.provision("north_data", views=())
    datasets = {("north", "k1"): "north_data"}
    sink = BigQueryWarehouse("starvit", datasets, endpoints.grpc, views=lambda _: (), timeout=0.5)
    await sink.write(replace(ROW, key="1" * 32))
    warehouse.be(slow=0.05)
    warehouse.plant(*faults)
    row = replace(ROW, key="2" * 32)
    found = await asyncio.gather(sink.write(row), return_exceptions=True)
    assert [end.code if isinstance(end, Problem) else end for end in found] == ends
    if any(found):
        again = BigQueryWarehouse("starvit", datasets, endpoints.grpc, views=lambda _: ())  # another instance
        await again.write(row)
        await again.close()
    await sink.close()
    for view in ("resources", "change_log"):
        assert warehouse.rows(f"SELECT key FROM north_data.{view} ORDER BY key") == [("1" * 32,), ("2" * 32,)]
