"""Tables that grow and never shrink: what is planned, what is refused, and that no row is lost on the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy, replace
from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from shared.errors import Code, Problem
from shared.local.bigquery import Endpoints, Warehouse
from shared.sinks.bigquery import BigQueryWarehouse, schema, view_tables
from shared.sinks.bigquery.evolution import Change, Kind, apply, find, plan
from shared.views import View, ViewColumn
from tests.rows import ROW
from tests.views import NAMES

GROWN = replace(NAMES, columns=(*NAMES.columns, ViewColumn("nick", "nick", "string", description="A nickname.")))
OLD: list[Any] = view_tables.dataset("starvit", "north_data", "safe-harbor", (NAMES,))
NEW: list[Any] = view_tables.dataset("starvit", "north_data", "safe-harbor", (GROWN,))


def found(resources: list[Any]) -> dict[str, Any]:
    return {resource["tableReference"]["tableId"]: resource for resource in resources}


def kinds(changes: list[Change]) -> dict[str, Kind]:
    return {change.name: change.kind for change in changes if change.kind is not Kind.UP_TO_DATE}


@contextmanager
def changed(name: str) -> Iterator[dict[str, Any]]:
    """A table of the old dataset, to be changed within."""
    yield deepcopy(found(OLD)[name])


def test_an_empty_dataset_is_given_everything_and_then_nothing_is_left_to_do() -> None:
    assert {change.kind for change in plan(OLD, {})} == {Kind.CREATE}
    assert {change.kind for change in plan(OLD, found(OLD))} == {Kind.UP_TO_DATE}


def test_a_view_with_a_new_column_gets_it_in_its_record_and_in_its_query() -> None:
    changes = plan(NEW, found(OLD))
    assert kinds(changes) == {"view_patient_names": Kind.ALTER, "patient_names": Kind.REPLACE_QUERY}
    assert next(c for c in changes if c.kind is Kind.ALTER).steps == ("adds rows.nick STRING",)


def a_field(resource: dict[str, Any], name: str) -> dict[str, Any]:
    field: dict[str, Any] = next(f for f in resource["schema"]["fields"] if f["name"] == name)
    return field


def _retype(wanted: dict[str, Any]) -> None:
    a_field(wanted, "generation")["type"] = "STRING"


def _retype_within(wanted: dict[str, Any]) -> None:
    a_field(wanted, "rows")["fields"][0]["type"] = "INTEGER"


def _remove(wanted: dict[str, Any]) -> None:
    wanted["schema"]["fields"].pop(0)


def _tighten(wanted: dict[str, Any]) -> None:
    a_field(wanted, "rows")["fields"][0]["mode"] = "REQUIRED"


def _repeat(wanted: dict[str, Any]) -> None:
    a_field(wanted, "policy")["mode"] = "REPEATED"


def _require(wanted: dict[str, Any]) -> None:
    wanted["schema"]["fields"].append({"name": "new", "type": "STRING", "mode": "REQUIRED"})


def _rekey(wanted: dict[str, Any]) -> None:
    wanted["tableConstraints"]["primaryKey"]["columns"] = ["key", "generation"]


def _recluster(wanted: dict[str, Any]) -> None:
    wanted["clustering"]["fields"] = ["generation"]


def _reserve(wanted: dict[str, Any]) -> None:
    wanted["schema"]["fields"].append({"name": "_change_type", "type": "STRING", "mode": "NULLABLE"})


@pytest.mark.parametrize(
    "change, why",
    [
        (_retype, "generation is INTEGER, not STRING"),
        (_retype_within, "rows.id is STRING, not INTEGER"),
        (_remove, "key is there and not wanted"),
        (_tighten, "rows.id is NULLABLE, not REQUIRED"),
        (_repeat, "policy is REQUIRED, not REPEATED"),
        (_require, "new is new and required"),
        (_rekey, "another primary key"),
        (_recluster, "another clustering"),
        (_reserve, "_change_type is a name that BigQuery keeps for itself"),
    ],
)
def test_what_would_need_a_migration_is_refused_and_says_which(
    change: Callable[[dict[str, Any]], None], why: str
) -> None:
    with changed("view_patient_names") as wanted:
        change(wanted)
    [refused] = plan([wanted], found(OLD))
    assert refused.kind is Kind.REFUSED
    assert any(step.startswith(f"{why}: make a new dataset") for step in refused.steps)


def test_a_column_may_be_relaxed_and_described_and_the_names_of_types_do_not_matter() -> None:
    with changed("current_rows") as wanted:
        a_field(wanted, "policy")["mode"] = "NULLABLE"
        a_field(wanted, "key")["description"] = "Another text."
        a_field(wanted, "generation")["type"] = "INT64"
    [change] = plan([wanted], found(OLD))
    assert (change.kind, change.steps) == (Kind.ALTER, ("lets policy be null", "describes key"))


def test_another_policy_is_another_dataset() -> None:
    expert: list[Any] = view_tables.dataset("starvit", "north_data", "expert", (NAMES,))
    assert kinds(plan(expert, found(OLD)))["view_patient_names"] is Kind.REFUSED


def test_nothing_is_done_of_a_plan_that_is_refused_in_part() -> None:
    with changed("current_rows") as wanted:
        _remove(wanted)
    with pytest.raises(ValueError, match="current_rows"):
        apply(None, plan([*NEW, wanted], found(OLD)))  # not even asked


@pytest.fixture
async def embedded() -> AsyncIterator[tuple[Warehouse, Endpoints]]:
    warehouse = Warehouse()
    yield warehouse, await warehouse.start()
    await warehouse.stop()
    warehouse.close()


async def provision(endpoints: Endpoints, wanted: list[Any]) -> list[Change]:
    """As `./dev provision --apply` does; the changes that were made."""

    def run() -> list[Change]:
        options = ClientOptions(api_endpoint=endpoints.rest)
        with bigquery.Client("starvit", AnonymousCredentials(), client_options=options) as client:
            client.create_dataset("north_data", exists_ok=True)
            changes = plan(wanted, find(client, "starvit", "north_data"))
            apply(client, changes)
            assert kinds(plan(wanted, find(client, "starvit", "north_data"))) == {}
            return changes

    return await asyncio.to_thread(run)


def sink(endpoints: Endpoints, view: View) -> BigQueryWarehouse:
    return BigQueryWarehouse("starvit", {("north", "k1"): "north_data"}, endpoints.grpc, views=lambda _: [view])


def patient(number: int) -> Any:
    resource: dict[str, object] = {"resourceType": "Patient", "names": ["a", "b"], "birthDate": "1970"}
    return replace(ROW, key=f"{number:032x}", resource=resource)


async def test_a_dataset_grows_under_writers_of_both_shapes_and_loses_nothing(
    embedded: tuple[Warehouse, Endpoints],
) -> None:
    warehouse, endpoints = embedded
    await provision(endpoints, OLD)
    old = sink(endpoints, NAMES)
    new = sink(endpoints, replace(GROWN, rows=lambda r: [row | {"nick": "x"} for row in NAMES.rows(r)]))
    await old.write(patient(1))
    with pytest.raises(Problem) as early:  # the newer writer came before the column: its rows wait
        await new.write(patient(2))
    assert early.value.code is Code.WAREHOUSE_DOWN
    assert early.value.at == "view_patient_names SCHEMA_MISMATCH_EXTRA_FIELDS"
    assert kinds(await provision(endpoints, NEW)) == {
        "view_patient_names": Kind.ALTER,
        "patient_names": Kind.REPLACE_QUERY,
    }
    await new.write(patient(2))
    await old.write(patient(3))  # on a stream that was opened before the table grew
    await asyncio.gather(old.close(), new.close())
    rows = warehouse.rows("SELECT _key, name, nick FROM north_data.patient_names ORDER BY _key, name")
    assert [(key[-1], name, nick) for key, name, nick in rows] == [
        *[("1", "a", None), ("1", "b", None), ("2", "a", "x"), ("2", "b", "x"), ("3", "a", None), ("3", "b", None)]
    ]
    assert warehouse.rows("SELECT COUNT(*) FROM north_data.resources") == [(3,)]


async def test_provisioning_twice_changes_nothing(embedded: tuple[Warehouse, Endpoints]) -> None:
    assert {change.kind for change in await provision(embedded[1], OLD)} == {Kind.CREATE}
    assert kinds(await provision(embedded[1], OLD)) == {}


@pytest.mark.parametrize("change", [_retype, _remove, _tighten, _repeat, _require, _rekey])
async def test_the_server_refuses_what_the_plan_would(
    embedded: tuple[Warehouse, Endpoints], change: Callable[[dict[str, Any]], None]
) -> None:
    await provision(embedded[1], OLD)
    with changed("view_patient_names") as wanted:
        change(wanted)

    def patch() -> None:
        options = ClientOptions(api_endpoint=embedded[1].rest)
        with bigquery.Client("starvit", AnonymousCredentials(), client_options=options) as client:
            client.update_table(bigquery.Table.from_api_repr(wanted), ["schema", "table_constraints"])

    with pytest.raises(BadRequest):
        await asyncio.to_thread(patch)


def test_the_shipped_views_fit_beside_the_tables_and_each_column_is_described() -> None:
    resources: list[Any] = view_tables.dataset("starvit", "north_data", "safe-harbor")
    names = [resource["tableReference"]["tableId"] for resource in resources]
    assert len(names) == len(set(names))
    assert set(schema.TABLES) | set(schema.VIEWS) <= set(names)
    assert all(resource["description"] for resource in resources)
    for resource in resources:
        assert all(
            field["description"] for field in json.loads(json.dumps(resource.get("schema", {"fields": []})))["fields"]
        )
