"""What the clinic writes is FHIR R4, and holds the cases on which de-identification fails."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from shared.fhir.elements import json_names, types
from tests.shared.local.playing import played

_REGEX = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "code": r"\S+( \S+)*",
    "date": r"\d{4}-\d\d-\d\d",
    "dateTime": r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d[+-]\d\d:\d\d)?",
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "base64Binary": r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
}


def _faults(name: str, value: object, at: str) -> Iterator[str]:
    """Where a value is not what R4's table of elements says of its type."""
    given = types().get(name)
    if given is None or given.kind == "primitive":
        if isinstance(value, dict | list) or (name in _REGEX and not re.fullmatch(_REGEX[name], str(value))):
            yield f"{at}: no {name}"
        return
    if name == "Resource":
        assert isinstance(value, dict)
        yield from _faults(value["resourceType"], value, at)
        return
    if not isinstance(value, dict):
        yield f"{at}: no {name}"
        return
    known = {
        json: (element, type)
        for key, element in given.elements.items()
        for json, type in json_names(key, element).items()
    }
    for key, part in value.items():
        if key == "resourceType" or (key.startswith("_") and key[1:] in known):
            continue
        if key not in known:
            yield f"{at}.{key}: unknown"
            continue
        element, type = known[key]
        if isinstance(part, list) != element.many:
            yield f"{at}.{key}: one or many"
        for item in part if isinstance(part, list) else [part]:
            yield from _faults(type, item, f"{at}.{key}")
    for key, element in given.elements.items():
        if element.min and not any(json in value for json in json_names(key, element)):
            yield f"{at}.{key}: required"


def _all(*kinds: str) -> list[dict[str, Any]]:
    return [body for body in played(1, 2000).answers.values() if not kinds or body["resourceType"] in kinds]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_resource_is_built_as_r4_says(seed: int) -> None:
    faults = {
        fault
        for body in played(seed, 2000).answers.values()
        for fault in _faults(body["resourceType"], body, body["resourceType"])
    }
    assert faults == set()


def test_the_check_of_the_structure_is_not_blind() -> None:
    body = {"resourceType": "Observation", "status": ["final"], "valueQuantity": {"valu": 1}, "issued": "today"}
    assert set(_faults("Observation", body, "Observation")) == {
        "Observation.status: one or many",
        "Observation.valueQuantity.valu: unknown",
        "Observation.issued: no instant",
        "Observation.code: required",
    }


def test_every_kind_of_value_is_observed() -> None:
    kinds = {key for body in _all("Observation") for key in body if key.startswith("value") or key == "component"}
    assert kinds == {"valueQuantity", "valueCodeableConcept", "valueString", "component"}


def test_a_blood_pressure_has_both_components() -> None:
    for body in _all("Observation"):
        if body["code"]["coding"][0]["code"] == "85354-9":
            assert [part["code"]["coding"][0]["code"] for part in body["component"]] == ["8480-6", "8462-4"]


def test_names_come_in_many_forms() -> None:
    names = [name for body in _all("Patient", "RelatedPerson", "Practitioner") for name in body["name"]]
    assert {name.get("use") for name in names} == {"official", "nickname", "maiden", "usual", None}
    families = [name["family"] for name in names if "family" in name]
    assert all(any(mark in family for family in families) for mark in ("-", " ", "'"))
    assert any("_family" in name for name in names)
    assert any(not family.isascii() for family in families)
    assert any(re.search("[а-я]", name.get("text", "")) for name in names)
    assert {len(name["given"]) for name in names if "given" in name} == {1, 2, 3}


def test_some_patients_are_older_than_89_and_some_are_children() -> None:
    years = {int(body["birthDate"][:4]) for body in _all("Patient")}
    assert min(years) < 1925
    assert max(years) > 2005
    assert not years & set(range(1925, 1940))


def test_a_note_names_its_patient_in_base64() -> None:
    by_id = {f"Patient/{body['id']}": body for body in _all("Patient")}
    for body in _all("DocumentReference"):
        text = base64.b64decode(body["content"][0]["attachment"]["data"]).decode()
        record = by_id[body["subject"]["reference"]]["identifier"][0]["value"]
        assert f"MRN: {record}" in text


def test_names_hide_where_no_field_for_them_is() -> None:
    text = orjson.dumps(_all()).decode()
    assert all(f'"{key}":' in text for key in ("contained", "div", "authorString", "note", "conclusion", "lotNumber"))
    assert "who-to-call-first" in text  # an extension that nobody knows
    assert "us-core-race" in text
    assert any("visit-types" in orjson.dumps(body["type"]).decode() for body in _all("Encounter"))
    assert any("per Dr." in body["code"]["text"] for body in _all("Condition"))
