"""The data-quality log's promises, kept by the memory twin and by BigQuery's sink on the embedded warehouse alike."""

from collections.abc import AsyncIterator
from copy import replace
from datetime import date

import pytest

from shared.errors import Code, Problem
from shared.sinks.memory_warehouse import MemoryWarehouse
from shared.sinks.quality import QualityRow
from tests.contracts.warehouses import DATASETS, OverTheWire, over_the_wire

ROW = QualityRow(
    project="north",
    key_id="k1",
    key="0a" * 32,
    rule="heart-rate-unit",
    severity="warning",
    resource_type="Observation",
    day=date(2026, 11, 23),
    findings=2,
    generation=65536,
)
type Line = tuple[str, str, str, date, int, int]


class Site:
    """A log, and the view `data_quality` as analysts see it."""

    def __init__(self, log: MemoryWarehouse | OverTheWire) -> None:
        self._log = log

    async def tally(self, row: QualityRow) -> None:
        if isinstance(self._log, MemoryWarehouse):
            await self._log.tally(row)
        else:
            await self._log.warehouse.tally(row)  # type: ignore[attr-defined]

    def lines(self, project: str) -> list[Line]:
        if isinstance(self._log, MemoryWarehouse):
            rows = [row for row in self._log.quality.values() if row.project == project]
            groups = {(row.rule, row.severity, row.resource_type, row.day) for row in rows}
            return sorted(
                (*group, len(own), sum(row.findings for row in own))
                for group in groups
                for own in [[r for r in rows if (r.rule, r.severity, r.resource_type, r.day) == group]]
            )
        columns = "rule, severity, resource_type, day, versions, findings"
        found = self._log.embedded.rows(f"SELECT {columns} FROM `starvit.{DATASETS[project]}.data_quality`")
        return sorted((a, b, c, d, int(e), int(f)) for a, b, c, d, e, f in found)


@pytest.fixture(params=["memory", "bigquery"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    if request.param == "memory":
        yield Site(MemoryWarehouse(DATASETS))
    else:
        async with over_the_wire() as wired:
            yield Site(wired)


async def test_a_finding_is_counted_once_however_often_it_comes(site: Site) -> None:
    for _ in range(3):
        await site.tally(ROW)
    assert site.lines("north") == [("heart-rate-unit", "warning", "Observation", date(2026, 11, 23), 1, 2)]
    assert site.lines("south") == []


async def test_rules_types_days_and_versions_are_told_apart(site: Site) -> None:
    await site.tally(ROW)
    await site.tally(replace(ROW, key="0b" * 32, findings=1))
    await site.tally(replace(ROW, rule="format", severity="error"))
    await site.tally(replace(ROW, key="0c" * 32, day=date(2026, 11, 24)))
    await site.tally(replace(ROW, project="south"))
    assert site.lines("north") == [
        ("format", "error", "Observation", date(2026, 11, 23), 1, 2),
        ("heart-rate-unit", "warning", "Observation", date(2026, 11, 23), 2, 3),
        ("heart-rate-unit", "warning", "Observation", date(2026, 11, 24), 1, 2),
    ]
    assert len(site.lines("south")) == 1


async def test_a_tenant_without_a_dataset_is_refused(site: Site) -> None:
    with pytest.raises(Problem) as raised:
        await site.tally(replace(ROW, project="nobody"))
    assert raised.value.code is Code.UNKNOWN_PROJECT
