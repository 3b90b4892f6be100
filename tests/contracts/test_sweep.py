"""The contract of the Sweeper, on the memory twin and on the client against a Medplum over HTTP."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.errors import Code, Problem
from shared.fhir.port import Page, Version
from tests.contracts.fhir_worlds import OTHER, PROJECT, over_http
from tests.contracts.sweep_sites import (
    NOBODY,
    OBSERVATION,
    PATIENT,
    HttpSite,
    MemorySite,
    Site,
    changed,
    patients,
    refused,
    walk,
)


@pytest.fixture(params=["memory", "http"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    if request.param == "memory":
        yield MemorySite()
        return
    async with over_http() as world:
        yield HttpSite(world)


async def test_a_walk_meets_each_resource_once_though_many_share_an_instant(site: Site) -> None:
    written = patients(site, 650)
    with site.one_instant():
        written += patients(site, 1200)
    written += patients(site, 650)
    met = await walk(site)
    assert len(met) == 2500
    assert set(met) == set(written)
    assert [version.last_updated for version in met] == sorted(version.last_updated for version in written)


async def test_what_changes_during_a_walk_is_met_and_nothing_else_is_missed(site: Site) -> None:
    """All that the first page showed moves to the end, and with it the half of an instant that lay before the border."""
    written = patients(site, 100)
    with site.one_instant():
        written += patients(site, 1800)
    moved: list[Version] = []

    def move(page: Page) -> None:
        if not moved:
            moved.extend(site.write(changed(version)) for version in page.versions)

    met = await walk(site, between=move)
    assert len(moved) == 1000
    assert set(met) == {*written, *moved}
    assert set(Counter(met).values()) == {1}


async def test_what_is_deleted_during_a_walk_takes_nothing_else_with_it(site: Site) -> None:
    with site.one_instant():
        written = patients(site, 1500)
    gone: list[str] = []

    def delete(page: Page) -> None:
        gone.extend(version.id for version in page.versions[:900])
        for id in gone:
            site.delete("Patient", id)

    assert set(await walk(site, between=delete)) == set(written)
    assert len(gone) == 900


async def test_a_resource_that_changes_before_its_page_comes_is_met_in_its_newer_version(site: Site) -> None:
    written = patients(site, 1100)
    newer: list[Version] = []
    met = await walk(site, between=lambda page: newer.append(site.write(changed(written[-1]))))
    assert [version for version in met if version.id == written[-1].id] == newer


async def test_a_walk_begins_with_the_instant_that_it_is_told(site: Site) -> None:
    patients(site, 3)
    with site.one_instant():
        later = patients(site, 2)
    later += patients(site, 3)
    assert set(await walk(site, since=later[0].last_updated)) == set(later)
    assert await walk(site, since="2126-11-23T10:00:00.000Z") == []


async def test_only_what_is_there_now_of_the_type_and_the_project_is_live(site: Site) -> None:
    here, deleted, expunged, back = patients(site, 4)
    site.write(PATIENT, project=OTHER)
    site.write(OBSERVATION)
    site.delete("Patient", deleted.id)
    site.delete("Patient", back.id)
    site.expunge("Patient", expunged.id)
    restored = site.write(changed(back))
    assert set(await walk(site)) == {here, restored}
    assert await site.sweeper.count(PROJECT, "Patient") == 2
    assert await site.sweeper.count(PROJECT, "Encounter") == 0
    assert await site.sweeper.live(PROJECT, "Encounter") == Page((), None)


async def test_versions_are_named_oldest_first_and_without_the_deletions(site: Site) -> None:
    first = site.write(PATIENT)
    second = site.write(changed(first))
    site.delete("Patient", first.id)
    assert await site.sweeper.versions(PROJECT, "Patient", first.id) == (first, second)
    third = site.write({**changed(first), "active": False})
    assert await site.sweeper.versions(PROJECT, "Patient", first.id) == (first, second, third)


async def test_a_long_history_is_named_as_a_whole(site: Site) -> None:
    first = site.write(PATIENT)
    later = [site.write({**changed(first), "multipleBirthInteger": n}) for n in range(250)]
    assert await site.sweeper.versions(PROJECT, "Patient", first.id) == (first, *later)


async def test_what_has_no_history_has_no_versions(site: Site) -> None:
    expunged = site.write(PATIENT)
    site.expunge("Patient", expunged.id)
    for id in (expunged.id, NOBODY, "not-a-uuid", "..", "."):
        assert await site.sweeper.versions(PROJECT, "Patient", id) == ()


@pytest.mark.parametrize(
    "element, value, code",
    [
        ("resourceType", "Practitioner", Code.RESOURCE_MISMATCH),
        ("id", "not an id", Code.RESOURCE_MISMATCH),
        ("id", "..", Code.RESOURCE_MISMATCH),
        ("meta.versionId", 7, Code.RESOURCE_MISMATCH),
        ("meta.versionId", "Canary/7", Code.RESOURCE_MISMATCH),
        ("meta.lastUpdated", "2026-11-23", Code.RESOURCE_MISMATCH),
        ("meta.lastUpdated", "2026-13-23T10:00:00Z", Code.RESOURCE_MISMATCH),
        ("meta.project", OTHER, Code.FOREIGN_PROJECT),
        ("meta", "Canary", Code.MEDPLUM_DOWN),
    ],
)
async def test_an_entry_that_is_not_what_was_asked_for_is_refused(
    site: Site, element: str, value: object, code: Code
) -> None:
    def change(resource: dict[str, Any]) -> object:
        *parents, last = element.split(".")
        (resource[parents[0]] if parents else resource)[last] = value
        return resource

    written = site.write(PATIENT)
    site.answers("Patient", written, change)
    problems = await _problems(site, written.id)
    assert {problem.code for problem in problems} == {code}
    text = "".join(f"{problem!r} {problem} {problem.__cause__!r} {problem.__context__!r}" for problem in problems)
    for canary in ("Canary", str(value), written.id, written.version):
        assert canary not in text


@pytest.mark.parametrize("body", ["Canary", None, [], 7])
async def test_an_entry_that_is_no_resource_means_down(site: Site, body: object) -> None:
    written = site.write(PATIENT)
    site.answers("Patient", written, lambda _: body)
    with pytest.raises(Problem) as raised:
        await site.sweeper.versions(PROJECT, "Patient", written.id)
    assert (raised.value.code, raised.value.at) == (Code.MEDPLUM_DOWN, "page")


async def test_a_history_of_another_resource_is_refused(site: Site) -> None:
    written = site.write(PATIENT)
    site.answers("Patient", written, lambda resource: resource | {"id": NOBODY})
    with pytest.raises(Problem) as raised:
        await site.sweeper.versions(PROJECT, "Patient", written.id)
    assert raised.value.code is Code.RESOURCE_MISMATCH


async def test_a_project_that_is_not_ours_is_unknown(site: Site) -> None:
    for ask in (
        site.sweeper.live(NOBODY, "Patient"),
        site.sweeper.count(NOBODY, "Patient"),
        site.sweeper.versions(NOBODY, "Patient", NOBODY),
    ):
        with pytest.raises(Problem) as raised:
            await ask
        assert raised.value.code is Code.UNKNOWN_PROJECT


async def test_a_spent_quota_says_when_to_come_back(site: Site) -> None:
    await site.spend()
    with pytest.raises(Problem) as raised:
        await site.sweeper.live(PROJECT, "Patient")
    assert raised.value.code is Code.MEDPLUM_BUSY
    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= 60


async def test_a_medplum_that_is_gone_is_down(site: Site) -> None:
    written = site.write(PATIENT)
    await site.vanish()
    problems = [*await _problems(site, written.id), await refused(site.sweeper.count(PROJECT, "Patient"))]
    assert {problem.code for problem in problems} == {Code.MEDPLUM_DOWN}


async def test_a_cursor_that_is_none_is_the_callers_error_and_is_not_repeated(site: Site) -> None:
    with pytest.raises(ValueError, match=r"^not a cursor$"):
        await site.sweeper.live(PROJECT, "Patient", cursor="Canary")


async def _problems(site: Site, id: str) -> list[Problem]:
    return [
        await refused(site.sweeper.live(PROJECT, "Patient")),
        await refused(site.sweeper.versions(PROJECT, "Patient", id)),
    ]
