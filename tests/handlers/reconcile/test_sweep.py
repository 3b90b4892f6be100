"""What no webhook told of is found and told of, once; and nothing else is."""

import pytest

from handlers.reconcile.compare import too_many
from handlers.reconcile.sweep import SETTLE, Findings
from shared.errors import Code, Problem
from shared.ledger.port import State
from tests.handlers.reconcile.site import NOW, Site


@pytest.fixture
def site() -> Site:
    return Site()


def only(found: Findings, **expected: int) -> None:
    """Nothing was found but this."""
    counts = ("missing", "stale", "extra", "hidden", "versions", "under_way", "set_aside", "published")
    assert {name: getattr(found, name) for name in counts} == dict.fromkeys(counts, 0) | expected


async def test_where_all_was_told_nothing_is_published(site: Site) -> None:
    for number in range(5):
        await site.told(f"p{number}")
        await site.told(f"p{number}")
    found = await site.sweep().whole("Patient", histories=True)
    only(found)
    assert (found.there, found.rows, found.clean) == (5, 5, True)
    assert not site.changes()


async def test_a_resource_that_was_never_told_of_is_published_as_its_webhook_would_have_been(site: Site) -> None:
    await site.told("p1")
    lost = site.write("p2")
    only(await site.sweep().whole("Patient"), missing=1, published=1)
    [message] = site.published("fhir.changed")
    expected = site.ids.change(lost.project, "Patient", "p2", lost.version, site.tenant.generation)
    assert message.attributes["ce-id"] == expected
    assert message.ordering_key == site.ids.ordering("Patient", "p2")


async def test_an_update_that_was_never_told_of_is_published(site: Site) -> None:
    await site.told("p1")
    lost = site.write("p1")
    only(await site.sweep().whole("Patient"), stale=1, published=1)
    assert site.changes() == {lost.version}


async def test_a_version_from_the_middle_is_found_by_its_history(site: Site) -> None:
    await site.told("p1")
    lost = site.write("p1")
    await site.told("p1")
    only(await site.sweep().whole("Patient"))
    only(await site.sweep().whole("Patient", histories=True), versions=1, published=1)
    assert site.changes() == {lost.version}


async def test_a_row_that_is_missing_in_one_of_two_datasets_is_missing(site: Site) -> None:
    version = site.write("p1")
    await site.warehouse.write(site.row(version, dataset=1))
    only(await site.sweep().whole("Patient"), missing=1, published=1)


async def test_a_deletion_that_was_never_told_of_becomes_the_tombstone_that_its_confirmation_would_be(
    site: Site,
) -> None:
    for number in range(5):
        await site.told(f"p{number}")
    gone = await site.told("p9")
    deletion = site.delete(gone)
    only(await site.sweep().whole("Patient"), extra=2, published=2)
    for dataset, tombstone in enumerate(sorted(site.tombstones(), key=lambda row: row.key_id)):
        assert tombstone == site.row(deletion, dataset)


async def test_a_tombstone_is_under_an_id_of_its_own_and_the_same_each_time(site: Site) -> None:
    for number in range(5):
        await site.told(f"p{number}")
    site.delete(await site.told("p9"))
    await site.sweep().whole("Patient")
    await site.sweep().whole("Patient")
    ids = [message.attributes["ce-id"] for message in site.published("fhir.deidentified")]
    assert len(ids) == 4
    assert len(set(ids)) == 2


async def test_what_was_buried_stays_buried_and_is_not_found_again(site: Site) -> None:
    for number in range(5):
        await site.told(f"p{number}")
    gone = await site.told("p9")
    await site.tell(site.delete(gone))
    only(await site.sweep().whole("Patient"))


async def test_a_deletion_and_a_re_creation_that_were_never_told_of_bring_the_resource_back(site: Site) -> None:
    gone = await site.told("p1")
    await site.tell(site.delete(gone))
    again = site.write("p1")
    only(await site.sweep().whole("Patient"), missing=1, published=1)
    assert site.changes() == {again.version}


async def test_a_resource_that_was_buried_by_mistake_is_reported_and_not_told_of_in_vain(site: Site) -> None:
    version = await site.told("p1")
    await site.tell(version.model_copy(update={"op": "delete"}))
    only(await site.sweep().whole("Patient"), hidden=1)
    later = site.write("p1")
    only(await site.sweep().whole("Patient"), missing=1, published=1)
    assert site.changes() == {later.version}


async def test_a_change_of_a_moment_ago_is_left_alone_for_it_is_on_its_way(site: Site) -> None:
    site.write("p1", age=SETTLE - 1)
    only(await site.sweep().whole("Patient", histories=True))
    site.clock += 2
    only(await site.sweep().whole("Patient"), missing=1, published=1)


@pytest.mark.parametrize(
    "state, counted",
    [
        (State.LEASED, {"under_way": 1}),
        (State.DONE, {"under_way": 1}),
        (State.SUPERSEDED, {"under_way": 1}),
        (State.POISON, {"set_aside": 1}),
    ],
)
async def test_what_the_ledger_knows_of_was_told_and_is_not_told_again(
    site: Site, state: State, counted: dict[str, int]
) -> None:
    await site.known(site.write("p1"), state)
    only(await site.sweep().whole("Patient"), missing=1, **counted)
    assert not site.changes()


async def test_more_than_one_in_a_hundred_that_would_vanish_stops_and_asks(site: Site) -> None:
    versions = [await site.told(f"p{number}") for number in range(200)]
    for version in versions[:4]:
        site.delete(version)
    found = await site.sweep().whole("Patient")
    assert found.stopped
    only(found, extra=8)
    assert not site.tombstones()
    found = await site.sweep().whole("Patient", allow=True)
    only(found, extra=8, published=8)


async def test_a_type_that_vanishes_as_a_whole_stops_and_asks_however_small_it_is(site: Site) -> None:
    site.delete(await site.told("p1"))
    found = await site.sweep().whole("Patient")
    assert found.stopped
    assert not site.tombstones()


@pytest.mark.parametrize(
    "gone, rows, stops",
    [(0, 0, False), (3, 20, False), (4, 20, True), (10, 1000, False), (11, 1000, True), (1, 1, True)],
)
def test_how_much_is_too_much(gone: int, rows: int, stops: bool) -> None:
    assert too_many(gone, rows) is stops


async def test_a_report_alone_publishes_nothing_but_that_it_looked(site: Site) -> None:
    site.write("p1")
    for number in range(5):
        await site.told(f"q{number}")
    site.delete(await site.told("p9"))
    only(await site.sweep(apply=False).whole("Patient", histories=True), missing=1, extra=2)
    assert [topic for topic, _ in site.publisher.published] == ["fhir.accessed"]


async def test_a_sweep_that_saw_resources_is_accounted_for_as_a_search(site: Site) -> None:
    await site.told("p1")
    await site.sweep().whole("Patient")
    await site.sweep().whole("Observation")
    [message] = site.published("fhir.accessed")
    assert b'"action":"search"' in message.data
    assert b'"type":"Patient","id":null' in message.data


async def test_recent_changes_are_looked_for_in_the_change_log(site: Site) -> None:
    old = site.write("p0", age=7200.0)
    missing = site.write("p1")
    await site.told("p2")
    stale = site.write("p2")
    await site.told("p3")
    middle = site.write("p3")
    await site.told("p3")
    found = await site.sweep().recent("Patient", "2026-09-21T13:10:00Z")
    only(found, missing=1, stale=1, versions=1, published=3)
    assert site.changes() == {missing.version, stale.version, middle.version}
    assert old.version not in site.changes()


async def test_a_quota_that_is_spent_is_waited_out(site: Site) -> None:
    site.write("p1")
    site.fhir.fail(Code.MEDPLUM_BUSY, times=2, retry_after=49.0)
    only(await site.sweep().whole("Patient"), missing=1, published=1)
    assert site.clock >= NOW + 98


async def test_a_dependency_that_stays_away_ends_the_sweep_with_its_code(site: Site) -> None:
    site.fhir.fail(Code.MEDPLUM_DOWN, times=100)
    with pytest.raises(Problem) as ended:
        await site.sweep().whole("Patient")
    assert ended.value.code is Code.MEDPLUM_DOWN


async def test_nothing_of_a_resources_id_gets_beyond_the_door(site: Site) -> None:
    for number in range(5):
        await site.told(f"p{number}")
    gone = await site.told("canary-id")
    site.delete(gone)
    await site.sweep().whole("Patient")
    for message in site.published("fhir.deidentified"):
        text = f"{message.data.decode()} {message.attributes}"
        assert "canary-id" not in text
        assert gone.version not in text
