"""The promises of the change log, kept by the memory twin and by BigQuery over HTTP alike."""

import asyncio
from collections.abc import AsyncIterator
from copy import replace
from typing import Any, Protocol

import pytest

from shared.errors import Code, Problem
from shared.local.bigquery import Warehouse as Embedded
from shared.sinks import port
from shared.sinks.bigquery import BigQueryWarehouse
from shared.sinks.changes import DEPTH, BigQueryChanges, Change, Changes
from shared.sinks.memory_warehouse import MemoryWarehouse
from tests.rows import ROW
from tests.simulation.loop import VirtualLoop

DATASETS = {("north", "k1"): "north_k1", ("south", "k1"): "south_k1"}


class Setting(Protocol):
    warehouse: port.Warehouse
    changes: Changes

    async def go_down(self) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self._memory = MemoryWarehouse({"north", "south"}, {"k1"})
        self.warehouse: port.Warehouse = self._memory
        self.changes: Changes = self._memory

    async def go_down(self) -> None:
        self._memory.fail([Problem(Code.WAREHOUSE_DOWN)] * 2)


class OverTheWire:
    def __init__(self, embedded: Embedded, grpc: str, rest: str) -> None:
        self.embedded = embedded
        self.warehouse: port.Warehouse = BigQueryWarehouse("starvit", DATASETS, grpc)
        self.changes: Changes = BigQueryChanges("starvit", DATASETS, rest, patience=3, every=0.01, page=40)

    async def go_down(self) -> None:
        await self.embedded.stop(grace=0)


@pytest.fixture
async def wire() -> AsyncIterator[OverTheWire]:
    embedded = Embedded()
    for dataset in DATASETS.values():
        await embedded.provision(dataset)
    endpoints = await embedded.start()
    made = OverTheWire(embedded, endpoints.grpc, endpoints.rest)
    yield made
    await made.changes.close()
    await made.warehouse.close()
    await embedded.stop()
    embedded.close()


@pytest.fixture(params=["memory", "bigquery"])
def setting(request: pytest.FixtureRequest) -> Setting:
    if request.param == "memory":
        return InMemory()
    made: OverTheWire = request.getfixturevalue("wire")
    return made


def at(number: int, key: int = 0, **changed: Any) -> Any:
    return replace(ROW, sequence=f"{number:014x}/0/{0:016x}/{65536:012x}", key=f"{key:032x}", **changed)


def told(row: Any) -> Change:
    return Change(row.resource_type, row.key, row.sequence, row.deleted, row.resource)


async def everything(changes: Changes, project: str = "north") -> list[Change]:
    return [change async for page in changes.everything(project, "k1") for change in page]


async def test_a_history_has_each_version_once_deletions_included(setting: Setting) -> None:
    life = [at(1), at(2, resource={"resourceType": "Patient", "gender": "male"}), at(3, deleted=True, resource=None)]
    for row in (*life, *life, at(9, key=1)):
        await setting.warehouse.write(row)
    found = await setting.changes.history("north", "k1", life[0].key)
    assert sorted(found, key=lambda change: change.sequence) == [told(row) for row in life]
    assert await setting.changes.history("north", "k1", "f" * 32) in ([], ())


async def test_of_a_long_history_the_newest_are_told(setting: Setting) -> None:
    await asyncio.gather(*(setting.warehouse.write(at(number)) for number in range(DEPTH + 5)))
    found = await setting.changes.history("north", "k1", at(0).key)
    assert {change.sequence for change in found} == {at(number).sequence for number in range(5, DEPTH + 5)}


async def test_everything_is_the_newest_of_each_row_in_pages_without_the_deleted(setting: Setting) -> None:
    rows = [at(2, key=number) for number in range(100)]
    await asyncio.gather(*(setting.warehouse.write(row) for row in rows))
    await setting.warehouse.write(at(1, key=5))
    await setting.warehouse.write(at(3, key=7, deleted=True, resource=None))
    found = await everything(setting.changes)
    assert sorted(change.key for change in found) == sorted(row.key for row in rows if row.key != at(0, key=7).key)
    assert {change.sequence for change in found} == {at(2).sequence}


async def test_another_tenants_rows_are_not_seen_and_who_has_no_dataset_is_refused(setting: Setting) -> None:
    await setting.warehouse.write(at(1, project="south"))
    assert not await setting.changes.history("north", "k1", at(1).key)
    assert not await everything(setting.changes)
    for asked in (setting.changes.history("west", "k1", "f" * 32), everything(setting.changes, "west")):
        with pytest.raises(Problem) as refused:
            await asked
        assert str(refused.value) == "unknown-project at project"


async def test_an_outage_is_never_an_empty_answer(setting: Setting) -> None:
    await setting.warehouse.write(at(1))
    await setting.go_down()
    asked = (setting.changes.history("north", "k1", at(1).key), everything(setting.changes))
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert [end.code for end in ends if isinstance(end, Problem)] == [Code.WAREHOUSE_DOWN] * 2


def test_however_many_ask_there_is_one_query_a_second_and_all_share_it() -> None:
    asked: list[tuple[float, int]] = []

    async def day() -> None:
        changes = BigQueryChanges("starvit", DATASETS)

        async def ask(sql: str, given: Any, read: Any) -> Any:
            asked.append((asyncio.get_running_loop().time(), len(given["keys"])))
            await asyncio.sleep(0.3)
            return {key: [told(at(1))] for key in given["keys"]}

        changes._queries.ask = ask  # type: ignore[method-assign]

        async def one(number: int) -> None:
            await asyncio.sleep(number / 100)
            assert await changes.history("north", "k1", f"{number % 90:032x}")

        await asyncio.gather(*(one(number) for number in range(300)))
        await changes.close()

    VirtualLoop().run(day())
    assert [round(when, 2) for when, _ in asked] == [0.0, 1.0, 2.0, 3.0]
    assert asked[0][1] == 1, "who is alone does not wait"
    assert all(keys == 90 for _, keys in asked[1:]), "a key that two ask for is asked for once"
