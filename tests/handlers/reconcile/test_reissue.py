"""A policy or a view changed: the dataset is issued anew under the next epoch, and no query meets a gap or a double.

    Medplum ─► backfill ─► fhir.changed ─► the new doors ─► the new views' sink ─┐
                                           the old doors ─► the old views' sink ─┴► embedded BigQuery ◄─ an analyst, all the time

Real: the sweep, the doors, the sinks over gRPC, the keys over REST, the published views in GoogleSQL. An old instance
that still runs, and old messages that come late, are part of it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from handlers.reconcile.publish import Events
from handlers.reconcile.rounds import Rounds
from handlers.reconcile.sweep import Sweep
from shared.deid.door import Door, open_doors
from shared.deid.row import SafeRow
from shared.errors import Problem
from shared.events.data import Changed, Validated
from shared.local.bigquery import Warehouse
from shared.sinks.bigquery import BigQueryWarehouse
from shared.sinks.keys import BigQueryKeys
from shared.views import View, by_type
from tests.handlers.reconcile.site import Site
from tests.views import with_rows

OLD, NEW = 1, 2
DATASET = "clinic0"
COUNT = 24
TEN_TIMES = 10  # what the changed view makes of a value: a new unit, say

Seen = dict[str, list[tuple[int, float]]]


def changed_views(type: str) -> Sequence[View]:
    """The shipped views, one of them with another opinion of a value."""
    return [_remade(view) if view.name == "observation_component" else view for view in by_type(type)]


def _remade(view: View) -> View:
    def rows(resource: Any) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = view.rows(resource)
        return [row | {"value": row["value"] * TEN_TIMES} for row in made]

    return with_rows(view, rows)


class House:
    """One clinic, two instances of the service: of the release before, and of today's."""

    def __init__(self, embedded: Warehouse, grpc: str, rest: str) -> None:
        self.site, self.embedded = Site(), embedded
        tenant = self.site.tenant
        datasets = {(tenant.name, release.key_id): release.dataset for release in tenant.releases}
        self.keys = BigQueryKeys("starvit", datasets, rest)
        self.sinks = {
            OLD: BigQueryWarehouse("starvit", datasets, grpc),
            NEW: BigQueryWarehouse("starvit", datasets, grpc, views=changed_views),
        }
        self.doors: dict[int, tuple[Door, ...]] = {
            epoch: open_doors(tenant.model_copy(update={"epoch": epoch})) for epoch in self.sinks
        }

    def measured(self, number: int) -> Validated:
        """A blood pressure with its two components, in Medplum."""
        version = self.site.write(f"o{number}", type="Observation")
        meta = {"versionId": version.version, "lastUpdated": version.last_updated}
        self.site.fhir.put(version.project, _pressure(f"o{number}", number) | {"meta": meta})
        return version

    async def rows(self, version: Validated, epoch: int) -> list[SafeRow]:
        """The rows that an instance of an epoch makes of a version. Raises Problem if it is not to."""
        named = version.model_copy(update={"generation": max(version.generation, epoch << 16)})
        content = None if version.op == "delete" else await self.site.fhir.version(named)
        return [door.row(named, content) for door in self.doors[epoch]]

    async def write(self, version: Validated, epoch: int) -> None:
        for row in await self.rows(version, epoch):
            await self.sinks[epoch].write(row)

    def seen(self) -> Seen:
        """What an analyst sees: each resource's generation and value, row by row."""
        sql = f"SELECT _key, _generation, value FROM {DATASET}.observation_component"
        found: Seen = {}
        for key, generation, value in self.embedded.rows(sql):
            found.setdefault(key, []).append((generation >> 16, value))
        return found

    def sweep(self) -> Sweep:
        tenant = self.site.tenant.model_copy(update={"epoch": NEW, "types": ("Observation",)})
        events = Events(tenant, self.site.ids, self.site.publisher, self.site.now)
        return Sweep(
            tenant, self.doors[NEW], self.site.fhir, self.keys, self.site.ledger, events, self.site.now, apply=True
        )

    async def backfilled(self) -> list[Validated]:
        """What a backfill tells of."""
        rounds = Rounds([self.sweep()], self.site.marks, self.site.ledger, "operator", self.site.now)
        async for _ in rounds.backfill(again=True):
            pass
        told = [Changed.model_validate_json(message.data) for message in self.site.published("fhir.changed")]
        self.site.publisher.published.clear()
        return [Validated(**dict(one), op="write") for one in told]

    def progress(self) -> dict[int, tuple[int, int]]:
        """Epoch → (resources, tombstones), as `policy_versions` tells it."""
        sql = f"SELECT generation, resources, tombstones FROM {DATASET}.policy_versions"
        return {
            generation >> 16: (resources, tombstones) for generation, resources, tombstones in self.embedded.rows(sql)
        }


@pytest.fixture
async def house() -> AsyncIterator[House]:
    embedded = Warehouse()
    tenant = Site().tenant
    for release in tenant.releases:
        await embedded.provision(release.dataset, release.policy)
    endpoints = await embedded.start()
    house = House(embedded, endpoints.grpc, endpoints.rest)
    yield house
    for sink in house.sinks.values():
        await sink.close()
    await house.keys.close()
    await embedded.stop()
    embedded.close()


async def test_at_every_moment_of_a_re_issue_an_analyst_sees_each_resource_once_old_or_new(house: House) -> None:
    versions = [house.measured(number) for number in range(COUNT)]
    await asyncio.gather(*(house.write(version, OLD) for version in versions))
    gone = versions.pop()
    await house.write(house.site.delete(gone), OLD)
    before = house.seen()
    assert {len(rows) for rows in before.values()} == {2}
    assert len(before) == COUNT - 1

    told = await house.backfilled()
    assert {one.generation for one in told} == {NEW << 16}
    late = house.measured(COUNT)  # comes while the re-issue is under way, to an instance of either release
    work = [(one, NEW) for one in told] + [(one, OLD) for one in versions] + [(late, OLD), (late, NEW)]
    Random(5).shuffle(work)
    halves: set[int] = set()  # how many were new, each time that somebody looked

    async def look() -> None:
        while True:
            now = await asyncio.to_thread(house.seen)
            assert before.keys() <= now.keys(), "never none"
            for key, rows in now.items():
                old = before.get(key)
                assert len(rows) == 2, "never both"
                assert len({epoch for epoch, _ in rows}) == 1, "never a half"
                if old:
                    new = [(NEW, value * TEN_TIMES) for _, value in old]
                    assert sorted(rows) in (sorted(old), sorted(new))
            halves.add(sum(rows[0][0] == NEW for rows in now.values()))

    looking = asyncio.create_task(look())
    for one in work:  # one after the other, so that the analyst looks in between
        await house.write(*one)
    while COUNT not in halves and not looking.done():
        await asyncio.sleep(0.01)
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking  # what it found wrong is raised here
    assert any(0 < half < COUNT for half in halves), "somebody looked while it was under way"

    after = house.seen()
    assert {epoch for rows in after.values() for epoch, _ in rows} == {NEW}
    assert len(after) == COUNT
    assert house.progress() == {NEW: (COUNT, 0), OLD: (0, 1)}, "a tombstone has nothing to issue anew"
    assert await house.backfilled() == []


async def test_policy_versions_tells_how_far_a_re_issue_is_and_a_stopped_one_goes_on(house: House) -> None:
    versions = [house.measured(number) for number in range(10)]
    for version in versions:
        await house.write(version, OLD)
    assert house.progress() == {OLD: (10, 0)}
    told = await house.backfilled()
    for one in told[:4]:
        await house.write(one, NEW)
    assert house.progress() == {OLD: (6, 0), NEW: (4, 0)}
    rest = await house.backfilled()
    assert {one.id for one in rest} == {one.id for one in told[4:]}, "what is there already is not told again"
    for one in rest:
        await house.write(one, NEW)
    assert house.progress() == {NEW: (10, 0)}


async def test_an_instance_of_the_release_before_makes_no_row_of_the_new_issue(house: House) -> None:
    version = house.measured(0).model_copy(update={"generation": NEW << 16})
    with pytest.raises(Problem) as refused:
        await house.write(version, OLD)
    assert refused.value.code.slug == "policy-behind"


def _pressure(id: str, number: int) -> dict[str, Any]:
    def part(code: str, value: float) -> dict[str, Any]:
        return {
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {"value": value, "code": "mm[Hg]", "system": "http://unitsofmeasure.org"},
        }

    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "component": [part("8480-6", 120 + number), part("8462-4", 80)],
    }
