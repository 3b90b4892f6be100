"""Codes, units and numbers: what says the same of everyone leaves, what names somebody does not."""

import pytest

from shared.deid.terminology import loinc, sctid
from tests.shared.deid.doors import leaves

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"


def _code(system: object, code: object, **more: object) -> object:
    concept = {"coding": [{"system": system, "code": code, "display": "John Smith", **more}], "text": "of John Smith"}
    return leaves({"resourceType": "Condition", "code": concept}).get("code")


@pytest.mark.parametrize(
    "system, code",
    [
        (LOINC, "8480-6"),
        (LOINC, "LA6576-8"),
        (SNOMED, "73211009"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "314076"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "E11.9"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "S72.001A"),
        ("http://hl7.org/fhir/sid/icd-10", "I10"),
        ("http://www.cms.gov/Medicare/Coding/ICD10", "0DTJ4ZZ"),
        ("http://hl7.org/fhir/sid/cvx", "140"),
        ("http://www.ama-assn.org/go/cpt", "99213"),
        ("http://hl7.org/fhir/sid/ndc", "0069-2587-10"),
        ("http://www.whocc.no/atc", "C09AA05"),
        ("urn:oid:2.16.840.1.113883.6.238", "2106-3"),
        ("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB"),
        ("http://hl7.org/fhir/us/core/CodeSystem/condition-category", "health-concern"),
    ],
)
def test_a_code_of_a_known_system_leaves_and_nothing_with_it(system: str, code: str) -> None:
    assert _code(system, code, version="1", userSelected=True, id="x") == {"coding": [{"system": system, "code": code}]}


@pytest.mark.parametrize(
    "system, code",
    [
        (LOINC, "8480-7"),
        (LOINC, "Smith"),
        (LOINC, "617-5550100"),
        (SNOMED, "73211008"),
        (SNOMED, "123456789"),
        (SNOMED, "73211009 |Diabetes of John Smith|"),
        (SNOMED, "73211009\n"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "123-45-6789"),
        ("http://terminology.hl7.org/CodeSystem/observation-category", "Smith"),
        ("http://terminology.hl7.org/CodeSystem/John-Smith", "laboratory"),
        ("http://hl7.org/fhir/John", "Smith"),
        ("urn:oid:1.2.840.114350.1.13.0.1.7.2.657380", "Smith"),
        ("http://clinic.example.org/codes", "DM2"),
        (None, "73211009"),
        (SNOMED, 73211009),
        ([SNOMED], "73211009"),
    ],
)
def test_what_is_no_code_of_a_known_system_stays_behind(system: object, code: object) -> None:
    assert _code(system, code) is None


def test_a_system_leaves_under_its_usual_name() -> None:
    assert _code("urn:oid:2.16.840.1.113883.6.96", "73211009") == {"coding": [{"system": SNOMED, "code": "73211009"}]}


def test_of_several_codings_the_known_ones_leave() -> None:
    codings = [{"system": "urn:local", "code": "x"}, {"system": SNOMED, "code": "73211009"}, "junk", None]
    safe = leaves({"resourceType": "Condition", "code": {"coding": codings}})
    assert safe == {"code": {"coding": [{"system": SNOMED, "code": "73211009"}]}}


def test_a_status_leaves_only_with_a_code_of_its_value_set() -> None:
    assert leaves({"resourceType": "Observation", "status": "final"}) == {"status": "final"}
    for status in ("Final", "final ", "John", "", None, ["final"], {"value": "final"}):
        assert leaves({"resourceType": "Observation", "status": status}) == {}


def test_check_digits_tell_codes_from_numbers() -> None:
    assert all(map(loinc, ("8480-6", "718-7", "2345-7", "85354-9", "29463-7")))
    assert not any(map(loinc, ("8480-5", "718-8", "2354-7")))
    assert all(map(sctid, ("73211009", "44054006", "38341003", "22298006", "840539006", "6142004")))
    assert not any(map(sctid, ("73211000", "44054060", "123456789", "900000000000013009"[:-1] + "8")))
    assert sum(sctid(str(number)) for number in range(100_000_000, 100_050_000)) < 150  # one in 500


def _quantity(**parts: object) -> object:
    return leaves({"resourceType": "Observation", "valueQuantity": parts}).get("valueQuantity")


@pytest.mark.parametrize(
    "unit",
    [
        "mm[Hg]", "/min", "%", "kg/m2", "10*3/uL", "mL/min/{1.73_m2}", "[degF]", "Cel", "meq/L", "[iU]/mL", "{score}",
        "ug/dL", "[lb_av]", "1", "[in_i]", "[pH]", "{INR}", "nmol/mmol{creat}", "(mg/dL)/h", "L/min", "a", "mg", "10*-6",
        "u[IU]/mL", "cm[H2O]",
    ],
)  # fmt: skip
def test_a_measured_amount_leaves_with_its_ucum_unit(unit: str) -> None:
    full = {"value": 7.25, "comparator": "<", "unit": unit, "system": UCUM, "code": unit}
    assert _quantity(**full) == full


@pytest.mark.parametrize(
    "unit",
    [
        "{John Smith}",
        "{617-555-0100}",
        "Smith",
        "mg John",
        "",
        "/",
        "mg/",
        "123456789",
        "((mg)",
        "mg)",
        "m\n",
        "[Smith]",
        "a" * 99,
    ],
)
def test_a_unit_that_is_none_stays_behind_and_the_number_goes(unit: str) -> None:
    assert _quantity(value=7.25, unit=unit, system=UCUM, code=unit) == {"value": 7.25}


def test_a_unit_in_words_stays_behind() -> None:
    assert _quantity(value=5, unit="tablets for John", comparator="about") == {"value": 5}
    assert _quantity(value=5, unit="mg/dL") == {"value": 5, "unit": "mg/dL"}
    assert _quantity(value=5, unit="mg", system="urn:local", code="milli") == {"value": 5, "unit": "mg"}
    assert _quantity(value=5, unit="milligram", system=UCUM, code="mg") == {"value": 5, "system": UCUM, "code": "mg"}


@pytest.mark.parametrize(
    "value", ["7", True, None, [7], {"value": 7}, 10**12, 10**400, float("nan"), float("inf"), 6175550100]
)
def test_what_is_no_amount_stays_behind(value: object) -> None:
    assert _quantity(value=value, unit="x") is None


def test_a_large_count_leaves_with_its_unit() -> None:
    assert _quantity(value=5_000_000_000, system=UCUM, code="{copies}/mL") == {
        "value": 5_000_000_000,
        "system": UCUM,
        "code": "{copies}/mL",
    }


@pytest.mark.parametrize(
    "value, safe", [(7, True), (-3, True), (0, True), (7.0, False), ("7", False), (True, False), (123456789, False)]
)
def test_an_integer_leaves_only_as_one(value: object, safe: bool) -> None:
    assert leaves({"resourceType": "Observation", "valueInteger": value}) == ({"valueInteger": value} if safe else {})
