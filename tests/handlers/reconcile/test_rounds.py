"""Sweep after sweep: from the marks, one worker at a time, resumable."""

import asyncio

import pytest

from handlers.reconcile.rounds import Rounds
from handlers.reconcile.sweep import SETTLE, Findings
from shared.errors import Code, Problem
from tests.handlers.reconcile.site import DAY, NOW, Site


@pytest.fixture
def site() -> Site:
    return Site()


async def backfilled(rounds: Rounds, *, again: bool = False) -> int:
    """How many a backfill told of."""
    last: dict[str, Findings] = {}
    async for found in rounds.backfill(again=again):
        last[found.type] = found
    return sum(found.published for found in last.values())


async def test_the_next_sweep_begins_where_the_last_one_ended_with_an_overlap(site: Site) -> None:
    first = site.write("p1")
    assert sum(found.published for found in await site.rounds().scheduled(NOW + 20)) == 1
    await site.tell(first)
    late = site.write("p2", age=SETTLE + 300)  # committed late: it shows only now, before the mark
    site.clock += 900
    fresh = site.write("p3", age=SETTLE + 10)
    [*found] = [one async for one in site.rounds().recent()]
    assert sum(one.published for one in found) == 2
    assert site.changes() == {first.version, late.version, fresh.version}


async def test_a_sweep_that_failed_leaves_its_mark_where_it_was(site: Site) -> None:
    [*_] = [one async for one in site.rounds().recent()]
    before = await site.marks.get(f"recent:{site.tenant.name}:Patient")
    site.clock += 900
    site.fhir.fail(Code.MEDPLUM_DENIED)
    found = [one async for one in site.rounds().recent(["Patient"])]
    assert [one.failed for one in found] == ["medplum-denied"]
    assert await site.marks.get(f"recent:{site.tenant.name}:Patient") == before


async def test_a_type_that_can_not_be_swept_does_not_keep_the_others_from_it(site: Site) -> None:
    lost = site.write("o1", type="Patient")
    site.fhir.fail(Code.MEDPLUM_DENIED)
    found = [one async for one in site.rounds().whole(["Observation", "Patient"])]
    assert [one.failed for one in found] == ["medplum-denied", ""]
    assert site.changes() == {lost.version}


async def test_whole_types_are_due_once_a_day(site: Site) -> None:
    async def whole() -> int:
        before = site.clock
        return (
            len(await site.rounds().scheduled(before + 20)) - 2
        )  # the two types' recent changes are always looked for

    assert await whole() == 2
    site.clock += 900
    assert await whole() == 0
    site.clock += DAY
    assert await whole() == 2


async def test_nothing_is_begun_after_the_time_is_over_and_who_waited_longest_goes_first(site: Site) -> None:
    assert await site.rounds().scheduled(NOW) == []
    await site.marks.set(f"recent:{site.tenant.name}:Patient", "2026-09-21T10:00:00Z")
    found = await site.rounds().scheduled(NOW + 20)
    assert [one.type for one in found][:2] == ["Observation", "Patient"]


async def test_two_workers_do_not_sweep_a_tenant_at_once(site: Site) -> None:
    first = site.rounds().whole()
    await anext(first)
    with pytest.raises(Problem) as busy:
        await site.rounds().scheduled(NOW + 20)
    assert busy.value.code is Code.BUSY
    await first.aclose()
    await asyncio.sleep(0)
    assert await site.rounds().scheduled(NOW + 20)


async def test_a_first_load_tells_of_everything_and_a_second_one_of_nothing(site: Site) -> None:
    versions = [site.write(f"p{number}") for number in range(30)]
    assert await backfilled(site.rounds()) == 30
    for version in versions:
        await site.tell(version)
    assert await backfilled(site.rounds(), again=True) == 0


async def test_a_newer_policy_re_issues_everything_that_is_there_under_the_new_generation(site: Site) -> None:
    versions = [await site.told(f"p{number}") for number in range(10)]
    gone = site.delete(versions[0])
    await site.tell(gone)
    assert await backfilled(site.rounds()) == 0
    assert await backfilled(site.rounds(epoch=2)) == 9
    assert all(b'"generation":131072' in message.data for message in site.published("fhir.changed"))
    for version in versions[1:]:
        await site.tell(version, generation=2 << 16)
    assert await backfilled(site.rounds(epoch=2), again=True) == 0


async def test_a_backfill_goes_on_from_the_page_that_it_came_to(site: Site) -> None:
    for number in range(1500):
        site.write(f"p{number:04}", age=7200.0)
    pages = site.rounds().backfill(["Patient"])
    await anext(pages)
    assert len(site.changes()) == 1000
    await pages.aclose()  # it was stopped
    site.publisher.published.clear()
    await backfilled(site.rounds())
    assert 500 <= len(site.changes()) <= 501  # the page's last instant is looked at again
