"""Ids and references: rows join each other, and nothing joins back."""

import copy
import pickle

import pytest

from shared.deid.pseudonyms import Pseudonyms
from tests.shared.deid.doors import KEY, OTHER_KEY, POLICIES, door, leaves

UUID = "0a1b2c3d-0000-4000-8000-00000000abcd"
PATIENT = {"resourceType": "Patient", "id": "p1"}


def _subject(reference: dict[str, object], of: str = "Observation", policy: str = "safe-harbor") -> object:
    return leaves({"resourceType": of, "subject": reference}, policy).get("subject")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/7",
        "https://ehr.example.org/fhir/R4/Patient/p1",
        "http://h/Patient/p1/_history/2",
    ],
)
def test_an_observation_joins_its_patient_however_it_is_referenced(reference: str, policy: str) -> None:
    patient = door(policy).deidentify(PATIENT)
    assert _subject({"reference": reference}, policy=policy) == {"reference": f"Patient/{patient['id']}"}


def test_a_urn_joins_where_only_one_type_fits_or_the_type_is_said() -> None:
    patient = door().deidentify({"resourceType": "Patient", "id": UUID})
    urn = f"urn:uuid:{UUID.upper()}"
    joined = leaves({"resourceType": "AllergyIntolerance", "patient": {"reference": urn}})["patient"]
    assert joined == {"reference": f"Patient/{patient['id']}"}
    said = _subject({"reference": urn, "type": "Patient"})
    assert said == {"reference": f"Patient/{patient['id']}", "type": "Patient"}


def test_a_urn_of_an_unknown_type_leaves_as_another_urn_always_the_same() -> None:
    first, second = (
        _subject({"reference": reference}) for reference in (f"urn:uuid:{UUID}", f"urn:uuid:{UUID.upper()}")
    )
    assert isinstance(first, dict)
    assert first == second
    assert first["reference"].startswith("urn:uuid:")
    assert UUID not in first["reference"]


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "#contained"},
        {"reference": "Patient?identifier=urn:mrn|123456"},
        {"reference": "Patient/p1?x=1"},
        {"reference": "Patient/p1#name"},
        {"reference": "Patient/John Smith"},
        {"reference": "Patient/p1\n"},
        {"reference": "Smith/p1"},
        {"reference": "urn:uuid:John-Smith"},
        {"reference": ["Patient/p1"]},
        {"identifier": {"system": "urn:mrn", "value": "123456"}},
        {"display": "John Smith"},
        {"type": "Patient"},
    ],
)
def test_a_reference_that_names_no_row_stays_behind(reference: dict[str, object]) -> None:
    assert _subject(reference) is None


def test_display_identifier_and_a_strange_type_stay_behind() -> None:
    safe = _subject({"reference": "Patient/p1", "display": "John", "identifier": {"value": "1"}, "type": "John Smith"})
    assert isinstance(safe, dict)
    assert safe.keys() == {"reference"}


def test_the_same_input_gives_the_same_output_and_another_key_shares_no_identifier() -> None:
    resource = {
        "resourceType": "Encounter",
        "id": "e1",
        "subject": {"reference": "Patient/p1"},
        "serviceProvider": {"reference": f"urn:uuid:{UUID}"},
        "partOf": {"reference": "Encounter/e0"},
    }
    ours, again, theirs = (door(key=key).deidentify(resource) for key in (KEY, KEY, OTHER_KEY))
    assert ours == again
    for name in ("id", "subject", "serviceProvider", "partOf"):
        assert ours[name] != theirs[name]


def test_pseudonyms_of_different_uses_have_nothing_in_common() -> None:
    names = Pseudonyms(KEY, "k1")
    same = "Patient/p1"
    made = [
        names.id("Patient", "p1"),
        names.version("Patient", "p1", "1"),
        names.token(same),
        names.event(same)[:32],
        names.urn(same).replace("-", ""),
        names.correlation(same).replace("-", ""),
    ]
    assert len(set(made)) == len(made)


def test_the_offset_is_the_same_for_a_patient_and_never_zero() -> None:
    names = Pseudonyms(KEY, "k1")
    days = [names.days(names.id("Patient", str(number))) for number in range(20_000)]
    assert 0 not in days
    assert (min(days), max(days)) == (-365, 365)
    assert len(set(days)) == 730


def test_the_key_has_no_text_form_and_is_not_short() -> None:
    names = Pseudonyms(KEY, "k1")
    assert repr(names) == "Pseudonyms(key_id='k1')"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(names)
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonyms(b"short", "k1")
