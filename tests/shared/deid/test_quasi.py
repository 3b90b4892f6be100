"""risk.toml: its places are where the door really puts things, and it has no part in what leaves."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from shared.deid import policy, quasi
from shared.deid.door import Door
from shared.deid.pseudonyms import Pseudonyms

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
OMB = "urn:oid:2.16.840.1.113883.6.238"


def _coded(url: str, code: str) -> dict[str, object]:
    return {"url": url, "valueCoding": {"system": OMB, "code": code}}


PATIENT: dict[str, object] = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Nobody"}],
    "gender": "female",
    "birthDate": "1950-06-15",
    "address": [{"state": "MA", "postalCode": "02139", "country": "US"}, {"state": "VT", "postalCode": "05401"}],
    "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}}],
    "maritalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}],
    },
    "deceasedBoolean": False,
    "multipleBirthBoolean": True,
    "extension": [
        {
            "url": f"{US_CORE}/us-core-race",
            "extension": [_coded("ombCategory", "2106-3"), _coded("detailed", "1010-8")],
        },
        {
            "url": f"{US_CORE}/us-core-ethnicity",
            "extension": [_coded("ombCategory", "2135-2"), _coded("detailed", "2148-5")],
        },
    ],
}
ELDER = PATIENT | {"birthDate": "1925-01-01", "deceasedDateTime": "2020-03-04", "multipleBirthInteger": 2}
DOOR = Door("north", policy.load("safe-harbor"), Pseudonyms(b"k" * 32, "k1"), lambda: date(2026, 5, 1))
MOVING = Door("north", policy.load("expert"), Pseudonyms(b"k" * 32, "k1"), lambda: date(2026, 5, 1))
ACQUAINTANCE = quasi.load().sets["acquaintance"]


def _known(door: Door, patient: dict[str, object]) -> dict[str, list[str]]:
    safe = door.deidentify(patient)
    return {
        column.id: sorted(value for place in column.places for value in place.values(safe))
        for column in ACQUAINTANCE.columns
    }


def test_every_column_is_found_in_what_the_door_lets_out() -> None:
    assert _known(DOOR, PATIENT) == {
        "birth-year": ["1950"],
        "sex": ["female"],
        "zip3": ["021", "054"],
        "state": ["MA", "VT"],
        "race": ["1010-8", "2106-3"],
        "ethnicity": ["2135-2", "2148-5"],
        "language": ["en"],
        "marriage": ["M"],
        "death": ["false"],
        "twin": ["true"],
    }


def test_an_age_over_89_and_a_year_of_death_are_found_as_well() -> None:
    known = _known(DOOR, ELDER)
    assert known["birth-year"] == ["true"]
    assert "2020" in known["death"]


def test_of_a_moved_date_the_year_is_what_counts() -> None:
    assert _known(MOVING, PATIENT)["birth-year"][0] in {"1949", "1950", "1951"}


def test_the_diagnoses_of_a_patient_are_found() -> None:
    condition: dict[str, object] = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}], "text": "Nobody has it"},
    }
    safe, sensitive = DOOR.deidentify(condition), ACQUAINTANCE.sensitive
    assert sensitive.place.values(safe) == {"44054006"}
    assert sensitive.patient.values(safe) == {f"Patient/{DOOR.deidentify(PATIENT)['id']}"}


def test_every_set_and_column_says_why() -> None:
    questions = quasi.load()
    assert all(
        one.why and one.sensitive.why and all(column.why for column in one.columns) for one in questions.sets.values()
    )


def test_what_is_measured_has_no_part_in_what_leaves(tmp_path: Path) -> None:
    folder = tmp_path / "deid"
    shutil.copytree(policy.FOLDER, folder)
    (folder / "risk.toml").unlink()
    for name in policy.NAMES:
        assert policy.load(name, folder).hash == policy.load(name).hash


@pytest.mark.parametrize(
    "text",
    ["Patient", "gender", "Patient.address[0].state", "Patient.x'", 'Patient.extension["a\'b"].x', "Patient.a.", ""],
)
def test_a_place_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no such form"):
        quasi.place(text)


def test_what_is_not_of_the_expected_shape_has_no_value() -> None:
    place = quasi.place("Patient.address[*].state")
    for resource in ({}, {"address": "x"}, {"address": {"state": "MA"}}, {"address": ["x", {"state": ["MA"]}, {}]}):
        assert place.values(resource) == frozenset()
    assert place.values({"address": [{"state": "MA"}, {"state": "MA"}]}) == {"MA"}
