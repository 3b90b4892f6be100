"""The embedded warehouse, seen through Google's own clients: what BigQuery promises, as far as we lean on it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from copy import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from shared.errors import Code, Problem
from shared.local.bigquery import Endpoints, Warehouse
from shared.sinks.bigquery import BigQueryWarehouse, schema
from tests.rows import ROW as SOME_ROW

ROW = replace(SOME_ROW, resource={"resourceType": "Patient", "gender": "female", "birthDate": "1970"})
DATASET = "north_data"
COMMITTED = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

type Ask = Callable[[Callable[[bigquery.Client], Any]], Any]


@pytest.fixture
async def embedded() -> AsyncIterator[tuple[Warehouse, Endpoints]]:
    warehouse = Warehouse()
    await warehouse.provision(DATASET)
    yield warehouse, await warehouse.start()
    await warehouse.stop()
    warehouse.close()


@pytest.fixture
async def sink(embedded: tuple[Warehouse, Endpoints]) -> AsyncIterator[BigQueryWarehouse]:
    made = BigQueryWarehouse("starvit", {("north", "k1"): DATASET}, embedded[1].grpc, clock=COMMITTED.timestamp)
    yield made
    await made.close()


@pytest.fixture
def ask(embedded: tuple[Warehouse, Endpoints]) -> Ask:
    """Use Google's client, which blocks, from a thread."""

    def used(use: Callable[[bigquery.Client], Any]) -> Any:
        options = ClientOptions(api_endpoint=embedded[1].rest)
        with bigquery.Client("starvit", AnonymousCredentials(), client_options=options) as client:
            return use(client)

    return lambda use: asyncio.to_thread(used, use)


async def test_googles_client_reads_what_the_sink_wrote(sink: BigQueryWarehouse, ask: Ask) -> None:
    await asyncio.gather(*(sink.write(replace(ROW, key=f"{n:032x}")) for n in range(25)))
    sql = f"""
        SELECT key, JSON_VALUE(resource, '$.gender') AS gender, deleted, generation, committed_at, resource
        FROM `starvit.{DATASET}.change_log` WHERE key IN UNNEST(@keys) AND generation >= @least ORDER BY key DESC
    """
    keys = [f"{n:032x}" for n in (3, 24, 7)]
    asked = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ArrayQueryParameter("keys", "STRING", keys),
            bigquery.ScalarQueryParameter("least", "INT64", 65536),
        ]
    )
    found = await ask(lambda client: list(client.query(sql, job_config=asked).result()))
    assert [row["key"] for row in found] == sorted(keys, reverse=True)
    assert dict(found[0]) == {
        "key": keys[1],
        "gender": "female",
        "deleted": False,
        "generation": 65536,
        "committed_at": COMMITTED,
        "resource": ROW.resource,
    }
    same = await ask(lambda client: list(client.query_and_wait(sql, job_config=asked)))
    assert same == found


async def test_a_long_answer_comes_in_pages_and_in_order(ask: Ask) -> None:
    sql = "SELECT n FROM UNNEST(GENERATE_ARRAY(1, 950)) AS n ORDER BY n DESC"
    found = await ask(lambda client: [row["n"] for row in client.query(sql).result(page_size=100)])
    assert found == list(range(950, 0, -1))


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM north_data.resources", "DROP TABLE north_data.x"])
async def test_bad_sql_is_an_error_and_never_an_empty_answer(ask: Ask, sql: str) -> None:
    with pytest.raises(BadRequest):
        await ask(lambda client: client.query(sql).result(retry=None, job_retry=None))
    with pytest.raises(BadRequest):
        await ask(lambda client: client.query_and_wait(sql, retry=None, job_retry=None))


async def test_a_query_reads_no_file_of_this_machine(ask: Ask) -> None:
    with pytest.raises(BadRequest):
        await ask(lambda client: client.query("SELECT * FROM read_text('/etc/hostname')").result(job_retry=None))


async def test_googles_client_provisions_what_the_schemas_say(ask: Ask, embedded: tuple[Warehouse, Endpoints]) -> None:
    def provision(client: bigquery.Client) -> bigquery.Table:
        client.create_dataset("south_data")
        with pytest.raises(Conflict):
            client.create_dataset("south_data")
        tables = (*schema.TABLES, schema.QUALITY)
        for name in tables:
            client.create_table(bigquery.Table.from_api_repr(schema.table(name, "starvit", "south_data")))
        for name in schema.VIEWS:
            client.create_table(bigquery.Table.from_api_repr(schema.view(name, "starvit", "south_data")))
            client.create_table(
                bigquery.Table.from_api_repr(schema.view(name, "starvit", "south_data")), exists_ok=True
            )
        with pytest.raises(NotFound):
            client.get_table("south_data.nothing")
        assert {table.table_id for table in client.list_tables("south_data")} == {*tables, *schema.VIEWS}
        return client.get_table("south_data.current_rows")

    table = await ask(provision)
    assert table.clustering_fields == ["resource_type", "key"]
    assert table.table_constraints.primary_key.columns == ["resource_type", "key"]
    assert [field.description for field in table.schema]
    south = BigQueryWarehouse("starvit", {("north", "k1"): "south_data"}, embedded[1].grpc, views=lambda _: ())
    await south.write(ROW)
    await south.close()
    assert embedded[0].rows("SELECT COUNT(*) FROM south_data.resources") == [(1,)]
    assert embedded[0].rows(f"SELECT COUNT(*) FROM {DATASET}.resources") == [(0,)]


async def test_a_row_that_the_table_does_not_take_is_refused_alone(
    ask: Ask, embedded: tuple[Warehouse, Endpoints]
) -> None:
    def provision(client: bigquery.Client) -> None:
        client.create_dataset("strict_data")
        for name in schema.TABLES:
            resource: Any = schema.table(name, "starvit", "strict_data")
            for field in resource["schema"]["fields"]:
                field["mode"] = "REQUIRED"
            client.create_table(bigquery.Table.from_api_repr(resource))

    await ask(provision)
    strict = BigQueryWarehouse("starvit", {("north", "k1"): "strict_data"}, embedded[1].grpc, views=lambda _: ())
    tombstone = replace(ROW, deleted=True, resource=None)
    rows = [replace(ROW, key="1"), tombstone, replace(ROW, key="2")]
    ends = await asyncio.gather(*(strict.write(row) for row in rows), return_exceptions=True)
    await strict.close()
    assert [end.code if isinstance(end, Problem) else end for end in ends] == [None, Code.ROW_REFUSED, None]
    for table in schema.TABLES:
        assert embedded[0].rows(f"SELECT key FROM strict_data.{table} ORDER BY key") == [("1",), ("2",)]


async def test_a_table_that_is_not_there_is_an_outage_and_not_the_rows_fault(
    embedded: tuple[Warehouse, Endpoints],
) -> None:
    lost = BigQueryWarehouse("starvit", {("north", "k1"): "nowhere"}, embedded[1].grpc)
    with pytest.raises(Problem) as missing:
        await lost.write(ROW)
    await lost.close()
    assert (missing.value.code, missing.value.at) == (Code.WAREHOUSE_DOWN, "current_rows TABLE_NOT_FOUND")


async def test_the_change_log_can_be_erased_from_and_the_current_rows_take_no_dml(
    sink: BigQueryWarehouse, ask: Ask, embedded: tuple[Warehouse, Endpoints]
) -> None:
    await sink.write(ROW)
    await sink.write(replace(ROW, key="1" * 32))
    asked = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("key", "STRING", ROW.key)])

    def erase(table: str) -> Callable[[bigquery.Client], Any]:
        def erased(client: bigquery.Client) -> Any:
            job = client.query(f"DELETE FROM `starvit.{DATASET}.{table}` WHERE key = @key", job_config=asked)
            job.result(job_retry=None)
            return job.num_dml_affected_rows

        return erased

    assert await ask(erase("change_rows")) == 1
    assert embedded[0].rows(f"SELECT key FROM {DATASET}.change_log") == [("1" * 32,)]
    with pytest.raises(BadRequest):
        await ask(erase("current_rows"))


async def test_the_dump_shows_every_cell_that_was_ever_written(
    sink: BigQueryWarehouse, embedded: tuple[Warehouse, Endpoints]
) -> None:
    await sink.write(replace(ROW, resource={"note": "CANARY-1"}))
    await sink.write(replace(ROW, sequence="2/0/0/1", deleted=True, resource=None))
    cells = list(embedded[0].dump())
    assert sum("CANARY-1" in cell for cell in cells) == 2
    assert ROW.key in cells


async def test_a_file_keeps_tables_and_rows_over_a_restart(tmp_path: Path) -> None:
    for sequence in ("2/0/0/1", "1/0/0/1"):
        warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
        await warehouse.provision(DATASET)
        sink = BigQueryWarehouse("starvit", {("north", "k1"): DATASET}, (await warehouse.start()).grpc)
        await sink.write(replace(ROW, sequence=sequence))
        await sink.close()
        await warehouse.stop()
        assert warehouse.rows(f"SELECT sequence FROM {DATASET}.resources") == [("2/0/0/1",)]
        warehouse.close()
