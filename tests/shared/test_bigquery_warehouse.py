"""The sink before and without BigQuery: what it costs to have one, and what it says when it has no identity."""

import subprocess
import sys
from copy import replace
from pathlib import Path

import pytest

from shared.errors import Problem
from shared.sinks.bigquery import BigQueryWarehouse
from tests.rows import ROW as SOME_ROW

ROW = replace(SOME_ROW, deleted=True, resource=None)


def test_a_sink_that_has_not_written_has_imported_nothing_of_googles_and_survives_a_fork() -> None:
    program = """
import sys
from shared.sinks.bigquery import BigQueryWarehouse
BigQueryWarehouse("starvit", {("north", "k1"): "north_data"})
print([name for name in sys.modules if name.partition(".")[0] in ("google", "grpc", "duckdb")])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


async def test_without_an_identity_the_warehouse_is_down_and_the_row_is_not_to_blame(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    warehouse = BigQueryWarehouse("starvit", {("north", "k1"): "north_data"})
    with pytest.raises(Problem) as down:
        await warehouse.write(ROW)
    await warehouse.close()
    assert str(down.value) == "warehouse-down at current_rows UNAUTHENTICATED"
