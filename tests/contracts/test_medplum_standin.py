"""The stand-in's FHIR side against what a real Medplum answered: reads, history, searches and links, quota, login."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.local.medplum import Medplum
from tests.contracts.fhir_worlds import Clock
from tests.contracts.recordings import comparable, comparable_json, recorded

PROJECT, OTHER = "4d135744-b70e-416a-9d4c-cae3d05fde06", "9b8f4c38-0b8e-4a83-9c2e-6d5f0f1b2a3c"
CLIENT, FOREIGN = ("bf00847c-76b8-40f7-bc94-b423f1703811", "secret"), ("11111111-76b8-40f7-bc94-b423f1703811", "secret")
ZOE = {
    "resourceType": "Patient",
    "name": [{"family": "Müller", "given": ["Zoë"]}],
    "gender": "female",
    "birthDate": "1980-02-03",
    "identifier": [{"system": "urn:mrn", "value": "A1"}],
}
EVT = {"resourceType": "Patient", "identifier": [{"system": "urn:evt", "value": "3716d08aa6774823917f826df76f5652"}]}
AUDIT = {"resourceType": "AuditEvent", "meta": {"tag": [{"system": "urn:ce-id", "code": "e1"}]}, "outcome": "0"}
ABSENT = "00000000-0000-4000-8000-000000000000"


class Site:
    """A Medplum and a client of a project's, by HTTP Basic."""

    def __init__(self, medplum: Medplum, http: httpx.AsyncClient, clock: Clock) -> None:
        self.medplum, self.http, self.clock = medplum, http, clock

    async def patient(self, resource: dict[str, Any] = EVT) -> dict[str, Any]:
        return dict((await self.http.post("Patient", json=resource)).json())


@pytest.fixture
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    clock = Clock()
    medplum = Medplum(seed=11, clock=clock, quota=getattr(request, "param", 50_000))
    medplum.add_project(PROJECT, [CLIENT])
    medplum.add_project(OTHER, [FOREIGN])
    base = await medplum.start()
    async with httpx.AsyncClient(base_url=f"{base}/fhir/R4/", auth=CLIENT) as http:
        yield Site(medplum, http, clock)
    await medplum.stop()


def same(answer: httpx.Response, name: str) -> None:
    """The answer is the recorded one: status, body in its order, and the headers that were kept."""
    expected = recorded("fhir-behaviour.json")[name]
    assert answer.status_code == expected["status"]
    if expected["body"]:
        assert comparable(answer.text) == comparable_json(expected["body"])
    assert set(expected["headers"]) <= set(answer.headers)
    assert comparable(answer.headers.get("etag", "")) == comparable(expected["headers"].get("etag", ""))


async def test_writes_and_reads_are_answered_as_recorded(site: Site) -> None:
    condition = {"If-None-Exist": "_tag=urn:evt|1"}
    created = await site.http.post("Patient", json=EVT, headers=condition)
    same(created, "cc1 If-None-Exist patient")
    old = created.json()
    at = f"Patient/{old['id']}"
    same(await site.http.get(at), "read")
    etag = created.headers["etag"]
    same(await site.http.put(at, json={**old, "gender": "male"}, headers={"If-Match": etag}), "upd If-Match ok")
    same(await site.http.put(at, json={**old, "gender": "other"}, headers={"If-Match": etag}), "upd If-Match stale")
    same(await site.http.get(f"{at}/_history/{old['meta']['versionId']}"), "vread")
    same(await site.http.get(f"{at}/_history/{ABSENT}"), "vread bad uuid")
    same(await site.http.get(f"{at}/_history/1"), "vread not uuid")
    current = await site.http.get(at)
    unchanged = await site.http.get(at, headers={"If-None-Match": current.headers["etag"]})
    same(unchanged, "read If-None-Match")
    same(await site.http.get("Patient/not-a-uuid"), "read not uuid")
    same(await site.http.get(f"Patient/{ABSENT}"), "read missing")
    same(await site.http.get(at, headers={"X-Medplum": "extended"}), "read extended")
    same(await site.http.get(f"{at}/_history?_count=1"), "history")
    same(await site.http.get("Patient/_history"), "type history")
    same(await site.http.get("_history"), "system history")


async def test_a_client_can_not_choose_an_id(site: Site) -> None:
    same(await site.http.put(f"AuditEvent/{ABSENT}", json={**AUDIT, "id": ABSENT}), "PUT client-assigned id AuditEvent")


async def test_searches_and_their_links_are_answered_as_recorded(site: Site) -> None:
    await site.patient()
    stored = await site.patient()
    id = stored["id"]
    await site.http.put(f"Patient/{id}", json={**stored, "gender": "male"})
    same(await site.http.get("Patient?foo=1"), "search unknown param")
    same(await site.http.get("Patient?_offset=20000"), "offset>max")
    same(await site.http.get(f"Patient?_id={id}&_elements=gender"), "_elements")
    same(await site.http.get("Patient?_tag=urn:x|y"), "_tag search")
    same(await site.http.get(f"Patient?_id={id},{ABSENT}"), "_id multiple")
    same(await site.http.post("Patient/_search", data={"_id": id}), "POST _search")


async def test_pages_by_offset_link_as_recorded(site: Site) -> None:
    for code in ("s500", "s400", "s401", "s404", "s408"):
        await site.patient({"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": code}]})
    first = await site.http.get("Patient?_count=2&_sort=_lastUpdated")
    pages = recorded("fhir-behaviour.json")
    assert comparable(first.text) == comparable_json(pages["page1"])
    following = _link(first, "next")
    assert comparable((await site.http.get(following)).text) == comparable_json(pages["page2"])


async def test_a_walk_by_cursor_meets_everything_once(site: Site) -> None:
    start = site.medplum.create(PROJECT, EVT)["meta"]
    assert isinstance(start, dict)
    ids = [str(site.medplum.create(PROJECT, EVT)["id"]) for _ in range(1436)]
    page = await site.http.get(f"Patient?_lastUpdated=ge{start['lastUpdated']}&_sort=_lastUpdated&_count=20")
    met: Counter[str] = Counter()
    pages = 0
    while True:
        met.update(entry["resource"]["id"] for entry in page.json()["entry"])
        pages += 1
        following = _link(page, "next")
        if not following:
            break
        assert "_cursor=2-" in following
        page = await site.http.get(following)
    assert set(met.values()) == {1}
    assert set(ids) <= set(met)
    assert pages == 72


async def test_cursor_links_have_the_recorded_form(site: Site) -> None:
    expected = recorded("cursor-page.json")
    for _ in range(21):
        site.medplum.create(PROJECT, AUDIT)
        await asyncio.sleep(0.002)  # so that no instant is shared
    page = (await site.http.get("AuditEvent?_lastUpdated=gt2026-11-23T10:46:00Z&_sort=_lastUpdated&_count=20")).json()
    assert len(page["entry"]) == expected["n"]
    assert [_without_cursor(link) for link in page["link"]] == [_without_cursor(link) for link in expected["links"]]


@pytest.mark.parametrize("query", ["_sort=-_lastUpdated&_count=20", "_count=20", "_sort=_lastUpdated&_count=19"])
async def test_other_searches_get_no_cursor(site: Site, query: str) -> None:
    for _ in range(21):
        site.medplum.create(PROJECT, EVT)
    following = _link(await site.http.get(f"Patient?{query}"), "next")
    assert "_offset=" in following
    assert "_cursor" not in following


async def test_a_search_sees_a_resource_where_it_changed_last(site: Site) -> None:
    first, second = await site.patient(), await site.patient()
    await site.http.put(f"Patient/{first['id']}", json={**first, "gender": "male"})
    third = await site.patient()
    await site.http.delete(f"Patient/{third['id']}")
    found = (await site.http.get("Patient?_sort=_lastUpdated&_count=20")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [second["id"], first["id"]]


async def test_the_history_of_a_deleted_patient_is_the_recorded_one(site: Site) -> None:
    stored = await site.patient(ZOE)
    at = f"Patient/{stored['id']}"
    for gender in ("male", "other"):
        await site.http.put(at, json={**stored, "gender": gender})
    await site.http.delete(at)
    history = await site.http.get(f"{at}/_history")
    assert comparable(history.text) == comparable_json(recorded("patient-history.json"))
    gone = await site.http.get(at)
    assert (gone.status_code, gone.json()["issue"][0]["code"]) == (410, "deleted")


async def test_an_expunged_resource_was_never_there(site: Site) -> None:
    stored = await site.patient()
    site.medplum.expunge(PROJECT, "Patient", stored["id"])
    assert (await site.http.get(f"Patient/{stored['id']}")).status_code == 404
    assert (await site.http.get(f"Patient/{stored['id']}/_history")).status_code == 404


async def test_a_body_of_more_than_a_megabyte_is_too_large(site: Site) -> None:
    same(await site.http.post("Patient", json={**EVT, "language": "x" * 1_000_001}), "big json")


async def test_twelve_conditional_creates_make_one(site: Site) -> None:
    condition = {"If-None-Exist": "_tag=urn:ce-id|e1"}
    answers = await asyncio.gather(*(site.http.post("AuditEvent", json=AUDIT, headers=condition) for _ in range(12)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 11}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(site.medplum.audit_events(PROJECT)) == 1


@pytest.mark.parametrize("site", [250], indirect=True)
async def test_points_are_taken_as_medplum_weighs_them(site: Site) -> None:
    left = []
    condition = {"If-None-Exist": "_tag=urn:ce-id|e1"}
    for method, path, more in (
        ("POST", "AuditEvent", {"json": AUDIT, "headers": condition}),
        ("POST", "AuditEvent", {"json": AUDIT, "headers": condition}),
        ("GET", "AuditEvent", {}),
        ("GET", f"AuditEvent/{ABSENT}/_history", {}),
        ("GET", f"AuditEvent/{ABSENT}", {}),
    ):
        answer = await site.http.request(method, path, **more)  # type: ignore[arg-type]
        left.append(int(answer.headers["ratelimit"].split("r=")[1].split(";")[0]))
    assert left == [130, 110, 90, 80, 79]


@pytest.mark.parametrize("site", [200], indirect=True)
async def test_a_spent_client_is_refused_as_recorded_and_others_are_not(site: Site) -> None:
    expected = recorded("rate-limit-429.json")
    for _ in range(2):
        await site.patient()
    site.clock.now += 11.77
    refused = await site.http.get(f"Patient/{ABSENT}")
    assert refused.status_code == 429
    assert refused.headers["ratelimit"] == expected["headers"]["ratelimit"]
    assert "retry-after" not in refused.headers
    body = refused.text.replace('_consumedPoints\\":200', '_consumedPoints\\":50000').replace(
        'limit\\":200', 'limit\\":50000'
    )
    assert comparable(body) == comparable_json(expected["body"])
    assert (await site.http.get(f"Patient/{ABSENT}", auth=FOREIGN)).status_code == 404
    site.clock.now += 49
    assert (await site.http.get(f"Patient/{ABSENT}")).status_code == 404


@pytest.mark.parametrize("site", [1000], indirect=True)
async def test_a_batch_is_answered_200_and_its_entries_for_themselves(site: Site) -> None:
    write = {"request": {"method": "POST", "url": "Patient"}, "resource": EVT}
    entries = [{"request": {"method": "GET", "url": f"Patient/{ABSENT}"}}, *[write] * 11]
    answer = await site.http.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert answer.status_code == 200
    assert [entry["response"]["status"] for entry in answer.json()["entry"]] == ["404", *["201"] * 9, "429", "429"]
    assert answer.json()["entry"][1]["response"]["location"].startswith("Patient/")


async def test_a_batch_has_the_recorded_form(site: Site) -> None:
    write = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}
    answer = await site.http.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [write, write]})
    same(answer, "tx")


async def test_a_project_sees_nothing_of_another(site: Site) -> None:
    stored = await site.patient()
    assert (await site.http.get(f"Patient/{stored['id']}", auth=FOREIGN)).status_code == 404
    assert "entry" not in (await site.http.get("Patient", auth=FOREIGN)).json()
    assert (await site.http.delete(f"Patient/{stored['id']}", auth=FOREIGN)).status_code == 404


async def test_tokens_are_given_refused_and_forgotten_as_medplum_does(site: Site) -> None:
    async def token(**form: str) -> httpx.Response:
        async with httpx.AsyncClient() as nobody:
            return await nobody.post(f"{site.medplum.base_url}/oauth2/token", data=form)

    credentials = {"grant_type": "client_credentials", "client_id": CLIENT[0]}
    given = await token(**credentials, client_secret=CLIENT[1])
    assert (given.json()["token_type"], given.json()["expires_in"]) == ("Bearer", 3600)
    assert "refresh_token" not in given.json()
    for wrong, reason in (({"client_secret": "no"}, "Invalid secret"), ({"client_id": "no"}, "Invalid client")):
        refused = await token(**{**credentials, **wrong})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
        assert refused.json()["error_description"] == reason
    as_json = await site.http.post(f"{site.medplum.base_url}/oauth2/token", json=credentials)
    assert (as_json.status_code, as_json.text) == (400, "Unsupported content type")

    bearer = {"Authorization": f"Bearer {given.json()['access_token']}"}
    async with httpx.AsyncClient(base_url=site.http.base_url, headers=bearer) as http:
        assert (await http.get(f"Patient/{ABSENT}")).status_code == 404
        site.medplum.forget_logins()
        refused = await http.get(f"Patient/{ABSENT}")
        assert (refused.status_code, refused.json()["issue"][0]["code"]) == (401, "login")
        assert refused.headers["www-authenticate"].startswith("Bearer realm=")


def _link(page: httpx.Response, relation: str) -> str:
    return next((link["url"] for link in page.json()["link"] if link["relation"] == relation), "")


def _without_cursor(link: dict[str, str]) -> tuple[str, str]:
    path, *pairs = comparable(link["url"]).replace("?", "&").split("&")
    return link["relation"], "&".join([path, *("_cursor=2-" if "_cursor=2-" in pair else pair for pair in pairs)])
