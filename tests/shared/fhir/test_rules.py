"""Every rule of ours on its own examples, as the files have them; and the reader that lets no line pass that does nothing."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.fhir.validation import Validator
from shared.fhir.validation.coded import _good, _walk, everywhere, npi, plan_of
from shared.fhir.validation.compiled import Rules
from shared.fhir.validation.rules import SETS, Rule, RulesError, load
from shared.local.clinic import Clinic
from shared.rules import RULES

ALL = load("us-core")
_TIMES = re.compile(r"([0-9]+) × (.*)")


def _resource(rule: Rule, example: str) -> dict[str, Any]:
    """An example as the resource that it stands for."""
    if rule.check in ("unit", "range"):
        number, _, unit = example.partition(" ")
        quantity = {"value": float(number)} | ({"system": "http://unitsofmeasure.org", "code": unit} if unit else {})
        code = {"coding": [{"system": "http://loinc.org", "code": rule.loinc[0]}]}
        return {"resourceType": "Observation", "code": code, "valueQuantity": quantity}
    times = _TIMES.fullmatch(example)
    resource: dict[str, Any] = json.loads(times[2] if times else example)
    if times:
        [(node, _)] = rule.place.nodes(resource)
        assert isinstance(node, dict)
        node[rule.place.name] *= int(times[1])
    return resource


def _found(rule: Rule, example: str) -> list[tuple[str, str]]:
    return [(one.rule, one.severity) for one in Rules([rule]).issues(_resource(rule, example))]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_a_rule_passes_its_good_examples_and_finds_its_bad_ones(rule: Rule) -> None:
    for example in rule.good:
        assert _found(rule, example) == []
    for example in rule.bad:
        assert set(_found(rule, example)) == {(rule.id, rule.severity)}


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_what_a_rule_says_holds_no_value_and_names_the_place(rule: Rule) -> None:
    for example in rule.bad:
        for issue in Rules([rule]).issues(_resource(rule, example)):
            assert issue.path.split(".")[0] == _resource(rule, example)["resourceType"]
            assert re.fullmatch(r"[A-Za-z.\[\]0-9]{1,160}", issue.path)
            assert issue.text == rule.text
    assert len(rule.reason) > 20
    assert re.fullmatch(r"[a-z0-9\-]{1,64}", rule.id)


def test_the_sets_hold_each_other_and_us_core_is_off_unless_asked_for() -> None:
    none, default, us_core = ({rule.id for rule in load(name)} for name in SETS)
    assert none == set() < default < us_core
    assert not any(id.startswith("us-core-") for id in default)
    assert all(id.startswith("us-core-") for id in us_core - default)


def test_the_index_of_rules_that_other_zones_know_names_each_of_them() -> None:
    assert {rule.id for rule in ALL} <= RULES


def test_a_synthetic_clinic_breaks_no_rule_that_would_set_its_patients_aside() -> None:
    validator = Validator("us-core")
    for resource in _clinic():
        assert [one for one in validator.issues(resource) if one.severity != "warning"] == []


def _clinic() -> Iterator[dict[str, Any]]:
    clinic = Clinic(5)
    for operation in clinic.operations(200):
        if operation.action != "delete":
            stored = {**operation.resource(), "id": str(UUID(int=operation.handle))}
            stored["meta"] = {"versionId": str(UUID(int=operation.number))}
            clinic.stored(operation, stored)
            yield stored


def test_an_npi_has_its_check_digit() -> None:
    assert npi("1234567893")
    assert not any(npi(f"123456789{digit}") for digit in "012456789")


RULE = """
[[rule]]
id = "x"
element = "Patient.gender"
check = "required"
severity = "warning"
text = "A patient has a gender."
reason = "A reason that a reader can follow."
good = ['{"resourceType":"Patient","gender":"male"}']
bad = ['{"resourceType":"Patient"}']
"""


def _folder(at: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        (at / f"{number}.toml").write_text(text)
    return at


def test_a_rule_is_read(tmp_path: Path) -> None:
    [rule] = load("default", _folder(tmp_path, RULE))
    assert (rule.id, rule.place.names, rule.severity) == ("x", ("gender",), "warning")


@pytest.mark.parametrize(
    "change, says",
    [
        (("gender", "gendre"), "gendre: Patient has no such element"),
        (("Patient.gender", "Patien.gender"), "Patien: no element of a type of R4"),
        (('check = "required"', 'check = "need"'), "check: is none of required"),
        (('severity = "warning"', 'severity = "fatal"'), "severity: is error or warning"),
        (('severity = "warning"', 'severity = "warning"\nunits = ["kg"]'), "units: is no key of a required rule"),
        (('severity = "warning"', 'severity = "warning"\nlevel = 1'), "level: is no key of a required rule"),
        (
            ('severity = "warning"', 'severity = "warning"\nunless = ["Patient.nome"]'),
            "nome: Patient has no such element",
        ),
        (('severity = "warning"', 'severity = "warning"\nunless = ["Patient.name.family"]'), "does not stand beside"),
        (('severity = "warning"', 'severity = "warning"\nwhere = { name = ["x"] }'), "where.name: is a list of an"),
        (('reason = "A reason that a reader can follow."', 'reason = ""'), "reason: is a text"),
        (('reason = "A reason that a reader can follow."', ""), "reason: is missing"),
        (('good = [\'{"resourceType":"Patient","gender":"male"}\']', "good = []"), "good: is a list of texts"),
        (
            ('element = "Patient.gender"\ncheck = "required"', 'element = "Patient.name"\ncheck = "size"\nmost = 0'),
            "most: is",
        ),
        (('check = "required"', 'check = "system"\nsystems = ["urn:x"]'), "Patient.gender: is no coded element"),
        (('check = "required"', 'check = "code"\nsystem = "http://loinc.org"'), "wherever it is, at Coding.code"),
        (('check = "required"', 'check = "unit"\nloinc = ["1-8"]\nunits = ["kg"]'), "is checked at Observation.value"),
        (("Patient.gender", "HumanName.family"), "HumanName.family: is no element of a resource"),
        (('check = "required"', 'check = "size"\nmost = 5'), "Patient.gender: is neither an array nor a text"),
        (('id = "x"', 'id = "Smith, John"'), "id: is small letters, digits and hyphens"),
        (
            ('check = "required"\n', 'check = "unit"\nloinc = ["8867-5"]\nunits = ["kg"]\n'),
            "Patient.gender: a measurement is checked at",
        ),
        (("[[rule]]", "[[rules]]"), "holds [[rule]] and nothing else"),
        (('id = "x"', 'id = "ext-1"'), "there is a rule of this id already"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_a_line_that_would_do_nothing_is_an_error_that_names_its_place(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    assert change[0] in RULE
    with pytest.raises(RulesError) as error:
        load("default", _folder(tmp_path, RULE.replace(*change)))
    assert says in str(error.value)
    assert str(error.value).startswith("0.toml: ")


def test_two_files_can_not_have_a_rule_of_the_same_id(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"1.toml: rule 1 .x.: there is a rule of this id already"):
        load("default", _folder(tmp_path, RULE, RULE))


_WORDS = st.sampled_from(
    ["http://loinc.org", "8867-4", "8867-5", "http://hl7.org/fhir/sid/us-npi", "http://unitsofmeasure.org"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["code", "coding", "system", "value", "valueQuantity", "component", "identifier", "status", "subject", "text"]
    ), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
_TYPES = st.sampled_from(["Observation", "Patient", "Bundle", "Questionnaire", "Condition", "Nothing"])


@given(st.dictionaries(st.sampled_from(["code", "valueQuantity", "component", "identifier", "status"]), _JSON), _TYPES)
def test_no_json_however_wrong_makes_a_rule_fail(body: dict[str, object], name: str) -> None:
    for issue in Rules(ALL).issues({**body, "resourceType": name}):
        assert issue.rule in RULES


def test_a_code_of_a_measurement_has_its_check_digit(tmp_path: Path) -> None:
    text = RULE.replace("Patient.gender", "Observation.valueQuantity").replace(
        '"required"', '"unit"\nloinc = ["8867-5"]\nunits = ["kg"]'
    )
    with pytest.raises(RulesError, match="loinc: is a list of LOINC codes"):
        load("default", _folder(tmp_path, text))


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_a_number_that_is_taken_back_is_not_judged_for_else_it_would_stand(status: str) -> None:
    [rule] = [rule for rule in ALL if rule.id == "heart-rate-bounds"]
    wrong = _resource(rule, rule.bad[0])
    assert Rules([rule]).issues(wrong | {"status": "final"})
    assert Rules([rule]).issues(wrong | {"status": status}) == []


def test_each_concept_of_a_list_is_judged(tmp_path: Path) -> None:
    text = RULE.replace("Patient.gender", "Observation.category").replace('"required"', '"system"\nsystems = ["urn:x"]')
    rules = Rules(load("default", _folder(tmp_path, text)))
    concepts = [{"coding": [{"system": "urn:x"}]}, {"text": "x"}, {"coding": [{"system": "urn:y"}]}]
    [issue] = rules.issues({"resourceType": "Observation", "category": concepts})
    assert issue.path == "Observation.category[2]"


def test_a_part_that_contains_itself_is_walked_to_its_end() -> None:
    wrong = {"system": "http://loinc.org", "code": "8867-5"}
    inner: dict[str, object] = {"linkId": "2", "code": [wrong]}
    resource = {"resourceType": "Questionnaire", "item": [{"linkId": "1", "item": [inner]}]}
    [issue] = Rules(ALL).issues(resource)
    assert (issue.rule, issue.path) == ("loinc-form", "Questionnaire.item[0].item[0].code[0].code")


@given(st.dictionaries(st.sampled_from(["code", "category", "component", "identifier", "bodySite"]), _JSON))
def test_the_quick_look_at_codes_and_the_walk_that_names_places_agree(body: dict[str, object]) -> None:
    rules = everywhere([rule for rule in ALL if rule.check in ("code", "identifier")])
    plan, resource = plan_of("Observation"), {**body, "resourceType": "Observation"}
    assert _good(resource, plan, rules) is (_walk(resource, plan, "Observation", rules) == [])
