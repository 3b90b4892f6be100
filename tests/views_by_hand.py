"""Two of the shipped views written by hand, as fast as plain Python has it: the limit of `./dev bench views`, and a check.

They take good FHIR alone and know nothing of each other's tricks; the compiled views have to give the same rows.
"""

from collections.abc import Iterable
from typing import Any

type Json = dict[str, Any]

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_LOINC = "http://loinc.org"


def patient(given: Json) -> list[Json]:
    """schemas/views/patient.json"""
    race, ethnicity, over = [], None, None
    for extension in given.get("extension", ()):
        url = extension["url"]
        if url == "urn:starvit:age-over-89":
            over = extension["valueBoolean"]
        elif url == f"{_US_CORE}us-core-race":
            race = [one["valueCoding"]["code"] for one in extension["extension"] if one["url"] == "ombCategory"]
        elif url == f"{_US_CORE}us-core-ethnicity":
            ethnicity = _first(
                one["valueCoding"]["code"] for one in extension["extension"] if one["url"] == "ombCategory"
            )
    addresses = given.get("address", ())
    return [
        {
            "patient_key": given.get("id"),
            "active": given.get("active"),
            "gender": given.get("gender"),
            "birth_date": given.get("birthDate"),
            "age_over_89": over,
            "deceased": given.get("deceasedBoolean"),
            "deceased_date": given.get("deceasedDateTime"),
            "marital_status": _code(given.get("maritalStatus")),
            "race_codes": race,
            "ethnicity_code": ethnicity,
            "language": _first(_code(one["language"]) for one in given.get("communication", ())),
            "state": _first(one["state"] for one in addresses if "state" in one),
            "zip3": _first(one["postalCode"] for one in addresses if "postalCode" in one),
            "country": _first(one["country"] for one in addresses if "country" in one),
            "multiple_birth": given.get("multipleBirthBoolean"),
            "practitioner_key": _key(_first(given.get("generalPractitioner", ())), "Practitioner/"),
            "organization_key": _key(given.get("managingOrganization"), "Organization/"),
        }
    ]


def blood_pressure(given: Json) -> list[Json]:
    """schemas/views/blood_pressure.json"""
    if not any(one["system"] == _LOINC and one["code"] in ("85354-9", "55284-4") for one in given["code"]["coding"]):
        return []
    values: dict[str, Json] = {}
    for component in given.get("component", ()):
        for coding in component["code"]["coding"]:
            if coding["system"] == _LOINC and "valueQuantity" in component:
                values.setdefault(coding["code"], component["valueQuantity"])
    systolic, diastolic = values.get("8480-6", {}), values.get("8462-4", {})
    return [
        {
            "observation_key": given.get("id"),
            "patient_key": _key(given.get("subject"), "Patient/"),
            "encounter_key": _key(given.get("encounter"), "Encounter/"),
            "status": given.get("status"),
            "effective": given.get("effectiveDateTime"),
            "interpretation": _first(map(_code, given.get("interpretation", ()))),
            "body_site": _code(given.get("bodySite")),
            "method": _code(given.get("method")),
            "systolic": systolic.get("value"),
            "systolic_unit": systolic.get("code"),
            "diastolic": diastolic.get("value"),
            "diastolic_unit": diastolic.get("code"),
        }
    ]


def _first(found: Iterable[Any]) -> Any:
    return next(iter(found), None)


def _code(concept: Json | None) -> Any:
    return _first(one["code"] for one in concept["coding"]) if concept and "coding" in concept else None


def _key(reference: Json | None, of: str) -> str | None:
    text = reference["reference"] if reference else ""
    return text.removeprefix(of) if text.startswith(of) else None
