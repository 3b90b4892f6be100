"""Each thing that can be wrong with a Medplum project, planted once: the doctor names exactly that one, with its mending."""

from collections.abc import AsyncIterator, Callable
from copy import replace
from typing import Any

import pytest

from handlers.doctor.findings import Check, Finding, bad
from handlers.doctor.subscriptions import ATTEMPTS, AUDIT, CODES, INTERACTION, SECRET, Expected, fires, judged, ours
from tests.doctor.medplum import Clinic, clinic, tenant
from tests.tenant import PROJECT

type Spoil = Callable[[dict[str, Any]], object]


@pytest.fixture
async def right() -> AsyncIterator[Clinic]:
    async with clinic() as made:
        yield made


def found(findings: list[Finding]) -> set[tuple[Check, str]]:
    return {(finding.check, finding.place) for finding in findings}


def extension(url: str, value: str, name: str = "valueString") -> Spoil:
    return lambda one: one["extension"].append({"url": url, name: value})


def without(url: str, spoil: Spoil = lambda one: None) -> Spoil:
    def change(one: dict[str, Any]) -> None:
        one["extension"] = [each for each in one["extension"] if each["url"] != url]
        spoil(one)

    return change


def channel(**given: object) -> Spoil:
    return lambda one: one["channel"].update(given)


def content(**given: object) -> Spoil:
    return lambda one: one.update(given)


def on_meta(one: dict[str, Any]) -> None:
    one["meta"]["extension"] = [{"url": SECRET, "valueString": "secret of Patient"}]


def no_endpoint(one: dict[str, Any]) -> None:
    del one["channel"]["endpoint"]


NO_WWW = SECRET.replace("www.", "")
# What is spoilt → how, and what is found. One that can not fire leaves its type without any.
PLANTED: dict[str, tuple[Spoil, Check]] = {
    "the secret's URL has no www": (without(SECRET, extension(NO_WWW, "secret of Patient")), Check.SECRET_URL),
    "the secret stands on meta": (without(SECRET, on_meta), Check.SECRET_ON_META),
    "there is no secret": (without(SECRET), Check.SECRET_MISSING),
    "the secret is somebody else's": (without(SECRET, extension(SECRET, "other")), Check.SECRET_UNKNOWN),
    "the secret is an older one": (without(SECRET, extension(SECRET, "older secret of Patient")), Check.SECRET_OLD),
    "another extension has www": (
        extension(INTERACTION.replace("//", "//www."), "create", "valueCode"),
        Check.EXTENSION_URL,
    ),
    "another extension has a wrong name": (
        extension(INTERACTION.replace("subscription-", "fhir-subscription-"), "create", "valueCode"),
        Check.EXTENSION_URL,
    ),
    "the type is none of R4": (content(criteria="Pacient"), Check.CRITERIA_TYPE),
    "a search parameter is none of Medplum's": (content(criteria="Patient?colour=red"), Check.CRITERIA_PARAMETER),
    "the criteria filter": (content(criteria="Patient?gender=male"), Check.CRITERIA_NARROW),
    "AuditEvents are asked for": (content(criteria="AuditEvent"), Check.CRITERIA_AUDIT),
    "the channel is a websocket": (channel(type="websocket"), Check.CHANNEL_TYPE),
    "there is no endpoint": (no_endpoint, Check.ENDPOINT_MISSING),
    "the endpoint is another host": (
        channel(endpoint="https://old.example/v1/webhooks/medplum/clinic-patient"),
        Check.ENDPOINT_ELSEWHERE,
    ),
    "a header's value has a colon": (channel(header=["X-Url: https://x.example:8443/"]), Check.HEADER_SPLIT),
    "a header overwrites Medplum's": (channel(header=["X-Medplum-Subscription: other"]), Check.HEADER_OVERWRITES),
    "it is off": (content(status="off"), Check.STATUS_OFF),
    "it was switched off by errors": (content(status="error", error="too many failures"), Check.STATUS_OFF),
    "it is told of updates alone": (extension(INTERACTION, "update", "valueCode"), Check.INTERACTION_NARROW),
    "it gives up at once": (extension(ATTEMPTS, "1", "valueInteger"), Check.ATTEMPTS_FEW),
    "a 404 counts as delivered": (extension(CODES, "200-299,404"), Check.SUCCESS_CODES),
    "Medplum writes the patient's name for each attempt": (without(AUDIT), Check.AUDIT_DESTINATION),
}


async def test_a_right_project_has_no_finding(right: Clinic) -> None:
    assert await right.examined() == []


@pytest.mark.parametrize("what", PLANTED)
async def test_a_subscription_that_is_spoilt_is_found_out(right: Clinic, what: str) -> None:
    spoil, check = PLANTED[what]
    right.change("Patient", spoil)
    findings = await right.examined()
    place = f"Subscription/{right.ids['Patient']}"
    missing = {(Check.TYPE_MISSING, "Patient")} if check.value.severity == "error" else set()
    assert found(findings) == {(check, place)} | missing
    assert all(finding.fix for finding in findings)


async def test_what_the_doctor_prints_holds_no_secret_and_no_value_of_the_criteria(right: Clinic) -> None:
    right.change("Patient", without(SECRET, extension(SECRET, "very-secret")))
    right.change("Observation", content(criteria="Observation?subject=Patient/canary"))
    findings = await right.examined()
    printed = str([finding.line() for finding in findings])
    assert findings
    assert not any(value in printed for value in ("very-secret", "secret of", "canary"))


async def test_an_endpoint_that_redirects_or_is_silent_is_found_by_asking(right: Clinic) -> None:
    for status, check in (
        (307, Check.ENDPOINT_REDIRECTS),
        (302, Check.ENDPOINT_REDIRECTS),
        (503, Check.ENDPOINT_SILENT),
    ):
        right.ingress.status = status
        places = {(check, f"Subscription/{id}") for id in right.ids.values()}
        assert found(await right.examined()) == places | {(Check.TYPE_MISSING, type) for type in right.ids}


async def test_a_type_that_nobody_tells_of_is_named(right: Clinic) -> None:
    right.medplum.delete(PROJECT, "Subscription", right.ids["Observation"])
    assert found(await right.examined()) == {(Check.TYPE_MISSING, "Observation")}


async def test_a_type_that_is_left_to_reconcile_on_purpose_is_a_note_until_somebody_tells_of_it(right: Clinic) -> None:
    right.deployment = right.deployment.model_copy(update={"untold": {"clinic": ("Observation",)}})
    assert await right.examined() == []
    right.medplum.delete(PROJECT, "Subscription", right.ids["Observation"])
    findings = await right.examined()
    assert found(findings) == {(Check.TYPE_UNTOLD, "Observation")}
    assert not bad(findings)


async def test_a_second_subscription_of_a_type_and_a_shared_secret_are_noted(right: Clinic) -> None:
    twin = right.there("Subscription", right.ids["Patient"])
    copy = right.medplum.create(PROJECT, {k: v for k, v in twin.items() if k not in ("id", "meta")})
    assert found(await right.examined()) == {(Check.DUPLICATE, f"Subscription/{copy['id']}")}


async def test_a_secret_that_two_webhooks_share_is_a_warning(right: Clinic) -> None:
    [given] = right.settings.tenants
    shared = dict.fromkeys(given.webhooks, given.webhooks["clinic-patient"])
    right.settings = right.settings.model_copy(update={"tenants": (given.model_copy(update={"webhooks": shared}),)})
    right.change("Observation", without(SECRET, extension(SECRET, "secret of Patient")))
    place = f"Subscription/{right.ids['Observation']}"
    assert found(await right.examined()) == {(Check.SECRET_SHARED, place)}


async def test_a_webhook_that_the_settings_do_not_have_is_named(right: Clinic) -> None:
    [given] = right.settings.tenants
    kept = {"clinic-patient": given.webhooks["clinic-patient"]}
    right.settings = right.settings.model_copy(update={"tenants": (given.model_copy(update={"webhooks": kept}),)})
    place = f"Subscription/{right.ids['Observation']}"
    assert found(await right.examined()) == {(Check.WEBHOOK_UNKNOWN, place), (Check.TYPE_MISSING, "Observation")}


@pytest.mark.parametrize(
    ("endpoint", "check"),
    [
        ("http://events.example/v1/webhooks/medplum/clinic-patient", Check.ENDPOINT_HTTP),
        ("https://10.0.0.7/v1/webhooks/medplum/clinic-patient", Check.ENDPOINT_PRIVATE),
        ("https://localhost/v1/webhooks/medplum/clinic-patient", Check.ENDPOINT_PRIVATE),
        ("https://[::1]/v1/webhooks/medplum/clinic-patient", Check.ENDPOINT_PRIVATE),
        ("https://events.example/v1/webhooks/medplum/clinic-patient/", Check.ENDPOINT_ELSEWHERE),
    ],
)
async def test_in_the_cloud_an_endpoint_is_https_public_and_exact(right: Clinic, endpoint: str, check: Check) -> None:
    secrets = {name: [s.get_secret_value() for s in given] for name, given in tenant().webhooks.items()}
    expected = Expected("https://events.example", secrets, ())
    one = right.there("Subscription", right.ids["Patient"])
    one["channel"]["endpoint"] = "https://events.example/v1/webhooks/medplum/clinic-patient"
    assert fires(ours([one])[0], expected)
    one["channel"]["endpoint"] = endpoint
    assert {finding.check for finding in judged(ours([one]), expected, {})} == {check}


async def test_what_others_subscribe_to_is_none_of_our_business(right: Clinic) -> None:
    foreign = {"type": "rest-hook", "endpoint": "http://other.example/hook"}
    subscription = {"resourceType": "Subscription", "status": "off", "criteria": "Nothing", "channel": foreign}
    right.medplum.create(PROJECT, subscription)
    assert await right.examined() == []


READ: dict[str, Any] = {"resourceType": "Patient", "interaction": ["read", "vread", "history"]}
PROVENANCES: dict[str, Any] = {"resourceType": "Provenance", "interaction": ["create", "search", "read"]}
RIGHTS: dict[str, tuple[str, list[dict[str, Any]], Check, str]] = {
    "the reader may write": (
        "reader",
        [{"resourceType": "*"}],
        Check.CLIENT_TOO_WIDE,
        "create, delete, update of Patient, Observation, AuditEvent",
    ),
    "the reader may not read a type": (
        "reader",
        [READ],
        Check.CLIENT_TOO_NARROW,
        "history, read, vread of Observation",
    ),
    "the sweeper may not search": (
        "sweeper",
        [{"resourceType": "*", "interaction": ["history"]}],
        Check.CLIENT_TOO_NARROW,
        "search of Patient, Observation",
    ),
    "the auditor may delete": (
        "auditor 1",
        [{"resourceType": "AuditEvent"}, PROVENANCES],
        Check.CLIENT_TOO_WIDE,
        "delete, update of AuditEvent",
    ),
    "the auditor sees patients": (
        "auditor 1",
        [{"resourceType": "AuditEvent", "interaction": ["create", "search", "read"]}, PROVENANCES, READ],
        Check.CLIENT_TOO_WIDE,
        "history, read, vread of Patient",
    ),
    "the auditor creates without searching": (
        "auditor 1",
        [{"resourceType": "AuditEvent", "interaction": ["create"]}, PROVENANCES],
        Check.CLIENT_TOO_NARROW,
        "read, search of AuditEvent",
    ),
    "the auditor may not say what a release is made of": (
        "auditor 1",
        [{"resourceType": "AuditEvent", "interaction": ["create", "search", "read"]}],
        Check.CLIENT_TOO_NARROW,
        "create, read, search of Provenance",
    ),
}


@pytest.mark.parametrize("what", RIGHTS)
async def test_a_client_that_may_too_much_or_too_little_is_found_out(right: Clinic, what: str) -> None:
    part, rules, check, at = RIGHTS[what]
    right.allow(part.partition(" ")[0], *rules)
    [finding] = await right.examined()
    assert (finding.check, finding.place, finding.at) == (check, f"tenant clinic: {part}", at)


async def test_without_an_operators_client_the_doctor_says_what_it_could_not_see(right: Clinic) -> None:
    right.deployment = right.deployment.model_copy(update={"operators": {}})
    assert {check for check, _ in found(await right.examined())} == {Check.CLIENT_UNSEEN}


async def test_a_client_that_medplum_refuses_is_named(right: Clinic) -> None:
    [given] = right.settings.tenants
    assert given.reader is not None
    gone = given.model_copy(update={"reader": given.reader.model_copy(update={"id": "gone"})})
    right.settings = right.settings.model_copy(update={"tenants": (gone,)})
    assert found(await right.examined()) == {(Check.CLIENT_REFUSED, "tenant clinic: reader")}


async def test_a_quota_that_is_nearly_spent_and_a_clock_that_is_wrong_are_seen() -> None:
    async with clinic(quota=3_000) as made:
        quotas = found(await made.examined())
        assert {check for check, _ in quotas} == {Check.QUOTA_LOW}
        assert {place for _, place in quotas} == {f"tenant clinic: {one}" for one in ("reader", "sweeper", "auditor 1")}
    async with clinic() as made:
        late = replace(made, now=lambda: made.now() + 45)
        assert found(await late.examined()) == {(Check.CLOCK_SKEW, "tenant clinic: Medplum")}


async def test_a_medplum_that_is_down_is_one_finding(right: Clinic) -> None:
    await right.medplum.stop()
    assert found(await right.examined()) == {(Check.MEDPLUM_DOWN, "tenant clinic: operators' client")}
