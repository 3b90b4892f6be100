"""Every AuditEvent that the service writes is R4, as its BALP profile has it, joins with Medplum's, and says whose it is."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from handlers.audited import ACTS, act
from shared.events.data import Accessed, Disclosure
from shared.fhir.audit import Site, audit_event
from shared.fhir.subject import patient_of
from shared.fhir.validation import Validator
from shared.phi import Phi
from tests.balp import PROFILES, broken, claimed

VALIDATOR = Validator()
SITE = Site("https://clinical.example", "https://medplum.example", "https://bigquery.googleapis.com")
TRACE = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
TO = Disclosure(tenant="clinic", key_id="k1", policy="safe-harbor", policy_hash="b3" * 16)


def disclosed() -> Any:
    return audit_event(act("disclose", disclosure=TO), SITE, correlation=TRACE)


def before() -> Any:
    """As an access of before they travelled together becomes one."""
    old = Accessed(
        project="p",
        type="Patient",
        id="p1",
        version="v1",
        action="vread",
        handler="deid",
        purpose="validation",
        at=datetime(2026, 11, 23, 10, tzinfo=UTC),
    )
    return audit_event(old, SITE, correlation=TRACE)


WRITTEN: dict[str, Callable[[], Any]] = {one.what: one.make for one in ACTS} | {"an access of before": before}


@pytest.mark.parametrize("what", WRITTEN)
def test_it_is_r4_it_is_what_its_profile_asks_for_and_it_joins_with_medplums_own_by_the_trace(what: str) -> None:
    event = WRITTEN[what]()
    assert list(broken(event)) == []
    assert [issue for issue in VALIDATOR.issues(event) if issue.severity in ("error", "fatal")] == []
    [tracing] = event["extension"]
    assert tracing["url"] == "https://medplum.com/fhir/StructureDefinition/tracing"
    assert tracing["extension"] == [{"url": "traceId", "valueId": TRACE}]


def test_each_profile_is_claimed_where_it_fits_and_nowhere_else() -> None:
    claims = {one.what: one.profile for one in ACTS if one.profile}
    assert claims == {
        "a patient's version is read": "PatientRead",
        "nobody's version is read": "Read",
        "a patient's record is read for a text about him": "PatientRead",
        "resources are walked over": "Query",
        "a patient's row leaves": "PrivacyDisclosure.Source",
    }
    assert set(claims.values()) == set(PROFILES)
    assert all(claimed(one.make()) == [one.profile] for one in ACTS if one.profile)


def _without(*path: str | int | slice) -> Callable[[Any], None]:
    def change(event: Any) -> None:
        for step in path[:-1]:
            event = event[step]
        del event[path[-1]]

    return change


def _put(value: object, *path: str | int) -> Callable[[Any], None]:
    def change(event: Any) -> None:
        for step in path[:-1]:
            event = event[step]
        event[path[-1]] = value

    return change


SPOILED: dict[str, Callable[[Any], None]] = {
    "entity[patient] 1..1": _put({"reference": "Person/p1"}, "entity", 0, "what"),
    "entity 2..*": _without("entity", slice(1, None)),
    "agent 2..*": _without("agent", 1),
    "agent[source]: who, network": _without("agent", 0, "network"),
    "agent[destination]: who, network": _without("agent", 1, "who"),
    "val-audit-source: the source agent is who observed": _put({"display": "other"}, "source", "observer"),
    "subtype has disclose": _put([], "subtype"),
    "action is R": _put("C", "action"),
    "type is Export": _put({"system": "x", "code": "rest"}, "type"),
    "outcome 1..1": _without("outcome"),
    "recorded 1..1": _without("recorded"),
    "no modifierExtension": _put([], "modifierExtension"),
}


@pytest.mark.parametrize("rule", PROFILES["PrivacyDisclosure.Source"])
def test_a_disclosure_that_breaks_a_rule_is_noticed(rule: str) -> None:
    event = copy.deepcopy(disclosed())
    SPOILED[rule](event)
    assert f"PrivacyDisclosure.Source: {rule}" in list(broken(event))


def test_a_disclosure_says_whose_row_it_was_under_which_policy_and_to_which_dataset() -> None:
    event = disclosed()
    patient, data, policy = event["entity"]
    assert patient["what"] == {"reference": "Patient/p1"}
    assert data["what"] == {"reference": "Observation/o1/_history/v1"}
    assert policy["what"]["identifier"] == {"system": "urn:starvit:policy:safe-harbor", "value": TO.policy_hash}
    assert event["agent"][1]["who"] == {"identifier": {"system": "urn:starvit:dataset", "value": "clinic/k1"}}
    assert event["purposeOfEvent"][0]["text"] == "de-identification"


@pytest.mark.parametrize(
    ("resource", "patient"),
    [
        ({"subject": {"reference": "Patient/p1"}}, "p1"),
        ({"patient": {"reference": "Patient/p1/_history/3"}}, "p1"),
        ({"beneficiary": {"reference": "Patient/p1"}, "subject": {"reference": "Group/g"}}, "p1"),
        ({"subject": {"reference": "Group/g1"}}, None),
        ({"subject": {"reference": "https://elsewhere.example/Patient/p1"}}, None),
        ({"subject": {"identifier": {"value": "MRN 1"}}}, None),
        ({"subject": {"reference": "Patient/.."}}, None),
        ({"subject": {"reference": "Patient/p1?x"}}, None),
        ({"subject": ["Patient/p1"]}, None),
        ({}, None),
    ],
)
def test_whose_a_resource_is_is_what_it_says_first_if_that_is_an_id_of_this_medplum(
    resource: dict[str, object], patient: str | None
) -> None:
    assert patient_of("Observation", "o1", Phi(resource)) == patient


def test_a_patient_is_his_own_even_when_nothing_came() -> None:
    assert patient_of("Patient", "p1", None) == "p1"
    assert patient_of("Observation", "o1", None) is None
