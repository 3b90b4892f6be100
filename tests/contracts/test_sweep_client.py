"""How the client sweeps Medplum: what its requests name and cost, and pages that are too long or can not be passed."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared.errors import Code, Problem
from shared.fhir.listing import Place, listing_in
from tests.contracts.fhir_worlds import PROJECT, HttpWorld, clients, over_http
from tests.contracts.sweep_sites import NOBODY, OBSERVATION, PATIENT, HttpSite, changed, patients, refused, walk


@pytest.fixture
async def world() -> AsyncIterator[HttpWorld]:
    async with over_http() as world:
        yield world


class _Noted(httpx.AsyncByteStream):
    """A body that leaves a copy of what is read of it."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, kept: list[bytes]) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)
        self._stream, self._kept = stream, kept

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._kept.append(part)
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


async def test_a_sweep_keeps_three_strings_and_its_urls_name_nobody(world: HttpWorld) -> None:
    """`_elements` leaves an Observation's code in, so the answer has what the page must not."""
    site, urls, bodies = HttpSite(world), list[str](), list[bytes]()

    async def note(response: httpx.Response) -> None:
        urls.append(str(response.request.url))
        response.stream = _Noted(response.stream, bodies)

    with site.one_instant():
        written = [site.write(OBSERVATION) for _ in range(1200)]
    world.http.event_hooks["response"].append(note)
    page = await site.sweeper.live(PROJECT, "Observation")
    assert b"Canary" in b"".join(bodies)
    assert "Canary" not in repr(page)
    await site.sweeper.live(PROJECT, "Observation", cursor=page.cursor)
    assert not [id for id in (version.id for version in written) if any(id in url for url in urls)]
    assert max(len(url) for url in urls) < 250


async def test_a_page_is_twenty_points_and_a_history_ten(world: HttpWorld) -> None:
    site = HttpSite(world)  # 1000 points
    written = site.write(PATIENT)
    for _ in range(24):
        await site.sweeper.live(PROJECT, "Patient")
        await site.sweeper.count(PROJECT, "Patient")
    for _ in range(4):
        await site.sweeper.versions(PROJECT, "Patient", written.id)
    world.requests.clear()
    assert (await refused(site.sweeper.live(PROJECT, "Patient"))).code is Code.MEDPLUM_BUSY
    assert world.requests == []
    await world.a_minute_later()
    assert (await site.sweeper.live(PROJECT, "Patient")).versions == (written,)


async def test_an_instant_of_many_is_passed_with_a_request_for_each_page(world: HttpWorld) -> None:
    site = HttpSite(world)
    with site.one_instant():
        written = patients(site, 2900)
    met = await walk(site)
    assert len(met) == 2900
    assert set(met) == set(written)
    assert world.requests == [("POST", "/oauth2/token"), *[("GET", "/fhir/R4/Patient")] * 3]


async def test_a_page_out_of_order_is_not_believed(world: HttpWorld) -> None:
    """A walk in an order that is not the server's would pass by what it never met."""
    site = HttpSite(world)
    with site.one_instant():
        first, _ = patients(site, 2)
    site.answers(
        "Patient",
        first,
        lambda resource: resource | {"meta": resource["meta"] | {"lastUpdated": "2126-01-01T00:00:00Z"}},
    )
    patients(site, 1)
    problem = await refused(site.sweeper.live(PROJECT, "Patient"))
    assert (problem.code, problem.at) == (Code.MEDPLUM_DOWN, "page")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Canary</html>",
        b'["Canary"]',
        b'{"resourceType":"OperationOutcome"}',
        b'{"resourceType":"Bundle","entry":{}}',
        b'{"resourceType":"Bundle","entry":["Canary"]}',
        b'{"resourceType":"Bundle","entry":[{"resource":"Canary"}]}',
        b'{"resourceType":"Bundle","entry":[],"entry":[]}',
        b'{"resourceType":"Bundle","link":"Canary"}',
        b'{"resourceType":"Bundle","total":"Canary"}',
    ],
)
def test_a_body_that_lists_nothing_is_no_page(body: bytes) -> None:
    with pytest.raises(Problem) as raised:
        listing_in(body, PROJECT, "Patient")
    assert (raised.value.code, raised.value.at) == (Code.MEDPLUM_DOWN, "page")
    assert "Canary" not in f"{raised.value!r} {raised.value.__context__!r}"


async def test_pages_that_are_too_long_are_asked_for_in_smaller_ones() -> None:
    async with over_http(quota=5000) as world:
        site = HttpSite(world, resource_limit=30_000)
        written = [site.write({**OBSERVATION, "code": {"text": "x" * 4000}}) for _ in range(120)]
        met = await walk(site, "Observation")
        assert len(met) == 120
        assert set(met) == set(written)
        first = site.write(PATIENT)
        later = [site.write({**changed(first), "name": [{"text": f"{n}" * 20_000}]}) for n in range(8)]
        assert await site.sweeper.versions(PROJECT, "Patient", first.id) == (first, *later)


async def test_a_single_entry_that_is_too_long_is_said_to_be(world: HttpWorld) -> None:
    site = HttpSite(world, resource_limit=1000)
    site.write({**OBSERVATION, "code": {"text": "x" * 4000}})
    assert (await refused(site.sweeper.live(PROJECT, "Observation"))).code is Code.RESOURCE_TOO_LARGE


async def test_an_instant_beyond_what_can_be_passed_is_named_and_not_asked_for(world: HttpWorld) -> None:
    cursor = Place(10_021, "2026-11-23T10:00:00.000Z", NOBODY).cursor
    problem = await refused(HttpSite(world).sweeper.live(PROJECT, "Patient", cursor=cursor))
    assert (problem.code, problem.at) == (Code.MEDPLUM_DOWN, "instant")
    assert world.requests == []


async def test_medplums_own_cursor_does_not_pass_a_page_of_one_instant(world: HttpWorld) -> None:
    site = HttpSite(world)
    with site.one_instant():
        patients(site, 21)
    async with httpx.AsyncClient(auth=clients(world.tenants[0])[0]) as http:
        url = f"{world.medplum.base_url}/fhir/R4/Patient?_count=20&_sort="
        assert (await http.get(f"{url}_lastUpdated")).status_code == 500
        assert (await http.get(f"{url}_lastUpdated,_id")).status_code == 200
