"""What R4 says of a resource's structure, each rule broken once; and what every well-behaved client stores passes."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.fhir.elements import resource_types
from shared.fhir.validation import Issue, Validator
from shared.fhir.validation.issue import RULES
from shared.fhir.validation.outcome import operation_outcome, refused
from shared.fhir.validation.structure import resource_issues
from shared.local.clinic import Clinic

VALIDATOR = Validator()
EXAMPLES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "medplum"

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "meta": {
        "versionId": "3c87c2be-89eb-4f85-bcd8-0a07204e1bed",
        "lastUpdated": "2026-11-23T10:41:55.279Z",
        "project": "4d135744-b70e-416a-9d4c-cae3d05fde06",
        "author": {"reference": "ClientApplication/c1", "display": "a client"},
        "compartment": [{"reference": "Patient/p1"}],
    },
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">72</div>'},
    "contained": [{"resourceType": "Device", "id": "d1"}],
    "extension": [{"url": "http://example.org/e", "valueString": "x"}],
    "status": "final",
    "category": [{"coding": [{"system": "http://example.org", "code": "vital-signs"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    "subject": {"reference": "Patient/p1"},
    "device": {"reference": "#d1"},
    "effectiveDateTime": "2026-11-23T10:41:55+01:00",
    "_effectiveDateTime": {"extension": [{"url": "http://example.org/p", "valueCode": "day"}]},
    "valueQuantity": {"value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    "component": [
        {"code": {"text": "systolic"}, "valueQuantity": {"value": 120.5}},
        {"code": {"text": "diastolic"}, "valueInteger": 80},
    ],
}
_ABSENT = {"extension": [{"url": "http://example.org/absent", "valueCode": "unknown"}]}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [{"family": "Family", "given": ["First", None], "_given": [None, _ABSENT]}],
    "gender": "female",
    "birthDate": "1980-02",
    "multipleBirthInteger": 2,
    "photo": [{"contentType": "image/png", "data": "aGVsbG8="}],
    "communication": [{"language": {"text": "English"}, "preferred": True}],
    "link": [{"other": {"reference": "Patient/p2"}, "type": "seealso"}],
}
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "not-found"}]}
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "batch-response",
    "entry": [
        {
            "fullUrl": "urn:uuid:3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "resource": PATIENT,
            "response": {"status": "200", "outcome": OUTCOME},
        }
    ],
}


CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "clinicalStatus": {
        "coding": [{"system": "http://example.org", "code": "on"}, {"system": CLINICAL, "code": "active"}]
    },
    "subject": {"reference": "Patient/p1"},
}
CLAIM_PRICE: dict[str, Any] = {
    "resourceType": "ChargeItem",
    "status": "billed",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p1"},
    "priceOverride": {"value": 5, "currency": "EUR"},
}


def issues(resource: dict[str, Any]) -> list[Issue]:
    return list(VALIDATOR.issues(resource))


def broken(resource: dict[str, Any], change: Callable[[Any], None]) -> list[tuple[str, str]]:
    """Rule and place of what a change breaks."""
    changed = copy.deepcopy(resource)
    change(changed)
    return [(issue.rule, issue.path) for issue in issues(changed)]


def test_an_id_beside_a_value_is_enough() -> None:
    assert issues(PATIENT | {"_birthDate": {"id": "x"}}) == []


def test_of_a_million_faults_a_hundred_are_told() -> None:
    hostile = PATIENT | {"name": [{}] * 50_000, "telecom": [{"system": "canary"} for _ in range(50_000)]}
    assert len(issues(hostile)) <= 100


def test_a_resource_within_python_cycles_has_an_end() -> None:
    extension: dict[str, Any] = {"url": "http://a"}
    extension["extension"] = [extension]
    assert "depth" in {issue.rule for issue in issues(PATIENT | {"extension": [extension]})}


@pytest.mark.parametrize(
    "good", [OBSERVATION, PATIENT, BUNDLE, CONDITION, CLAIM_PRICE], ids=lambda resource: resource["resourceType"]
)
def test_a_valid_resource_passes(good: dict[str, Any]) -> None:
    assert issues(good) == []


def test_everything_that_the_clinic_writes_passes() -> None:
    clinic, counted = Clinic(5), 0
    for operation in clinic.operations(400):
        if operation.action != "delete":
            stored = {**operation.resource(), "id": str(UUID(int=operation.handle))}
            stored["meta"] = {"versionId": str(UUID(int=operation.number)), "lastUpdated": "2026-11-23T10:41:55.279Z"}
            clinic.stored(operation, stored)
            assert issues(stored) == [], operation.type
            counted += 1
    assert counted > 300


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the recorded requests are not beside this checkout")
def test_everything_that_a_real_medplum_was_recorded_to_send_passes() -> None:
    hooks = json.loads((EXAMPLES / "golden-webhooks.json").read_text())
    resources = [json.loads(hook["body"]) for hook in hooks if hook["body"] not in ("", "{}")]
    assert len(resources) >= 10
    for resource in resources:
        assert issues(resource) == []


def _set(*path: Any) -> Callable[[Any], None]:
    """A change: the last item is put where the others lead."""
    *way, last, value = path

    def change(node: Any) -> None:
        for step in way:
            node = node[step]
        node[last] = value

    return change


def _drop(*path: Any) -> Callable[[Any], None]:
    *way, last = path

    def change(node: Any) -> None:
        for step in way:
            node = node[step]
        del node[last]

    return change


OBS, PAT, BUN = OBSERVATION, PATIENT, BUNDLE
CON, PRICE = CONDITION, CLAIM_PRICE
MUTANTS: dict[str, tuple[dict[str, Any], Callable[[Any], None], tuple[str, str]]] = {
    "an unknown type": (OBS, _set("resourceType", "Canary"), ("resource-type", "resourceType")),
    "no type": (OBS, _drop("resourceType"), ("resource-type", "resourceType")),
    "an unknown element": (OBS, _set("canary", 1), ("unknown-element", "Observation")),
    "an unknown element deep inside": (
        OBS,
        _set("component", 0, "canary", 1),
        ("unknown-element", "Observation.component[0]"),
    ),
    "a sibling of what is no primitive": (OBS, _set("_code", {"id": "x"}), ("unknown-element", "Observation")),
    "a choice of a type that is not allowed": (OBS, _set("valueUri", "x"), ("unknown-element", "Observation")),
    "two types of a choice": (OBS, _set("valueString", "x"), ("choice", "Observation.value")),
    "a required element missing": (OBS, _drop("status"), ("cardinality-min", "Observation.status")),
    "a required part missing": (
        OBS,
        _drop("component", 1, "code"),
        ("cardinality-min", "Observation.component[1].code"),
    ),
    "an object where an array is due": (
        OBS,
        _set("category", {"text": "x"}),
        ("cardinality-list", "Observation.category"),
    ),
    "an array where one value is due": (OBS, _set("status", ["final"]), ("cardinality-max", "Observation.status")),
    "an empty array": (OBS, _set("category", []), ("empty", "Observation.category")),
    "an empty object": (OBS, _set("code", {}), ("empty", "Observation.code")),
    "null": (OBS, _set("status", None), ("null", "Observation.status")),
    "null in an array of objects": (OBS, _set("category", [None]), ("null", "Observation.category[0]")),
    "a null without its sibling": (PAT, _drop("name", 0, "_given"), ("null", "Patient.name[0].given[1]")),
    "arrays of siblings that do not match": (
        PAT,
        _set("name", 0, "_given", [_ABSENT]),
        ("null", "Patient.name[0].given"),
    ),
    "a string for a boolean": (PAT, _set("active", "true"), ("json-type", "Patient.active")),
    "a number for a string": (PAT, _set("name", 0, "family", 5), ("json-type", "Patient.name[0].family")),
    "a string for a number": (
        OBS,
        _set("valueQuantity", "value", "72"),
        ("json-type", "Observation.valueQuantity.value"),
    ),
    "true for an integer": (PAT, _set("multipleBirthInteger", True), ("json-type", "Patient.multipleBirthInteger")),
    "a fraction for an integer": (
        PAT,
        _set("multipleBirthInteger", 1.5),
        ("json-type", "Patient.multipleBirthInteger"),
    ),
    "a string for an object": (OBS, _set("code", "8867-4"), ("json-type", "Observation.code")),
    "an integer beyond 32 bits": (PAT, _set("multipleBirthInteger", 2**31), ("format", "Patient.multipleBirthInteger")),
    "a day that never was": (PAT, _set("birthDate", "2023-02-29"), ("format", "Patient.birthDate")),
    "a date with a time": (PAT, _set("birthDate", "1980-02-03T10:00:00Z"), ("format", "Patient.birthDate")),
    "a time without a zone": (
        OBS,
        _set("effectiveDateTime", "2026-11-23T10:41:55"),
        ("format", "Observation.effectiveDateTime"),
    ),
    "an instant without seconds": (
        OBS,
        _set("meta", "lastUpdated", "2026-11-23T10:41Z"),
        ("format", "Observation.meta.lastUpdated"),
    ),
    "an id with a blank": (OBS, _set("id", "a b"), ("format", "Observation.id")),
    "an id that is too long": (OBS, _set("id", "a" * 65), ("format", "Observation.id")),
    "a URI with a blank": (OBS, _set("extension", 0, "url", "http://a b"), ("format", "Observation.extension[0].url")),
    "an empty string": (PAT, _set("name", 0, "family", ""), ("format", "Patient.name[0].family")),
    "a string of blanks": (PAT, _set("name", 0, "family", "  "), ("format", "Patient.name[0].family")),
    "a code with blanks around": (OBS, _set("status", " final"), ("format", "Observation.status")),
    "base64 that is none": (PAT, _set("photo", 0, "data", "a"), ("format", "Patient.photo[0].data")),
    "a code outside its value set": (OBS, _set("status", "canary"), ("required-binding", "Observation.status")),
    "another one": (PAT, _set("gender", "f"), ("required-binding", "Patient.gender")),
    "a nested code outside its set": (
        PAT,
        _set("link", 0, "type", "canary"),
        ("required-binding", "Patient.link[0].type"),
    ),
    "an extension with value and extensions": (
        OBS,
        _set("extension", 0, "extension", [{"url": "u", "valueBoolean": True}]),
        ("ext-1", "Observation.extension[0]"),
    ),
    "an extension with neither": (OBS, _drop("extension", 0, "valueString"), ("ext-1", "Observation.extension[0]")),
    "an extension without a URL": (
        OBS,
        _drop("extension", 0, "url"),
        ("cardinality-min", "Observation.extension[0].url"),
    ),
    "a contained resource that is not there": (
        OBS,
        _set("device", "reference", "#d2"),
        ("ref-1", "Observation.device"),
    ),
    "a contained resource in another": (
        OBS,
        _set("contained", 0, "contained", [{"resourceType": "Device"}]),
        ("dom-2", "Observation.contained[0]"),
    ),
    "a reference to a type that is not allowed": (
        OBS,
        _set("subject", "reference", "Medication/m1"),
        ("reference-target", "Observation.subject"),
    ),
    "a bundle's entry that is no resource": (
        BUN,
        _set("entry", 0, "resource", "resourceType", "Canary"),
        ("resource-type", "Bundle.entry[0].resource"),
    ),
    "a code of another system": (
        CON,
        _set("clinicalStatus", "coding", 1, "system", "http://snomed.info/sct"),
        ("required-binding", "Condition.clinicalStatus"),
    ),
    "a code without its system": (
        CON,
        _drop("clinicalStatus", "coding", 1, "system"),
        ("required-binding", "Condition.clinicalStatus"),
    ),
    "text where a code is required": (
        CON,
        _set("clinicalStatus", {"text": "active"}),
        ("required-binding", "Condition.clinicalStatus"),
    ),
    "a currency that is none": (
        PRICE,
        _set("priceOverride", "currency", "EURO"),
        ("required-binding", "ChargeItem.priceOverride.currency"),
    ),
    "a media type that is none": (
        PAT,
        _set("photo", 0, "contentType", "picture"),
        ("required-binding", "Patient.photo[0].contentType"),
    ),
    "a comparator on a simple quantity": (
        OBS,
        _set("referenceRange", [{"low": {"value": 5, "comparator": "<"}}]),
        ("sqty-1", "Observation.referenceRange[0].low"),
    ),
    "an element of an id alone": (OBS, _set("code", {"id": "x"}), ("ele-1", "Observation.code")),
    "a primitive of an id alone": (PAT, _set("_deceasedBoolean", {"id": "x"}), ("ele-1", "Patient.deceasedBoolean")),
    "siblings of nulls": (PAT, _set("name", 0, "_given", [None, None]), ("empty", "Patient.name[0].given")),
    "a sibling that is none": (PAT, _set("_birthDate", "x"), ("json-type", "Patient.birthDate")),
    "an invariant inside a bundle's entry": (
        BUN,
        _set("entry", 0, "resource", "contact", [{"gender": "male"}]),
        ("pat-1", "Bundle.entry[0].resource.contact[0]"),
    ),
    "a script in a narrative": (
        OBS,
        _set("text", "div", '<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>'),
        ("txt-1", "Observation.text.div"),
    ),
    "a unit that is none": (OBS, _set("valueQuantity", "code", "per min"), ("ucum", "Observation.valueQuantity")),
    "a dangling value of a resource": (BUN, _set("entry", 0, "resource", 5), ("json-type", "Bundle.entry[0].resource")),
    "an error inside a bundle's entry": (
        BUN,
        _set("entry", 0, "resource", "gender", "canary"),
        ("required-binding", "Bundle.entry[0].resource.gender"),
    ),
}


@pytest.mark.parametrize("why", MUTANTS)
def test_a_broken_rule_is_found_where_it_is_broken(why: str) -> None:
    resource, change, expected = MUTANTS[why]
    assert expected in broken(resource, change)


def test_a_reference_to_a_resource_of_medplums_own_is_only_a_warning() -> None:
    changed = OBSERVATION | {"subject": {"reference": "ClientApplication/c1"}}
    assert [issue.severity for issue in issues(changed)] == ["warning"]
    assert not refused(issues(changed))


@pytest.mark.parametrize("name", sorted(resource_types()))
def test_every_type_of_r4_asks_for_what_it_requires_and_refuses_what_it_does_not_know(name: str) -> None:
    found = broken({"resourceType": name}, _set("canaryElement", 1))
    assert ("unknown-element", name) in found
    assert all(rule in ("unknown-element", "cardinality-min") for rule, _ in found)


def test_what_is_found_never_quotes_what_was_given() -> None:
    canary = {
        "resourceType": "Patient",
        "Canarykey": "Canary",
        "gender": "Canary",
        "birthDate": "Canary",
        "name": [{"family": ["Canary"], "Canary": 1}],
        "extension": [{"url": "http://a Canary"}],
    }
    text = json.dumps(operation_outcome(issues(canary)))
    assert len(issues(canary)) >= 6
    assert "Canary" not in text


def test_an_outcome_is_itself_a_valid_resource() -> None:
    outcome = operation_outcome(issues(OBSERVATION | {"status": "canary"}))
    assert issues(outcome) == []
    assert issues(operation_outcome([])) == []


def test_every_rule_has_a_type_that_fhir_knows() -> None:
    every = operation_outcome([Issue("error", rule, "Patient") for rule in RULES])
    assert issues(every) == []


def test_nesting_has_an_end() -> None:
    node: dict[str, Any] = {"url": "http://a", "valueBoolean": True}
    for _ in range(150):
        node = {"url": "http://a", "extension": [node]}
    assert "depth" in {
        issue.rule for issue in issues({"resourceType": "Basic", "code": {"text": "x"}, "extension": [node]})
    }


_KEYS = st.sampled_from(
    ["resourceType", "id", "name", "_name", "valueString", "extension", "code", "reference", "Canarykey"]
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("Canary"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=15,
)


@given(st.sampled_from(["Patient", "Observation", "Bundle", "Questionnaire"]), st.dictionaries(_KEYS, _ANY, max_size=6))
def test_whatever_is_given_is_judged_without_an_exception_and_without_a_quote(
    name: str, content: dict[str, Any]
) -> None:
    text = json.dumps(operation_outcome(issues(content | {"resourceType": name})))
    assert "Canary" not in text


@pytest.mark.parametrize("levels", range(94, 104))
def test_a_lone_reference_lies_no_deeper_than_any_other_object(levels: int) -> None:
    def rules(name: str, value: object) -> set[str]:
        held: dict[str, object] = {"url": "http://example.org/e", name: value}
        for _ in range(levels):
            held = {"url": "http://example.org/e", "extension": [held]}
        return {
            one.rule for one in resource_issues({"resourceType": "Basic", "code": {"text": "x"}, "extension": [held]})
        }

    assert rules("valueReference", {"reference": "Patient/p1"}) == rules("valueCoding", {"code": "x"})
