"""The life of an AppendRows stream on the embedded warehouse: cut when idle, told of new columns, broken on purpose."""

import asyncio
from collections.abc import AsyncIterator
from copy import replace

import pytest
from google.api_core.exceptions import Aborted, GoogleAPICallError, ResourceExhausted
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest

from shared.errors import Code, Problem
from shared.local.bigquery import Endpoints, Fault, Warehouse
from shared.sinks.bigquery import BigQueryWarehouse
from tests.appending import LINE, K, V, embedding, request, rest, sent, writing
from tests.rows import ROW


@pytest.fixture
async def embedded() -> AsyncIterator[tuple[Warehouse, Endpoints]]:
    async with embedding() as both:
        yield both


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
