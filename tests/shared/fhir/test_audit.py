"""Every AuditEvent that the service writes is R4, as its BALP profile has it, joins with Medplum's, and says whose it is."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from shared.events.data import Accessed, Act, Disclosure, ErasureOrdered, OperationAudited
from shared.fhir.audit import Site, audit_event, erasure_event, operation_event
from shared.fhir.subject import patient_of
from shared.fhir.validation import Validator
from shared.phi import Phi
from tests.balp import PROFILES, broken, claimed

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
TRACE = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
SITE = Site("https://clinical.example", "https://medplum.example", "https://bigquery.googleapis.com")
TO = Disclosure(tenant="clinic", key_id="k1", policy="safe-harbor", policy_hash="b3" * 16)
VALIDATOR = Validator()


def act(action: Any, type: str = "Observation", patient: str | None = "p1", **more: Any) -> Act:
    given: dict[str, Any] = {"id": "o1", "version": "v1", "disclosure": None} | more
    return Act(
        event="ac" * 32,
        correlation=TRACE,
        type=type,
        patient=patient,
        action=action,
        handler="deid",
        purpose="de-identification",
        at=NOW,
        **given,
    )


def acted(action: Any, **more: Any) -> Any:
    return audit_event(act(action, **more), SITE, correlation=TRACE)


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
        at=NOW,
    )
    return audit_event(old, SITE, correlation=TRACE)


def operated(action: Any) -> Any:
    said = OperationAudited(
        project="clinic",
        action=action,
        stage="ended",
        plan="5f" * 16,
        messages=12,
        by="ann@clinic.example",
        reason="INC-12",
        outcome="done",
        at=NOW,
    )
    return operation_event(said, correlation=TRACE)


def erased() -> Any:
    order = ErasureOrdered(
        project="clinic", patient="p1", order="6e" * 16, round=1, dry_run=False, by="ann", reason="request 12", at=NOW
    )
    return erasure_event(order, correlation=TRACE)


WRITTEN: dict[str, tuple[Callable[[], Any], str | None]] = {
    "a version read of a patient's": (lambda: acted("vread"), "PatientRead"),
    "a version read of nobody's": (lambda: acted("vread", type="Practitioner", patient=None), "Read"),
    "a patient's record read for its text": (lambda: acted("read", type="Patient", version=None), "PatientRead"),
    "a history read to confirm a deletion": (lambda: acted("history", version=None, patient=None), None),
    "a walk over resources": (lambda: acted("search", id=None, version=None, patient=None), "Query"),
    "a row of a patient's that leaves": (lambda: acted("disclose", disclosure=TO), "PrivacyDisclosure.Source"),
    "a row of nobody's that leaves": (lambda: acted("disclose", patient=None, disclosure=TO), None),
    "a deletion that is told": (lambda: acted("delete", patient=None, disclosure=TO), None),
    "the deletion of a patient that is told": (lambda: acted("delete", type="Patient", disclosure=TO), None),
    "an access of before": (before, "Read"),
    **{f"an operator's {a}": (partial(operated, a), None) for a in ("replay", "purge", "approve", "cancel", "erase")},
    "an order to erase": (erased, None),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_it_is_r4_it_is_what_its_profile_asks_for_and_it_joins_with_medplums_own_by_the_trace(what: str) -> None:
    make, profile = WRITTEN[what]
    event = make()
    assert claimed(event) == ([profile] if profile else [])
    assert list(broken(event)) == []
    assert [issue for issue in VALIDATOR.issues(event) if issue.severity in ("error", "fatal")] == []
    [tracing] = event["extension"]
    assert tracing["url"] == "https://medplum.com/fhir/StructureDefinition/tracing"
    assert tracing["extension"] == [{"url": "traceId", "valueId": TRACE}]


def test_every_profile_that_we_claim_is_looked_at_and_every_rule_of_ours_is_met_by_something() -> None:
    assert {profile for _, profile in WRITTEN.values() if profile} == set(PROFILES)


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
    event = copy.deepcopy(acted("disclose", disclosure=TO))
    SPOILED[rule](event)
    assert f"PrivacyDisclosure.Source: {rule}" in list(broken(event))


def test_a_disclosure_says_whose_row_it_was_under_which_policy_and_to_which_dataset() -> None:
    event = acted("disclose", disclosure=TO)
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
