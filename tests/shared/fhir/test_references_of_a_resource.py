"""What a reference may point at: by its text, by what is contained, by the bundle around it."""

import copy
from typing import Any

import pytest

from shared.fhir.validation import Validator

type Json = dict[str, Any]

UUID = "urn:uuid:3fa85f64-5717-4562-b3fc-2c963f66afa6"
OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p1"},
}


def told(resource: Json) -> list[tuple[str, str, str]]:
    return [(issue.severity, issue.rule, issue.path) for issue in Validator().issues(resource)]


def of_subject(reference: Json) -> list[tuple[str, str]]:
    return [(severity, rule) for severity, rule, _ in told(OBSERVATION | {"subject": reference})]


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "Patient/p1"},
        {"reference": "Patient/p1/_history/3", "type": "Patient"},
        {"reference": "https://elsewhere.org/fhir/Group/g1"},
        {"reference": "https://elsewhere.org/patients?nr=5"},
        {"reference": "Patient?identifier=http://example.org|5"},
        {"reference": UUID},
        {"reference": "urn:oid:1.2.3"},
        {"identifier": {"value": "5"}},
        {"display": "someone"},
        {"type": "Patient", "display": "someone"},
    ],
)
def test_a_reference_of_a_type_that_the_element_allows_passes(reference: Json) -> None:
    assert of_subject(reference) == []


@pytest.mark.parametrize(
    "reference, rule",
    [
        ({"reference": "Medication/m1"}, "reference-target"),
        ({"reference": "Canary/m1"}, "reference-target"),
        ({"reference": "https://elsewhere.org/fhir/Medication/m1"}, "reference-target"),
        ({"reference": "Medication?code=5"}, "reference-target"),
        ({"reference": "Patient/p1", "type": "Group"}, "reference-type"),
        ({"reference": "#nobody"}, "ref-1"),
        ({"reference": "Patient"}, "reference-form"),
        ({"reference": "Patient/"}, "reference-form"),
        ({"reference": "Patient/p 1"}, "reference-form"),
        ({"reference": "someone"}, "reference-form"),
    ],
)
def test_any_other_is_an_error(reference: Json, rule: str) -> None:
    assert of_subject(reference) == [("error", rule)]


def test_what_medplum_writes_of_its_own_resources_is_a_warning_where_r4_names_targets() -> None:
    assert of_subject({"reference": "ClientApplication/c1"}) == [("warning", "reference-target")]
    meta = {"author": {"reference": "ClientApplication/c1"}, "compartment": [{"reference": "Project/x"}]}
    assert told(OBSERVATION | {"meta": meta}) == []


def test_what_hl7s_own_examples_do_is_a_warning() -> None:
    assert told(OBSERVATION | {"performer": [{"reference": "Encounter/e1"}]}) == [
        ("warning", "reference-target", "Observation.performer[0]")
    ]


def test_a_contained_resource_counts_by_its_type() -> None:
    patient, device = {"resourceType": "Patient", "id": "in"}, {"resourceType": "Medication", "id": "in"}
    given = OBSERVATION | {"subject": {"reference": "#in"}}
    assert told(given | {"contained": [patient]}) == []
    assert told(given | {"contained": [device]}) == [("error", "reference-target", "Observation.subject")]


def test_contained_resources_may_refer_to_each_other_in_a_circle_and_to_their_container() -> None:
    link = {"type": "seealso"}
    circle = [
        {"resourceType": "Patient", "id": one, "link": [link | {"other": {"reference": f"#{other}"}}]}
        for one, other in (("a", "b"), ("b", "a"))
    ]
    back = {"resourceType": "Provenance", "id": "c", "recorded": "2020-01-01T00:00:00Z", "target": [{"reference": "#"}]}
    back["agent"] = [{"who": {"display": "x"}}]
    assert told(OBSERVATION | {"subject": {"reference": "#a"}, "contained": [*circle, back]}) == []


def test_in_a_bundle_a_urn_counts_by_the_type_of_its_entry() -> None:
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": UUID, "resource": {"resourceType": "Patient", "id": "p1"}},
            {"resource": OBSERVATION | {"subject": {"reference": UUID}}},
        ],
    }
    assert told(bundle) == []
    other = copy.deepcopy(bundle)
    other["entry"][0]["resource"] = {"resourceType": "Practitioner", "id": "p1"}
    assert told(other) == [("error", "reference-target", "Bundle.entry[1].resource.subject")]


def test_what_one_entry_contains_is_not_there_for_another() -> None:
    within = OBSERVATION | {"contained": [{"resourceType": "Patient", "id": "in"}], "subject": {"reference": "#in"}}
    entries = [{"resource": within}, {"resource": OBSERVATION | {"subject": {"reference": "#in"}}}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    assert told(bundle) == [("error", "ref-1", "Bundle.entry[1].resource.subject")]
