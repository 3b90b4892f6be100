"""Several datasets of a tenant: each version is a row in each, under its own policy and key, and nothing joins two of them.

That is how a key is rotated (blue and green): the next key's dataset is written too, then read instead, and the old dropped.
"""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.analytics import analyse
from handlers.deid import deidentify
from shared.deid.door import open_doors
from shared.deid.row import from_event
from shared.effects import Publish
from shared.errors import Code, End, Problem
from shared.events.data import Deidentified, Validated
from shared.local.bigquery import Warehouse
from shared.phi import Phi
from shared.settings import Tenant
from shared.sinks.bigquery import BigQueryWarehouse
from shared.startup import refusals
from shared.tenancy import ByProject
from tests.handlers.test_decisions import ERASURES, IDS, PATIENT, REFERENCE, event
from tests.tenant import PROJECT, PSEUDONYM_KEY, settings, tenant_json

GREEN = {"dataset": "clinic_green", "policy": "expert", "pseudonym_key": "a7" * 32, "key_id": "k2"}


def _tenant(*also: dict[str, Any]) -> Tenant:
    return Tenant.model_validate(tenant_json() | {"also": also})


async def _rows() -> list[Publish]:
    doors = ByProject({PROJECT: open_doors(_tenant(GREEN))})
    effects = await deidentify(
        event(Validated(**REFERENCE, op="write")), Phi(PATIENT), doors=doors, ids=IDS, prose=None, erasures=ERASURES
    )
    return [effect for effect in effects if isinstance(effect, Publish)]


async def test_a_version_becomes_a_row_of_each_dataset_and_no_identifier_is_in_both() -> None:
    blue, green = await _rows()
    assert isinstance(blue.data, Deidentified)
    assert isinstance(green.data, Deidentified)
    assert (blue.data.policy, blue.data.key_id) == ("safe-harbor", "k1")
    assert (green.data.policy, green.data.key_id) == ("expert", "k2")
    for own in ("id", "correlation", "ordering_key"):
        assert getattr(blue, own) != getattr(green, own)
    for own in ("key", "version", "sequence", "policy_hash"):
        assert getattr(blue.data, own) != getattr(green.data, own)
    assert blue.data.key not in json.dumps(green.data.model_dump(mode="json"))


async def test_each_row_goes_to_the_dataset_of_its_key() -> None:
    embedded = Warehouse()
    endpoints = await embedded.start()
    datasets = {("clinic", "k1"): "clinic_blue", ("clinic", "k2"): "clinic_green"}
    sink = BigQueryWarehouse("starvit", datasets, endpoints.grpc)
    try:
        for dataset, policy in (("clinic_blue", "safe-harbor"), ("clinic_green", "expert")):
            await embedded.provision(dataset, policy)
        for publish in await _rows():
            assert isinstance(publish.data, Deidentified)
            await sink.write(from_event(publish.data))
        for (_, key_id), dataset in datasets.items():
            assert embedded.rows(f"SELECT key_id FROM `starvit.{dataset}.resources`") == [(key_id,)]
    finally:
        await sink.close()
        await embedded.stop()
        embedded.close()


async def test_a_row_of_a_dataset_that_was_dropped_is_set_aside() -> None:
    blue, _ = await _rows()
    assert isinstance(blue.data, Deidentified)
    with pytest.raises(Problem) as raised:
        await analyse(event(blue.data), None, releases={("clinic", "k2")}, outgoing={})
    assert raised.value.code is Code.UNKNOWN_PROJECT


@pytest.mark.parametrize(
    "shared_part",
    [{"key_id": "k1"}, {"pseudonym_key": PSEUDONYM_KEY}, {"dataset": "clinic"}],
    ids=lambda part: next(iter(part)),
)
def test_two_datasets_share_no_key_no_name_and_no_place(shared_part: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings(tenants=(_tenant(GREEN | shared_part),))


def test_a_dataset_without_a_key_stops_the_start_where_keys_are_needed() -> None:
    without = {name: value for name, value in GREEN.items() if name != "pseudonym_key"}
    [reason] = refusals(settings(tenants=(_tenant(without),)), {})
    assert reason == "tenant clinic: also pseudonym_key is missing"


def test_an_event_of_a_newer_policy_waits_for_an_instance_that_has_it() -> None:
    [door] = open_doors(Tenant.model_validate(tenant_json("clinical")))
    newer = Validated(
        project=PROJECT,
        type="Patient",
        id="p",
        version="v",
        last_updated="2026-11-24T07:00:00Z",
        generation=2 << 16,
        op="delete",
    )
    with pytest.raises(Problem) as behind:
        door.row(newer, None)
    assert (behind.value.code, behind.value.code.end) == (Code.POLICY_BEHIND, End.TRY_AGAIN)
    assert door.row(newer.model_copy(update={"generation": 1 << 16}), None).deleted
