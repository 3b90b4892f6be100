"""What both warehouses promise of the analysts' views: the rows of the newest version of each resource, all or none."""

import asyncio
from collections.abc import AsyncIterator
from copy import replace
from itertools import permutations
from random import Random

import pytest

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.local.bigquery import Fault
from tests.contracts.warehouses import InMemory, OverTheWire, Site, over_the_wire, problem
from tests.rows import ROW


@pytest.fixture(params=["memory", "bigquery"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    if request.param == "memory":
        yield InMemory()
        return
    async with over_the_wire() as wire:
        yield wire


@pytest.fixture
async def wire() -> AsyncIterator[OverTheWire]:
    async with over_the_wire() as wire:
        yield wire


def key(number: int) -> str:
    return f"{number:032x}"


def version(sequence: str, **resource: object) -> SafeRow:
    return replace(ROW, sequence=sequence, resource={"resourceType": "Patient", "at": sequence, **resource})


def tombstone(sequence: str) -> SafeRow:
    return replace(ROW, sequence=sequence, deleted=True, resource=None)


def line(name: str, born: str | None = None) -> tuple[str, dict[str, object]]:
    year = int(born[:4]) if born else None
    row: dict[str, object] = {"id": None, "name": name, "given": [name, name.upper()], "born": born, "born_year": year}
    return ROW.key, row


async def test_a_resource_that_makes_three_rows_has_three_rows(site: Site) -> None:
    await site.warehouse.write(version("1/0/0/1", names=["a", "b", "c"], birthDate="1970"))
    assert site.view("north", "patient_names") == [line(name, "1970") for name in "abc"]
    assert site.view("north", "patient_seen") == [(ROW.key, {"at": "1/0/0/1", "size": None})]
    assert site.view("south", "patient_names") == []


async def test_a_new_version_replaces_all_rows_of_the_one_before(site: Site) -> None:
    await site.warehouse.write(version("1/0/0/1", names=["a", "b", "c"]))
    await site.warehouse.write(version("2/0/0/1", names=["d"]))
    assert site.view("north", "patient_names") == [line("d")]


async def test_a_deleted_resource_has_no_rows_in_any_view(site: Site) -> None:
    await site.warehouse.write(version("1/0/0/1", names=["a", "b"]))
    await site.warehouse.write(tombstone("2/1/0/1"))
    await site.warehouse.write(version("1/0/0/1", names=["a", "b"]))  # late, and once more
    assert site.view("north", "patient_names") == site.view("north", "patient_seen") == []


async def test_a_resource_that_a_view_now_leaves_out_loses_its_rows(site: Site) -> None:
    await site.warehouse.write(version("1/0/0/1", names=["a"]))
    await site.warehouse.write(version("2/0/0/1", names=["a"], active=False))
    assert site.view("north", "patient_names") == []
    assert len(site.view("north", "patient_seen")) == 1


async def test_a_type_without_views_is_stored_all_the_same(site: Site) -> None:
    await site.warehouse.write(replace(version("1/0/0/1"), resource_type="Observation"))
    assert site.view("north", "patient_seen") == []


@pytest.mark.parametrize("flaw", [{"broken": True}, {"surprising": True}, {"size": 2**63}, {"size": "many"}])
async def test_a_view_that_fails_on_a_resource_costs_neither_the_row_nor_the_other_view(
    site: Site, flaw: dict[str, object]
) -> None:
    await site.warehouse.write(version("1/0/0/1", names=["old"]))
    await site.warehouse.write(version("2/0/0/1", names=["new"], **flaw))
    names, seen = site.view("north", "patient_names"), site.view("north", "patient_seen")
    if "broken" in flaw:
        assert (names, seen) == ([], [(ROW.key, {"at": "2/0/0/1", "size": None})])
    else:
        assert (names, seen) == ([line("new")], [])
    await site.warehouse.write(version("3/0/0/1", names=["newer"]))
    assert site.view("north", "patient_names") == [line("newer")]
    assert len(site.view("north", "patient_seen")) == 1


async def test_a_policy_that_no_dataset_has_is_the_rows_fault(site: Site) -> None:
    with pytest.raises(Problem) as refused:
        await site.warehouse.write(replace(version("1/0/0/1"), policy="none"))
    assert (refused.value.code, refused.value.at) == (Code.ROW_REFUSED, "policy")


async def test_analysts_can_count_on_which_resources_a_view_failed(wire: OverTheWire) -> None:
    await wire.warehouse.write(version("1/0/0/1", names=["a", "b"]))
    await wire.warehouse.write(replace(version("1/0/0/1", broken=True), key=key(1)))
    await wire.warehouse.write(replace(tombstone("1/1/0/1"), key=key(2)))
    sql = "SELECT view_name, resources, view_rows, failed, tombstones FROM north_data.view_counts ORDER BY view_name"
    assert wire.embedded.rows(sql) == [("patient_names", 2, 2, 1, 1), ("patient_seen", 2, 2, 0, 1)]


async def test_a_failed_view_is_told_by_its_name_and_quotes_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    from shared.telemetry.logs import start_logging

    start_logging()
    await site.warehouse.write(version("1/0/0/1", surprising=True))
    told = capsys.readouterr().out
    assert '"message":"view failed"' in told
    assert '"view":"patient_seen"' in told
    assert "CANARY" not in told


# Created, changed, deleted, created anew, changed: as texts these sequences sort in another order.
LIFE = [
    version("9/0/f/1", names=["a", "b", "c"]),
    version("a/0/2/1", names=["d"]),
    tombstone("a/1/10/1"),
    version("10/0/0/1", names=["e", "f"]),
    version("11/0/0/1", names=["g", "h"], birthDate="1980"),
]


@pytest.mark.parametrize("life", [LIFE, [*LIFE[:3], tombstone("f/1/0/1"), version("9/0/0/2", names=["z"])]])
async def test_every_order_of_five_versions_ends_in_the_newest_ones_rows(site: Site, life: list[SafeRow]) -> None:
    async def live(number: int, order: tuple[SafeRow, ...]) -> None:
        for row in (*order, order[0]):
            await site.warehouse.write(replace(row, key=key(number)))

    orders = list(permutations(life))
    await asyncio.gather(*(live(number, order) for number, order in enumerate(orders)))
    assert len(orders) == 120
    rows = [line("g", "1980")[1], line("h", "1980")[1]] if life is LIFE else []
    assert site.view("north", "patient_names") == [(key(n), row) for n in range(120) for row in rows]


@pytest.mark.parametrize("seed", range(4))
async def test_injected_resets_lose_and_double_nothing(wire: OverTheWire, seed: int) -> None:
    random = Random(seed)
    wire.embedded.plant(*(random.choice([Fault.RESET_BEFORE, Fault.RESET_AFTER, None]) for _ in range(12)))
    waiting = [replace(version("1/0/0/1", names=["a", "b"]), key=key(n)) for n in range(40)]
    while waiting:  # as Pub/Sub does: what was not confirmed comes again
        ends = await asyncio.gather(*(wire.warehouse.write(row) for row in waiting), return_exceptions=True)
        assert {problem(end) for end in ends} <= {None, Code.WAREHOUSE_DOWN}
        waiting = [row for row, end in zip(waiting, ends, strict=True) if end is not None]
    assert wire.embedded.stats.resets > 0
    assert wire.view("north", "patient_names") == [(key(n), line(name)[1]) for n in range(40) for name in "ab"]
    assert wire.embedded.rows("SELECT COUNT(*), COUNT(DISTINCT key) FROM north_data.change_log") == [(40, 40)]


async def test_a_record_that_bigquery_refuses_is_the_views_failure_and_not_the_rows(wire: OverTheWire) -> None:
    surrogate = version("1/0/0/1", names=["a"], at="x" * 100)
    await wire.warehouse.write(surrogate)
    huge = version("2/0/0/1", names=["n" * 100_000] * 60)  # within a request as a resource, beyond it as rows
    await wire.warehouse.write(huge)
    assert wire.view("north", "patient_names") == []
    assert wire.embedded.rows("SELECT failed FROM north_data.view_patient_names") == [(True,)]
    assert wire.embedded.rows("SELECT sequence FROM north_data.resources") == [("2/0/0/1",)]


async def test_under_an_expert_policy_a_date_is_a_date() -> None:
    async with over_the_wire("expert") as wire:
        row = replace(version("1/0/0/1", names=["a"], birthDate="1970-02-03"), policy="expert")
        await wire.warehouse.write(row)
        sql = "SELECT born, EXTRACT(YEAR FROM born) FROM north_data.patient_names"
        assert [(str(born), year) for born, year in wire.embedded.rows(sql)] == [("1970-02-03", 1970)]
