"""The stand-in's access policies against what was seen of Medplum's, and the configuration that a doctor reads there."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.local.medplum import Medplum
from tests.contracts.recordings import comparable, comparable_json, recorded

PROJECT, OTHER = "4d135744-b70e-416a-9d4c-cae3d05fde06", "9b8f4c38-0b8e-4a83-9c2e-6d5f0f1b2a3c"
AUDIT = {"resourceType": "AuditEvent", "meta": {"tag": [{"system": "urn:ce-id", "code": "e1"}]}, "outcome": "0"}
ONCE = {"If-None-Exist": "_tag=urn:ce-id|e1"}
APPEND_ONLY = {"resourceType": "AuditEvent", "interaction": ["create", "search", "read"]}


@dataclass
class Site:
    medplum: Medplum
    http: httpx.AsyncClient


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    medplum = Medplum()
    medplum.add_project(PROJECT, [("client", "secret")])
    medplum.add_project(OTHER, [("foreign", "secret")])
    base = await medplum.start()
    async with httpx.AsyncClient(base_url=f"{base}/fhir/R4/", auth=("client", "secret")) as http:
        yield Site(medplum, http)
    await medplum.stop()


async def status(site: Site, method: str, path: str, **more: Any) -> int:
    return (await site.http.request(method, path, **more)).status_code


async def test_what_a_policy_does_not_allow_is_answered_as_recorded(site: Site) -> None:
    site.medplum.grant(PROJECT, "client", APPEND_ONLY)
    answer = await site.http.get("Patient")
    expected = recorded("fhir-behaviour.json")["resend"]
    assert answer.status_code == expected["status"]
    assert comparable(answer.text) == comparable_json(expected["body"])


async def test_an_append_only_policy_keeps_the_audit_trail_from_its_own_writer(site: Site) -> None:
    site.medplum.grant(PROJECT, "client", APPEND_ONLY)
    created = await site.http.post("AuditEvent", json=AUDIT, headers=ONCE)
    at = f"AuditEvent/{created.json()['id']}"
    assert created.status_code == 201
    assert await status(site, "POST", "AuditEvent", json=AUDIT, headers=ONCE) == 200
    assert await status(site, "GET", at) == 200
    assert await status(site, "PUT", at, json={**created.json(), "outcome": "8"}) == 403
    assert await status(site, "DELETE", at) == 403


async def test_a_conditional_create_needs_search_too(site: Site) -> None:
    site.medplum.grant(PROJECT, "client", {"resourceType": "AuditEvent", "interaction": ["create"]})
    assert await status(site, "POST", "AuditEvent", json=AUDIT) == 201
    assert await status(site, "POST", "AuditEvent", json=AUDIT, headers=ONCE) == 403


async def test_without_a_policy_an_ordinary_client_may_change_and_delete_audit_events(site: Site) -> None:
    created = (await site.http.post("AuditEvent", json=AUDIT)).json()
    assert await status(site, "PUT", f"AuditEvent/{created['id']}", json={**created, "outcome": "8"}) == 200
    assert await status(site, "DELETE", f"AuditEvent/{created['id']}") == 200


async def test_a_read_only_rule_and_a_rule_for_all_types(site: Site) -> None:
    patient = site.medplum.create(PROJECT, {"resourceType": "Patient"})
    site.medplum.grant(PROJECT, "client", {"resourceType": "*", "readonly": True})
    at = f"Patient/{patient['id']}"
    for path in (at, f"{at}/_history", "Patient", f"{at}/_history/{patient['meta']['versionId']}"):  # type: ignore[index]
        assert await status(site, "GET", path) == 200
    assert await status(site, "POST", "Patient", json={"resourceType": "Patient"}) == 403


async def test_an_entry_of_a_batch_is_refused_by_itself(site: Site) -> None:
    site.medplum.grant(PROJECT, "client", APPEND_ONLY)
    entries = [{"request": {"method": "GET", "url": type}} for type in ("Patient", "AuditEvent")]
    answer = await site.http.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert [entry["response"]["status"] for entry in answer.json()["entry"]] == ["403", "200"]


async def test_a_changed_policy_holds_at_once(site: Site) -> None:
    policy = site.medplum.grant(PROJECT, "client", APPEND_ONLY)
    assert await status(site, "GET", "Patient") == 403
    rules = [APPEND_ONLY, {"resourceType": "Patient", "interaction": ["search"]}]
    site.medplum.update(PROJECT, {"resourceType": "AccessPolicy", "id": policy, "resource": rules})
    assert await status(site, "GET", "Patient") == 200


async def test_memberships_are_found_by_their_profile_and_only_in_their_project(site: Site) -> None:
    site.medplum.grant(PROJECT, "client", {"resourceType": "ProjectMembership", "readonly": True})
    site.medplum.grant(PROJECT, "another", APPEND_ONLY)
    site.medplum.grant(OTHER, "foreign", APPEND_ONLY)
    all_of_them = (await site.http.get("ProjectMembership")).json()["entry"]
    asked = {"profile": "ClientApplication/another"}
    [entry] = (await site.http.get("ProjectMembership", params=asked)).json()["entry"]
    assert len(all_of_them) == 2
    assert entry["resource"]["profile"] == {"reference": "ClientApplication/another"}


async def test_a_search_by_an_unknown_parameter_is_refused_and_by_a_known_one_is_not(site: Site) -> None:
    assert await status(site, "GET", "Patient?gender=female") == 200
    assert await status(site, "GET", "Patient?colour=red") == 400


async def test_recorded_subscriptions_that_can_not_fire_are_told_apart_from_those_that_can(site: Site) -> None:
    """The doctor's judgement of Subscriptions that a real Medplum held."""
    from handlers.doctor.findings import Check
    from handlers.doctor.subscriptions import Expected, Subscription, judged

    there = recorded("subscriptions.json")
    expected = Expected("https://events.example", {}, ())

    def found(name: str) -> set[Check]:
        one = Subscription(there[name]["id"], there[name])
        return {finding.check for finding in judged([one], expected, {})}

    assert Check.SECRET_MISSING in found("all-nosecret")
    assert {Check.HEADER_SPLIT, Check.HEADER_OVERWRITES} <= found("all-secret")
    assert Check.SECRET_MISSING not in found("all-secret")
    assert Check.EXTENSION_URL in found("create-only"), "a URL that Medplum ignores: it fired on everything"
    assert Check.INTERACTION_NARROW not in found("create-only")
    assert Check.CRITERIA_NARROW in found("obs-crit")
