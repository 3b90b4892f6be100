"""How complete the warehouse is, for analysts to ask: how fresh, how much, under which policy."""

from collections.abc import AsyncIterator
from copy import replace
from datetime import UTC, datetime

import pytest
import sqlglot
from sqlglot import exp

from shared.deid.row import SafeRow
from shared.local.bigquery import Warehouse
from shared.sinks.bigquery import BigQueryWarehouse, schema, view_tables
from tests.rows import ROW

EARLY, LATE = datetime(2020, 1, 2, tzinfo=UTC), datetime(2020, 3, 4, tzinfo=UTC)
OTHER = replace(ROW, key="1" * 32)
GONE = replace(OTHER, sequence="2/1/0/1", deleted=True, resource=None)
SCAN = replace(ROW, resource_type="ImagingStudy", generation=2 * 65536, policy_hash="ef" * 16)


@pytest.fixture
async def warehouse() -> AsyncIterator[Warehouse]:
    embedded = Warehouse()
    await embedded.provision("north_data")
    endpoint = (await embedded.start()).grpc
    for at, rows in ((EARLY, [ROW, OTHER, OTHER, SCAN]), (LATE, [GONE, OTHER])):
        await _write(endpoint, at, rows)
    yield embedded
    await embedded.stop()
    embedded.close()


async def _write(endpoint: str, at: datetime, rows: list[SafeRow]) -> None:
    sink = BigQueryWarehouse("starvit", {("north", "k1"): "north_data"}, endpoint, clock=at.timestamp)
    for row in rows:
        await sink.write(row)
    await sink.close()


async def test_freshness_says_when_the_newest_row_of_each_type_was_committed(warehouse: Warehouse) -> None:
    sql = "SELECT resource_type, newest_committed_at, seconds_since FROM north_data.freshness ORDER BY resource_type"
    (scan, scanned, scan_age), (patient, changed, age) = warehouse.rows(sql)
    assert (scan, scanned, patient, changed) == ("ImagingStudy", EARLY, "Patient", LATE)
    assert scan_age - age == (LATE - EARLY).total_seconds()
    assert age > 0


async def test_row_counts_count_resources_tombstones_and_versions_and_no_repeat(warehouse: Warehouse) -> None:
    sql = "SELECT resource_type, resources, tombstones, versions FROM north_data.row_counts ORDER BY resource_type"
    assert warehouse.rows(sql) == [("ImagingStudy", 1, 0, 1), ("Patient", 1, 1, 3)]


async def test_policy_versions_show_which_policy_made_what_is_there_now(warehouse: Warehouse) -> None:
    sql = """
        SELECT resource_type, policy, policy_hash, generation, key_id, resources, tombstones
        FROM north_data.policy_versions ORDER BY resource_type
    """
    assert warehouse.rows(sql) == [
        ("ImagingStudy", "safe-harbor", "ef" * 16, 2 * 65536, "k1", 1, 0),
        ("Patient", "safe-harbor", "cd" * 16, 65536, "k1", 1, 1),
    ]


@pytest.mark.parametrize("policy", ["safe-harbor", "expert"])
def test_every_query_is_googlesql_and_reads_only_tables_of_its_own_dataset(policy: str) -> None:
    resources = view_tables.dataset("a-project", "a_dataset", policy)
    queries = {str(r["tableReference"]): r["view"] for r in resources if "view" in r}
    assert len(queries) > len(schema.VIEWS)
    for view in queries.values():
        assert isinstance(view, dict)
        tree = sqlglot.parse_one(view["query"], read="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
        assert isinstance(tree, exp.Query)
        read = {table.sql("bigquery") for table in tree.find_all(exp.Table)}
        assert read
        assert all(name.replace("`", "").startswith("a-project.a_dataset.") for name in read)
        assert view["useLegacySql"] is False
