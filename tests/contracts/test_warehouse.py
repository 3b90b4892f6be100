"""The warehouse port's promises, kept by the memory twin and by BigQuery's sink on the embedded warehouse alike."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from copy import replace
from itertools import permutations
from typing import Protocol

import pytest

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.local.bigquery import Fault
from shared.local.bigquery import Warehouse as Embedded
from shared.sinks import port
from shared.sinks.bigquery import BigQueryWarehouse
from shared.sinks.bigquery.rows import MAX_ROW
from shared.sinks.memory_warehouse import MemoryWarehouse
from shared.views import by_type
from tests.rows import ROW

type Seen = list[tuple[str, str, str | None]]  # key, sequence, the resource's text

DATASETS = {"north": "north_data", "south": "south_data"}
SOME = replace(ROW, sequence="64f0a1b2c3d4e/0/5e/10000")


class Setting(Protocol):
    """A warehouse, what analysts see of it, and a way to make it fail."""

    warehouse: port.Warehouse

    def resources(self, project: str) -> Seen: ...
    def change_log(self, project: str) -> Seen: ...
    async def go_down(self) -> None: ...
    async def come_back(self) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self._memory = MemoryWarehouse(DATASETS)
        self.warehouse: port.Warehouse = self._memory

    def resources(self, project: str) -> Seen:
        return _seen(self._memory.resources(project))

    def change_log(self, project: str) -> Seen:
        return _seen(self._memory.change_log(project))

    async def go_down(self) -> None:
        self._memory.fail([Problem(Code.WAREHOUSE_DOWN)])

    async def come_back(self) -> None:
        """It was down for one write only."""


class OverTheWire:
    def __init__(self, embedded: Embedded, endpoint: str) -> None:
        self.embedded, self._endpoint = embedded, endpoint
        self.warehouse: port.Warehouse = BigQueryWarehouse(
            "starvit", {(name, "k1"): dataset for name, dataset in DATASETS.items()}, endpoint
        )

    def resources(self, project: str) -> Seen:
        return self._view(project, "resources")

    def change_log(self, project: str) -> Seen:
        return self._view(project, "change_log")

    async def go_down(self) -> None:
        await self.embedded.stop(grace=0)

    async def come_back(self) -> None:
        await self.embedded.start(grpc_port=int(self._endpoint.rpartition(":")[2]))

    def _view(self, project: str, view: str) -> Seen:
        found = self.embedded.rows(f"SELECT key, sequence, resource FROM `starvit.{DATASETS[project]}.{view}`")
        return sorted((key, sequence, _text(json.loads(text) if text else None)) for key, sequence, text in found)


@pytest.fixture(params=["memory", "bigquery"])
async def setting(request: pytest.FixtureRequest) -> AsyncIterator[Setting]:
    if request.param == "memory":
        yield InMemory()
        return
    embedded = Embedded()
    for dataset in DATASETS.values():
        await embedded.provision(dataset)
    over_the_wire = OverTheWire(embedded, (await embedded.start()).grpc)
    yield over_the_wire
    await over_the_wire.warehouse.close()
    await embedded.stop()
    embedded.close()


@pytest.fixture
async def wire() -> AsyncIterator[OverTheWire]:
    embedded = Embedded()
    await embedded.provision(DATASETS["north"])
    over_the_wire = OverTheWire(embedded, (await embedded.start()).grpc)
    yield over_the_wire
    await over_the_wire.warehouse.close()
    await embedded.stop()
    embedded.close()


def _text(resource: dict[str, object] | None) -> str | None:
    return None if resource is None else json.dumps(resource, sort_keys=True)


def _seen(rows: Iterable[SafeRow]) -> Seen:
    return sorted((row.key, row.sequence, _text(row.resource)) for row in rows)


def key(number: int) -> str:
    return f"{number:032x}"


def at(sequence: str, *, deleted: bool = False, row: SafeRow = SOME) -> SafeRow:
    resource: dict[str, object] | None = None if deleted else {"resourceType": "Patient", "at": sequence}
    return replace(row, sequence=sequence, deleted=deleted, resource=resource)


def problem(end: object) -> Code | None:
    return end.code if isinstance(end, Problem) else None


# A resource is created, changed, deleted and created anew. As texts, these sequences sort in another order.
LIFE = [at("9/0/f/1"), at("a/0/2/1"), at("a/0/10/1"), at("a/1/10/1", deleted=True), at("10/0/0/1")]


async def in_every_order(warehouse: port.Warehouse, life: list[SafeRow]) -> int:
    """Each order of the versions on a key of its own, every version once more later, all keys at once."""

    async def live(number: int, order: tuple[SafeRow, ...]) -> None:
        for row in (*order, *order[::2], order[0]):
            await warehouse.write(replace(row, key=key(number)))

    orders = list(permutations(life))
    await asyncio.gather(*(live(number, order) for number, order in enumerate(orders)))
    return len(orders)


async def test_every_order_of_five_versions_ends_in_the_newest_one(setting: Setting) -> None:
    count = await in_every_order(setting.warehouse, LIFE)
    assert count == 120
    assert setting.resources("north") == [(key(n), "10/0/0/1", _text(LIFE[-1].resource)) for n in range(count)]
    assert setting.change_log("north") == sorted(
        (key(n), row.sequence, _text(row.resource)) for n in range(count) for row in LIFE
    )


async def test_every_order_that_ends_in_a_deletion_leaves_a_tombstone_that_the_view_hides(setting: Setting) -> None:
    life = [*LIFE[:4], at("8/0/0/1")]
    count = await in_every_order(setting.warehouse, life)
    assert setting.resources("north") == []
    log = setting.change_log("north")
    assert len(log) == 5 * count
    assert [sequence for _, sequence, resource in log if resource is None] == ["a/1/10/1"] * count


async def test_a_repeat_changes_nothing(setting: Setting) -> None:
    for _ in range(3):
        await setting.warehouse.write(SOME)
    expected = [(SOME.key, SOME.sequence, _text(SOME.resource))]
    assert setting.resources("north") == setting.change_log("north") == expected


async def test_an_older_version_that_comes_late_does_not_win_over_a_deletion(setting: Setting) -> None:
    await setting.warehouse.write(at("5/1/0/1", deleted=True))
    await setting.warehouse.write(at("4/0/0/1"))
    assert setting.resources("north") == []


async def test_the_same_key_of_two_types_is_two_resources(setting: Setting) -> None:
    await setting.warehouse.write(SOME)
    await setting.warehouse.write(replace(SOME, resource_type="Observation"))
    assert len(setting.resources("north")) == 2


async def test_tenants_do_not_see_each_other(setting: Setting) -> None:
    await setting.warehouse.write(SOME)
    await setting.warehouse.write(at("1/0/0/1", deleted=True, row=replace(SOME, project="south")))
    assert len(setting.resources("north")) == 1
    assert setting.resources("south") == []
    assert len(setting.change_log("south")) == 1


async def test_a_tenant_without_a_dataset_is_refused(setting: Setting) -> None:
    with pytest.raises(Problem) as refused:
        await setting.warehouse.write(replace(SOME, project="west"))
    assert refused.value.code is Code.UNKNOWN_PROJECT


@pytest.mark.parametrize(
    "bad, place",
    [
        (replace(SOME, resource={"text": "x" * MAX_ROW}), "resource"),
        (replace(SOME, resource={"text": "\ud800"}), "resource"),
        (replace(SOME, sequence="now"), "sequence"),
        (replace(SOME, deleted=True), "deleted"),
    ],
    ids=["too large", "no unicode", "no sequence", "a tombstone with a body"],
)
async def test_a_bad_row_gets_its_own_error_and_its_neighbours_pass(setting: Setting, bad: SafeRow, place: str) -> None:
    good = [replace(SOME, key=key(n)) for n in range(1, 6)]
    ends = await asyncio.gather(
        *(setting.warehouse.write(row) for row in [*good[:3], bad, *good[3:]]), return_exceptions=True
    )
    assert [problem(end) for end in ends] == [None, None, None, Code.ROW_REFUSED, None, None]
    assert isinstance(ends[3], Problem)
    assert ends[3].at == place
    assert [seen[0] for seen in setting.resources("north")] == [row.key for row in good]


async def test_what_can_not_be_reached_says_so_and_works_again_later(setting: Setting) -> None:
    await setting.warehouse.write(at("1/0/0/1"))
    await setting.go_down()
    with pytest.raises(Problem) as down:
        await setting.warehouse.write(at("2/0/0/1"))
    assert down.value.code is Code.WAREHOUSE_DOWN
    await setting.come_back()
    await _until_written(setting.warehouse, at("3/0/0/1"))
    assert setting.resources("north") == [(SOME.key, "3/0/0/1", _text(at("3/0/0/1").resource))]


async def _until_written(warehouse: port.Warehouse, row: SafeRow) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                return await warehouse.write(row)
            except Problem as again:
                assert again.code is Code.WAREHOUSE_DOWN  # noqa: PT017 - the loop is the point
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
async def test_a_stream_that_is_reset_under_way_loses_nothing_and_shows_nothing_twice(
    wire: OverTheWire, fault: Fault
) -> None:
    wire.embedded.plant(fault, fault)
    rows = [replace(SOME, key=key(n)) for n in range(50)]
    await asyncio.gather(*(wire.warehouse.write(row) for row in rows))
    assert wire.embedded.stats.resets == 2
    assert wire.resources("north") == wire.change_log("north") == _seen(rows)


async def test_a_stream_that_is_reset_twice_is_left_to_the_next_delivery(wire: OverTheWire) -> None:
    wire.embedded.plant(*[Fault.RESET_BEFORE] * 4)
    with pytest.raises(Problem) as down:
        await wire.warehouse.write(SOME)
    assert down.value.code is Code.WAREHOUSE_DOWN
    await wire.warehouse.write(SOME)
    assert len(wire.resources("north")) == 1


async def test_writes_that_are_under_way_together_share_requests(wire: OverTheWire) -> None:
    await asyncio.gather(*(wire.warehouse.write(replace(SOME, key=key(n))) for n in range(500)))
    tables = 2 + len(by_type("Patient"))
    assert wire.embedded.stats.rows == 500 * tables
    assert wire.embedded.stats.requests <= 4 * tables
    assert wire.embedded.stats.streams == tables
