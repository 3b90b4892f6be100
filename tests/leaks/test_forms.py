"""Whatever goes in, each string that comes out has one of the forms that this page lists, without the door's code.

Resources are made at random along the element table, from values that are right, nearly right, or names and numbers
of people in the place of each.
"""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deid.policy import load
from shared.fhir.elements import codes, json_names, resource_types, types
from tests.shared.deid.doors import POLICIES, door

_PEOPLE = [
    "John Smith", "smith", "Dr. Müller", "12 Main Street", "617-555-0100", "6175550100", "123-45-6789", "123456789",
    "MRN 4711", "a@b.org", "https://x.org/Patient/4711", "10.0.0.1", "02139", "0213", "1931-02-03 at noon",
    "93 years", "Boston", "\u0000", "\ud800", "Ｊｏｈｎ", "",
]  # fmt: skip
_RIGHT = [
    "final", "active", "male", "2024-05-06", "2024-05", "1931", "2024-05-06T01:02:03.004Z", "12:13:14",
    "Patient/p1", "urn:oid:1.2.3", "#p1", "urn:uuid:0a1b2c3d-0000-4000-8000-00000000abcd", "8480-6", "73211009",
    "http://loinc.org", "http://snomed.info/sct", "mg/dL", "F", "US", "http://unitsofmeasure.org", "MA", "en",
    "application/pdf", "Patient", "Task", "Mon", "d", "registered",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
]  # fmt: skip
_OTHER: list[object] = [None, True, 7, 94, -1, 0.5, 1e300, 123456789, [], {}, [None], {"value": "John Smith"}]
_VALUES: list[object] = [*_PEOPLE, *_RIGHT, *_OTHER]

_NAME = r"[0-9a-f]{32}"
_DATE = r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?"
_FORM = re.compile(
    rf"{_NAME}|[A-Z][A-Za-z]+/{_NAME}|urn:uuid:[0-9a-f-]{{36}}|{_DATE}|[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}|[0-9]{{3}}|urn:starvit:age-over-89"
)


def _vocabulary() -> frozenset[str]:
    """Every word that a closed list of the policy or of R4 has."""
    policy = load("safe-harbor")
    words = {word for given in policy.lists.values() for word in given} | resource_types()
    words |= {word for given in codes().sets.values() for word in given}
    words |= {word for given in codes().systems.values() for word in given} | set(codes().systems)
    words |= {system.url for system in policy.systems} | {word for system in policy.systems for word in system.codes}
    patient = policy.elements["Patient"]["extension"]
    assert not isinstance(patient, str)
    words |= set(patient) | {"ombCategory", "detailed", "8480-6", "73211009", "mg/dL", "<", "<=", ">=", ">", "a"}
    return frozenset(words)


WORDS = _vocabulary()


def _made(of: str, random: Random, depth: int) -> object:
    """A value in the place of one of type `of`: right in shape, mostly, and anything in content."""
    if random.random() < 0.05:
        return random.choice(_VALUES)
    if types()[of].kind == "primitive":
        return random.choice(_VALUES)
    made: dict[str, object] = {}
    for name, element in types()[of].elements.items():
        if depth <= 0 or random.random() < 0.3 or name == "modifierExtension":
            continue
        for json_name, type_name in json_names(name, element).items():
            value = _made("Patient" if type_name == "Resource" else type_name, random, depth - 1)
            made[json_name] = [value] if element.many and random.random() < 0.95 else value
            made[f"_{json_name}"] = {"extension": [{"url": "John", "valueString": "Smith"}]}
    made[random.choice(_PEOPLE)] = random.choice(_PEOPLE)
    return made


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("policy", POLICIES)
@given(name=st.sampled_from(sorted(resource_types())), random=st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_each_string_that_leaves_has_a_form_that_may(policy: str, name: str, random: Random) -> None:
    resource = _made(name, random, 4)
    resource = {**(resource if isinstance(resource, dict) else {}), "resourceType": name}
    safe = door(policy).deidentify(resource)
    strange = [text for text in _strings(safe) if text not in WORDS and not _FORM.fullmatch(text)]
    assert strange == []
