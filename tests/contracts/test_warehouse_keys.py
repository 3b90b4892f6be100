"""The promises of the warehouse's keys, kept by the memory twin and by BigQuery's views over HTTP alike."""

import asyncio
from collections.abc import AsyncIterator
from copy import replace
from typing import Protocol

import pytest
import sqlglot
from sqlglot import exp

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.local.bigquery import Endpoints
from shared.local.bigquery import Warehouse as Embedded
from shared.local.bigquery.sql import BadSql
from shared.sinks import port
from shared.sinks.bigquery import BigQueryWarehouse, schema
from shared.sinks.keys import MOST_KEYS, BigQueryKeys, KeyRow, WarehouseKeys
from shared.sinks.memory_warehouse import MemoryWarehouse
from tests.rows import ROW

DATASETS = {("north", "k1"): "north_k1", ("north", "k2"): "north_k2", ("south", "k1"): "south_k1"}
PAGE = 1_000  # rows: the longer answers of these tests come in several


class Setting(Protocol):
    """A warehouse that is written, its keys, and a way to make it fail."""

    warehouse: port.Warehouse
    keys: WarehouseKeys

    async def go_down(self) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self._memory = MemoryWarehouse({"north", "south"}, {"k1", "k2"})
        self.warehouse: port.Warehouse = self._memory
        self.keys: WarehouseKeys = self._memory

    async def go_down(self) -> None:
        self._memory.fail([Problem(Code.WAREHOUSE_DOWN)] * 3)


class OverTheWire:
    def __init__(self, embedded: Embedded, endpoints: Endpoints) -> None:
        self.embedded, self.rest = embedded, endpoints.rest
        self.warehouse: port.Warehouse = BigQueryWarehouse("starvit", DATASETS, endpoints.grpc)
        self.keys: WarehouseKeys = BigQueryKeys("starvit", DATASETS, endpoints.rest, patience=8, page=PAGE)

    async def go_down(self) -> None:
        await self.embedded.stop(grace=0)


@pytest.fixture
async def wire() -> AsyncIterator[OverTheWire]:
    embedded = Embedded()
    for dataset in DATASETS.values():
        await embedded.provision(dataset)
    over_the_wire = OverTheWire(embedded, await embedded.start())
    yield over_the_wire
    await over_the_wire.keys.close()
    await over_the_wire.warehouse.close()
    await embedded.stop()
    embedded.close()


@pytest.fixture(params=["memory", "bigquery"])
def setting(request: pytest.FixtureRequest) -> Setting:
    if request.param == "memory":
        return InMemory()
    made: OverTheWire = request.getfixturevalue("wire")
    return made


def key(number: int) -> str:
    return f"{number:032x}"


def at(sequence: str, version: str, *, generation: int = 65536, deleted: bool = False) -> SafeRow:
    resource = None if deleted else ROW.resource
    row = replace(ROW, sequence=sequence, version=version, generation=generation)
    return replace(row, deleted=deleted, resource=resource)


def told(row: SafeRow) -> KeyRow:
    return KeyRow(**{name: getattr(row, name) for name in KeyRow.__struct_fields__})


async def test_each_key_is_told_once_in_its_newest_row_whatever_the_order(setting: Setting) -> None:
    first, second, third = at("9/0/f/1", "v1"), at("a/0/10/1", "v2"), at("10/0/0/1", "v3", generation=65537)
    other = replace(second, key=key(1))
    for row in (second, third, first, other, replace(first, key=other.key)):
        await setting.warehouse.write(row)
    found = await setting.keys.keys("north", "k1", "Patient")
    assert found == {third.key: told(third), other.key: told(other)}


async def test_a_tombstone_is_told_and_a_late_older_row_does_not_show(setting: Setting) -> None:
    tombstone = at("5/1/0/1", "gone", deleted=True)
    await setting.warehouse.write(tombstone)
    await setting.warehouse.write(at("4/0/0/1", "v1"))
    assert await setting.keys.keys("north", "k1", "Patient") == {tombstone.key: told(tombstone)}
    assert await setting.keys.types("north", "k1") == {"Patient"}


async def test_types_are_those_that_have_rows_and_each_is_asked_for_itself(setting: Setting) -> None:
    assert await setting.keys.types("north", "k1") == frozenset()
    observation = replace(ROW, resource_type="Observation", version="other")
    await setting.warehouse.write(ROW)
    await setting.warehouse.write(observation)
    assert await setting.keys.types("north", "k1") == {"Patient", "Observation"}
    assert await setting.keys.keys("north", "k1", "Observation") == {ROW.key: told(observation)}
    assert await setting.keys.keys("north", "k1", "Encounter") == {}
    assert await setting.keys.versions("north", "k1", "Observation", [ROW.key]) == {ROW.key: {"other"}}


async def test_the_versions_of_a_key_are_all_that_were_written_and_no_deletion(setting: Setting) -> None:
    life = [at("1/0/0/1", "v1"), at("2/0/0/1", "v2"), at("3/1/0/1", "gone", deleted=True), at("4/0/0/1", "v3")]
    again = at("2/0/0/2", "v2", generation=65537)
    for row in (*life, again, *life, replace(ROW, key=key(9))):
        await setting.warehouse.write(row)
    found = await setting.keys.versions("north", "k1", "Patient", [ROW.key, key(1)])
    assert found == {ROW.key: {"v1", "v2", "v3"}, key(1): frozenset()}


async def test_no_keys_have_no_versions(setting: Setting) -> None:
    await setting.warehouse.write(ROW)
    assert await setting.keys.versions("north", "k1", "Patient", []) == {}


async def test_rows_of_another_key_id_or_tenant_are_not_seen(setting: Setting) -> None:
    await setting.warehouse.write(replace(ROW, key_id="k2", key=key(2), version="of k2"))
    await setting.warehouse.write(replace(ROW, project="south", key=key(3), version="of south"))
    assert await setting.keys.types("north", "k1") == frozenset()
    assert await setting.keys.keys("north", "k1", "Patient") == {}
    assert await setting.keys.versions("north", "k1", "Patient", [key(2), key(3)]) == {key(2): set(), key(3): set()}
    assert set(await setting.keys.keys("north", "k2", "Patient")) == {key(2)}
    assert set(await setting.keys.keys("south", "k1", "Patient")) == {key(3)}


@pytest.mark.parametrize("unknown", [("west", "k1"), ("north", "k3")], ids=["tenant", "key id"])
async def test_who_has_no_dataset_is_refused(setting: Setting, unknown: tuple[str, str]) -> None:
    for asked in (
        setting.keys.types(*unknown),
        setting.keys.keys(*unknown, "Patient"),
        setting.keys.versions(*unknown, "Patient", [ROW.key]),
    ):
        with pytest.raises(Problem) as refused:
            await asked
        assert (refused.value.code, refused.value.at) == (Code.UNKNOWN_PROJECT, "project")


async def test_an_outage_is_never_an_empty_answer(setting: Setting) -> None:
    await setting.warehouse.write(ROW)
    await setting.go_down()
    ends = await asyncio.gather(
        setting.keys.types("north", "k1"),
        setting.keys.keys("north", "k1", "Patient"),
        setting.keys.versions("north", "k1", "Patient", [ROW.key]),
        return_exceptions=True,
    )
    assert [end.code for end in ends if isinstance(end, Problem)] == [Code.WAREHOUSE_DOWN] * 3


async def test_many_keys_come_whole_and_questions_may_be_asked_at_once(setting: Setting) -> None:
    rows = [replace(ROW, key=key(number), version=f"v{number}") for number in range(2_500)]
    await asyncio.gather(*(setting.warehouse.write(row) for row in rows))
    asked = [[row.key for row in rows[start : start + MOST_KEYS]] for start in range(0, len(rows), MOST_KEYS)]
    found, *versions = await asyncio.gather(
        setting.keys.keys("north", "k1", "Patient"),
        *(setting.keys.versions("north", "k1", "Patient", keys) for keys in asked),
    )
    assert found == {row.key: told(row) for row in rows}
    assert {k: v for part in versions for k, v in part.items()} == {row.key: {row.version} for row in rows}


async def test_more_keys_than_one_question_takes_are_refused(setting: Setting) -> None:
    with pytest.raises(ValueError, match="more keys"):
        await setting.keys.versions("north", "k1", "Patient", [key(number) for number in range(MOST_KEYS + 1)])


async def test_the_view_of_versions_has_each_once_with_its_greatest_generation(wire: OverTheWire) -> None:
    life = [at("1/0/0/1", "v1"), at("1/0/0/3", "v1", generation=65539), at("2/1/0/1", "gone", deleted=True)]
    for row in (*life, *life, at("1/0/0/2", "v1", generation=65538)):
        await wire.warehouse.write(row)
    found = wire.embedded.rows("SELECT * FROM `starvit.north_k1.versions` ORDER BY generation")
    assert found == [("Patient", ROW.key, "gone", 65536, True), ("Patient", ROW.key, "v1", 65539, False)]


@pytest.mark.parametrize(
    "name, columns",
    [
        ("keys", ["resource_type", "key", "sequence", "version", "generation", "deleted"]),
        ("versions", ["resource_type", "key", "version", "generation", "deleted"]),
    ],
)
async def test_a_view_of_keys_neither_shows_nor_reads_what_a_resource_says(
    wire: OverTheWire, name: str, columns: list[str]
) -> None:
    match schema.view(name, "starvit", "north_k1"):
        case {"view": {"query": str(query)}}:
            tree = sqlglot.parse_one(query, read="bigquery")
        case _:
            pytest.fail("no query")
    assert isinstance(tree, exp.Select)
    assert tree.named_selects == columns
    assert {column.name for column in tree.find_all(exp.Column)} == set(columns)
    assert not list(tree.find_all(exp.Star))
    assert wire.embedded.rows(f"SELECT {', '.join(columns)} FROM `starvit.north_k1.{name}`") == []
    with pytest.raises(BadSql):
        wire.embedded.rows(f"SELECT resource FROM `starvit.north_k1.{name}`")


async def test_a_refused_question_is_an_outage_that_repeats_nothing_of_the_answer(wire: OverTheWire) -> None:
    keys = BigQueryKeys("starvit", {("north", "k1"): "never_provisioned"}, wire.rest)
    with pytest.raises(Problem) as down:
        await keys.keys("north", "k1", "Patient")
    await keys.close()
    assert str(down.value) == "warehouse-down at BadRequest"


async def test_a_warehouse_that_takes_the_question_and_is_silent_is_an_outage() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    keys = BigQueryKeys("starvit", DATASETS, f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}", patience=0.2)
    async with silent, asyncio.timeout(10):
        with pytest.raises(Problem) as down:
            await keys.types("north", "k1")
        await keys.close()
    assert down.value.code is Code.WAREHOUSE_DOWN


async def test_without_an_identity_the_warehouse_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    keys = BigQueryKeys("starvit", DATASETS)
    with pytest.raises(Problem) as down:
        await keys.types("north", "k1")
    await keys.close()
    assert str(down.value) == "warehouse-down at DefaultCredentialsError"


@pytest.mark.parametrize(
    "project, dataset", [("star`vit", "north"), ("starvit", "north`; DROP"), ("", "north"), ("starvit", "")]
)
def test_what_can_not_be_a_name_never_stands_in_a_question(project: str, dataset: str) -> None:
    with pytest.raises(ValueError, match=r"^not the name of a project or dataset$"):
        BigQueryKeys(project, {("north", "k1"): dataset})
