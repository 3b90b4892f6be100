"""Each rule of each policy is needed: switched off, one of the checks that guard the door goes red.

A rule is switched off in two ways. Its element leaves as it is: then a seed must come out (tests/leaks/seeding.py), or a
witness below must see it. Or its element stays behind: then a value that analysts need must be missing. The specials and the
forms of the code systems are switched off one by one as well. What survives is named.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import replace

import pytest

from shared.deid import terminology
from shared.deid.compile import Compiler
from shared.deid.door import Door
from shared.deid.policy import Policy, Rule, Verb, load
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.terminology import CodeSystem
from shared.deid.walk import Given, Leave
from shared.fhir.elements import Element, resource_types
from tests.leaks.seeding import DAY, MARK, Seeds
from tests.shared.deid.doors import KEY, POLICIES, TODAY

type Json = dict[str, object]

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
BIRTHSEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
KEPT_BACK = (Verb.DROP, Verb.ID)  # nothing of the element leaves by the rule: dropping it changes nothing


class Misplaced(Seeds):
    """Seeds with a marker in the place of each number and boolean too."""

    def _value(self, of: str, within: tuple[str, ...]) -> object:
        numbers = ("boolean", "integer", "positiveInt", "unsignedInt", "decimal")
        return self.mark() if of in numbers else super()._value(of, within)


def _coded(system: str, code: str, **more: object) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        **more,
    }


# What analysts need, by the rule that lets it out: a resource and what must stand in its row.
NEEDED: dict[str, tuple[Json, Mapping[str, str]]] = {
    "join": ({"resourceType": "Observation", "subject": {"reference": "Patient/p1"}}, {"": '"Patient/'}),
    "question": ({"resourceType": "QuestionnaireResponse", "item": [{"linkId": "pain"}]}, {"": '"linkId"'}),
    "fact": ({"resourceType": "Patient", "active": True}, {"": '"active": true'}),
    "code": (_coded(LOINC, "8480-6"), {"": '"8480-6"'}),
    "media-type": (
        {"resourceType": "DocumentReference", "content": [{"attachment": {"contentType": "application/pdf"}}]},
        {"": '"application/pdf"'},
    ),
    "state": ({"resourceType": "Patient", "address": [{"state": "MA"}]}, {"": '"MA"'}),
    "country": ({"resourceType": "Patient", "address": [{"country": "US"}]}, {"": '"US"'}),
    "zip": ({"resourceType": "Patient", "address": [{"postalCode": "02139"}]}, {"": '"021"'}),
    "sex": ({"resourceType": "Patient", "extension": [{"url": BIRTHSEX, "valueCode": "F"}]}, {"": '"F"'}),
    "measure": (
        _coded(LOINC, "8480-6", valueQuantity={"value": 120, "system": UCUM, "code": "mm[Hg]"}),
        {"": '"mm[Hg]"'},
    ),
    "age": ({"resourceType": "Condition", "onsetAge": {"value": 42, "system": UCUM, "code": "a"}}, {"": '"value": 42'}),
    "inside": ({"resourceType": "Patient", "address": [{"use": "home"}]}, {"": '"use": "home"'}),
    "text": ({"resourceType": "Condition", "note": [{"text": "well"}]}, {"": '"well"'}),
    "document": (
        {"resourceType": "DocumentReference", "content": [{"attachment": {"data": "d2VsbA=="}}]},
        {"": '"d2VsbA=="'},
    ),
    "date": (
        {"resourceType": "Observation", "effectiveDateTime": "2019-05-06"},
        {"safe-harbor": '"2019"', "expert": '"effectiveDateTime"'},
    ),
    "birth": (
        {"resourceType": "Patient", "birthDate": "1980-05-06"},
        {"safe-harbor": '"1980"', "expert": '"birthDate"'},
    ),
    "clock": ({"resourceType": "Observation", "valueTime": "12:13:14"}, {"expert": '"12:13:14"'}),
    "schedule": (
        {
            "resourceType": "MedicationRequest",
            "dosageInstruction": [{"timing": {"repeat": {"timeOfDay": ["08:00:00"]}}}],
        },
        {"": '"08:00:00"'},
    ),
}

# What only one special rule keeps back: a resource and what must not stand in its row.
SPECIAL: dict[str, tuple[Json, str]] = {
    "age-observations": (_coded(LOINC, "30525-0", valueInteger=93), "93"),
    "age-observations-snomed": (_coded(SNOMED, "424144002", valueInteger=93), "93"),
    "birth-observations": (_coded(LOINC, "80904-6", valueInteger=1931), "1931"),
}


def _door(policy: Policy) -> Door:
    return Door("clinic", policy, Pseudonyms(KEY, "k1"), lambda: TODAY)


@contextmanager
def _switched_off(rule_id: str, instead: Leave | None) -> Iterator[None]:
    """While inside, a compiled policy does `instead` wherever a rule says what is done."""
    usual = Compiler._leave

    def leave(self: Compiler, rule: Rule, of: str, element: Element, place: str, depth: int) -> Leave | None:
        return instead if rule.id == rule_id else usual(self, rule, of, element, place, depth)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compiler, "_leave", leave)
        yield


def _as_it_is(value: object, given: Given) -> object:
    return value


# An address of no known country loses state and postal code anyway; a seed must stand in one at home.
AT_HOME: Json = {
    "resourceType": "Patient",
    "address": [{"state": f"{MARK} Smith", "postalCode": f"{MARK} Smith", "country": "US"}],
}


def _leaks(door: Door) -> bool:
    """Whether a seed comes out of any type."""
    if MARK in json.dumps(door.deidentify(AT_HOME)):
        return True
    for name in sorted(
        resource_types(), key=lambda name: name not in ("Patient", "Observation", "Claim", "Questionnaire")
    ):
        for seeds in (Misplaced(known=True), Seeds(known=True), Seeds(known=False)):
            safe = json.dumps(door.deidentify(seeds.resource(name)))
            if MARK in safe or DAY in safe or "Smith" in safe:
                return True
    return False


def _useful(door: Door, policy: str, rule_id: str) -> bool:
    """Whether what the rule is there to let out comes out."""
    resource, wanted = NEEDED[rule_id]
    fragment = wanted.get(policy, wanted.get("", ""))
    return fragment in json.dumps(door.deidentify(resource, lambda text: text))


@pytest.mark.parametrize("policy", POLICIES)
def test_each_rule_that_is_switched_off_lets_a_seed_out(policy: str) -> None:
    survivors = []
    for rule in load(policy).rules:
        with _switched_off(rule, _as_it_is):
            if not _leaks(_door(load(policy))):
                survivors.append(rule)
    assert survivors == []


@pytest.mark.parametrize("policy", POLICIES)
def test_each_rule_that_lets_something_out_is_missed_when_it_does_not(policy: str) -> None:
    rules = [rule.id for rule in load(policy).rules.values() if rule.verb not in KEPT_BACK]
    whole = _door(load(policy))
    assert [rule for rule in rules if not _useful(whole, policy, rule)] == []
    survivors = []
    for rule in rules:
        with _switched_off(rule, None):
            if _useful(_door(load(policy)), policy, rule):
                survivors.append(rule)
    assert survivors == []


def test_a_rule_that_nothing_needs_would_be_named() -> None:
    with _switched_off("ghost", _as_it_is):
        assert not _leaks(_door(load("safe-harbor")))


@pytest.mark.parametrize("policy", POLICIES)
def test_each_special_rule_keeps_something_back_that_no_other_does(policy: str) -> None:
    whole = load(policy)
    assert {special.id for special in whole.special} == set(SPECIAL)
    for id, (resource, gone) in SPECIAL.items():
        assert gone not in json.dumps(_door(whole).deidentify(resource)), id
        without = replace(whole, special=tuple(special for special in whole.special if special.id != id))
        assert gone in json.dumps(_door(without).deidentify(resource)), id


def test_each_code_system_that_is_switched_off_lets_a_name_out() -> None:
    policy = load("safe-harbor")

    def passes(door: Door, system: str) -> bool:
        return "Smith" in json.dumps(door.deidentify(_coded(system, "Smith, John")))

    usual: Callable[..., object] = terminology._known
    door = _door(policy)
    survivors = []
    for at, system in enumerate(policy.systems):
        assert not passes(door, system.url), system.name
        with pytest.MonkeyPatch.context() as patch:

            def known(one: CodeSystem, *rest: object, off: CodeSystem = system) -> object:
                return (lambda code: True) if one == off else usual(one, *rest)

            patch.setattr(terminology, "_known", known)
            if not passes(_door(replace(policy, systems=policy.systems[at : at + 1])), system.url):
                survivors.append(system.name)
    assert survivors == []
