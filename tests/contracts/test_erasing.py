"""What an erasure asks of a warehouse, kept by the memory twin and by BigQuery over HTTP alike."""

from collections.abc import AsyncIterator
from copy import replace
from typing import Protocol

import pytest

from shared.deid.row import LAST, SafeRow, erased
from shared.errors import Code, Problem
from shared.local.bigquery import Endpoints
from shared.local.bigquery import Warehouse as Embedded
from shared.sinks import port
from shared.sinks.bigquery import BigQueryWarehouse
from shared.sinks.changes import BigQueryChanges, Changes
from shared.sinks.erasing import BigQueryErasing, Erasing
from shared.sinks.keys import BigQueryKeys, WarehouseKeys
from shared.sinks.memory_warehouse import MemoryWarehouse
from tests.rows import ROW

DATASETS = {("north", "k1"): "north_k1", ("south", "k1"): "south_k1"}
NAME, OTHER = "a1" * 16, "b2" * 16
NEVER = "2999-01-01T00:00:00.000Z"
OF = ("north", "k1")


class Setting(Protocol):
    warehouse: port.Warehouse
    erasing: Erasing
    changes: Changes
    keys: WarehouseKeys

    async def go_down(self) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self._memory = MemoryWarehouse({"north", "south"}, {"k1"})
        self.warehouse: port.Warehouse = self._memory
        self.erasing: Erasing = self._memory
        self.changes: Changes = self._memory
        self.keys: WarehouseKeys = self._memory

    async def go_down(self) -> None:
        self._memory.fail([Problem(Code.WAREHOUSE_DOWN)] * 3)


class OverTheWire:
    def __init__(self, embedded: Embedded, endpoints: Endpoints) -> None:
        self._embedded = embedded
        self.warehouse: port.Warehouse = BigQueryWarehouse("starvit", DATASETS, endpoints.grpc)
        self.erasing: Erasing = BigQueryErasing("starvit", DATASETS, endpoints.rest, patience=3)
        self.changes: Changes = BigQueryChanges("starvit", DATASETS, endpoints.rest, patience=3, every=0.01)
        self.keys: WarehouseKeys = BigQueryKeys("starvit", DATASETS, endpoints.rest, patience=3)

    async def go_down(self) -> None:
        await self._embedded.stop(grace=0)


@pytest.fixture
async def wire() -> AsyncIterator[OverTheWire]:
    embedded = Embedded()
    for dataset in DATASETS.values():
        await embedded.provision(dataset)
    made = OverTheWire(embedded, await embedded.start())
    yield made
    for one in (made.erasing, made.changes, made.keys, made.warehouse):
        await one.close()
    await embedded.stop()
    embedded.close()


@pytest.fixture(params=["memory", "bigquery"])
def setting(request: pytest.FixtureRequest) -> Setting:
    if request.param == "memory":
        return InMemory()
    made: OverTheWire = request.getfixturevalue("wire")
    return made


def patient(name: str = NAME, number: int = 1) -> SafeRow:
    resource: dict[str, object] = {"resourceType": "Patient", "id": name, "gender": "female"}
    return replace(ROW, key=name, sequence=f"{number:014x}/0/0/0", resource=resource)


def condition(key: int, name: str = NAME, number: int = 1) -> SafeRow:
    reference = {"reference": f"Patient/{name}"}
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}
    resource: dict[str, object] = {"resourceType": "Condition", "id": f"{key:032x}", "subject": reference, "code": code}
    row = replace(ROW, resource_type="Condition", key=f"{key:032x}", sequence=f"{number:014x}/0/0/0")
    return replace(row, resource=resource)


async def test_all_that_is_or_names_the_patient_is_found_in_old_versions_too(setting: Setting) -> None:
    moved = [condition(3, NAME, 1), condition(3, OTHER, 2)]
    deleted = [condition(4), replace(condition(4, number=2), deleted=True, resource=None)]
    group = replace(condition(5), resource_type="Group")
    member: dict[str, object] = {"entity": {"reference": f"Patient/{NAME}"}}
    resource: dict[str, object] = {"resourceType": "Group", "member": [member]}
    group = replace(group, resource=resource)
    strange = [condition(6, OTHER), patient(OTHER), replace(condition(7), project="south")]
    for row in (patient(), condition(2), *moved, *deleted, group, *strange):
        await setting.warehouse.write(row)
    found = await setting.erasing.rows_of(*OF, NAME, NEVER)
    expected = {("Patient", NAME), *(("Condition", f"{key:032x}") for key in (2, 3, 4)), ("Group", f"{5:032x}")}
    assert set(found) == expected
    assert len(found) == len(expected)


async def test_a_patient_without_a_row_is_found_all_the_same_so_that_none_ever_gets_in(setting: Setting) -> None:
    assert list(await setting.erasing.rows_of(*OF, NAME, NEVER)) == [("Patient", NAME)]


async def test_an_erased_row_stays_erased_whatever_comes_and_its_log_is_empty_but_for_the_tombstone(
    setting: Setting,
) -> None:
    for row in (patient(), condition(2), condition(2, number=2), patient(OTHER), condition(6, OTHER)):
        await setting.warehouse.write(row)
    keys = [key for _, key in await setting.erasing.rows_of(*OF, NAME, NEVER)]
    before = await setting.erasing.remains(*OF, NAME, keys)
    assert (before["current_rows"], before["change_rows"]) == (2, 3)
    assert (before["view_patient"], before["view_condition"]) == (1, 1)
    for type, key in (("Patient", NAME), ("Condition", f"{2:032x}")):
        await setting.warehouse.write(erased(type, key, ROW))
    await setting.erasing.purge(*OF, keys)
    await setting.erasing.purge(*OF, keys)
    highest = "/".join(["fffffffffffffff0"] * 4)
    await setting.warehouse.write(replace(patient(), sequence=highest))
    after = await setting.erasing.remains(*OF, NAME, keys)
    assert {place: count for place, count in after.items() if count} == {"change_rows": 1}, (
        "the late one, in the log alone"
    )
    await setting.erasing.purge(*OF, keys)
    assert not any((await setting.erasing.remains(*OF, NAME, keys)).values())
    for key in keys:
        [left] = await setting.changes.history(*OF, key)
        assert (left.sequence, left.deleted, left.resource) == (LAST, True, None)
    others = [OTHER, f"{6:032x}"]
    kept = await setting.erasing.remains(*OF, OTHER, others)
    assert {kept[place] for place in ("current_rows", "change_rows")} == {2}
    assert {kept[place] for place in ("view_patient", "view_condition")} == {1}


async def test_what_says_the_pseudonym_is_counted_even_where_no_key_is_known(setting: Setting) -> None:
    for row in (patient(), condition(2)):
        await setting.warehouse.write(row)
    counts = await setting.erasing.remains(*OF, NAME, [])
    assert (counts["current_rows"], counts["change_rows"], counts["view_condition"]) == (2, 2, 1)


async def test_what_an_order_has_erased_is_found_again_by_its_time(setting: Setting) -> None:
    await setting.warehouse.write(erased("Condition", f"{2:032x}", ROW))
    found = await setting.erasing.rows_of(*OF, NAME, "2020-01-01T00:00:00.000Z")
    assert list(found) == [("Condition", f"{2:032x}"), ("Patient", NAME)]


async def test_reconcile_is_told_that_a_key_was_erased(setting: Setting) -> None:
    await setting.warehouse.write(condition(2))
    await setting.warehouse.write(erased("Condition", f"{2:032x}", ROW))
    await setting.erasing.purge(*OF, [f"{2:032x}"])
    row = (await setting.keys.keys(*OF, "Condition"))[f"{2:032x}"]
    assert (row.sequence, row.deleted) == (LAST, True)
    versions = await setting.keys.versions(*OF, "Condition", [f"{2:032x}", f"{3:032x}"])
    assert versions == {f"{2:032x}": {"0" * 32}, f"{3:032x}": frozenset()}


async def test_a_dataset_that_nobody_has_is_refused_and_an_outage_is_no_empty_answer(setting: Setting) -> None:
    for stranger in (("west", "k1"), ("north", "k9")):
        with pytest.raises(Problem) as refused:
            await setting.erasing.rows_of(*stranger, NAME, NEVER)
        assert refused.value.code is Code.UNKNOWN_PROJECT
    await setting.go_down()
    for call in (
        lambda: setting.erasing.rows_of(*OF, NAME, NEVER),
        lambda: setting.erasing.remains(*OF, NAME, [NAME]),
        lambda: setting.erasing.purge(*OF, [NAME]),
    ):
        with pytest.raises(Problem) as down:
            await call()
        assert down.value.code is Code.WAREHOUSE_DOWN
