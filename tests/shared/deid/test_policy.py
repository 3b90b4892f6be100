"""The policies as documents: whole, reasoned, and in step with FHIR R4."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.deid.compile import check
from shared.deid.policy import FOLDER, NAMES, Policy, PolicyError, Tree, Verb, hash_of, load
from shared.deid.pseudonyms import Pseudonyms
from shared.fhir.elements import json_names, types
from tests.shared.deid.doors import KEY

NAMES_OF_RULES = Pseudonyms(KEY, "k1")
WITHHELD = (Verb.DROP, Verb.TEXT)
TECHNICAL = {"id", "extension", "modifierExtension"}  # of an element: not named anywhere, so it stays behind


def _tables(policy: Policy) -> Iterator[tuple[str, Tree]]:
    """Every table of the policy, those inside others too."""

    def inside(path: str, tree: Tree) -> Iterator[tuple[str, Tree]]:
        yield path, tree
        for name, rule in tree.items():
            if not isinstance(rule, str) and name != "extension":
                yield from inside(f"{path}.{name}", rule)

    for path, tree in policy.elements.items():
        if path != "*":
            yield from inside(path, tree)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_has_a_rule_for_each_element_of_each_type_that_it_has_a_table_for(name: str) -> None:
    for path, tree in _tables(load(name)):
        of = types()[path]
        inherited = types()[of.base].elements if of.base else {}
        known = {
            json_name
            for element_name, element in of.elements.items()
            for json_name in json_names(element_name, element)
            if element_name not in inherited
        }
        assert known - TECHNICAL == set(tree) - TECHNICAL, path


@pytest.mark.parametrize("name", NAMES)
def test_what_changes_the_meaning_of_a_resource_leaves_with_it(name: str) -> None:
    policy = load(name)
    for path, tree in _tables(policy):
        for element_name, element in types()[path].elements.items():
            if element.modifier and element_name not in ("modifierExtension", "implicitRules"):
                for json_name in json_names(element_name, element):
                    rule = tree[json_name]
                    assert not isinstance(rule, str) or policy.rules[rule].verb not in WITHHELD, f"{path}.{json_name}"


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_has_a_reason_and_a_use(name: str) -> None:
    policy = load(name)
    used = {rule for _, tree in _tables(policy) for rule in tree.values() if isinstance(rule, str)}
    used |= {rule for special in policy.special for rule in special.use.values() if isinstance(rule, str)}
    used |= {"sex"}  # of an extension
    assert set(policy.rules) == used
    assert all(len(rule.why) > 20 for rule in policy.rules.values())


def test_each_letter_of_safe_harbor_is_covered_by_a_rule() -> None:
    covered = {letter for rule in load("safe-harbor").rules.values() for letter in (rule.covers or "").split(", ")}
    vehicles = {"L"}  # only in identifiers (G to K) and in free text
    assert set("ABCDEFGHIJKLMNOPQR") <= covered | vehicles


def test_the_two_policies_differ_in_dates_alone() -> None:
    safe_harbor, expert = (load(name).rules for name in NAMES)
    assert {id for id in safe_harbor if safe_harbor[id] != expert[id]} == {"date", "birth", "clock"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "deid"))


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "old, new, place",
    [
        ('gender = "code"', 'gender = "date"', r"Patient\.gender: rule date does not fit code"),
        ('name = "name"', 'name = "fact"', r"Patient\.name: rule fact does not fit HumanName"),
        ('name = "name"', 'nome = "name"', r"Patient\.nome: R4 has no such element"),
        ('name = "name"', 'name = "nome"', r"Patient\.name: there is no rule nome"),
        ('telecom = "contact"', 'telecom = "inside"', r"ContactPoint: it has no rules"),
        ("[Patient]", "[Patients]", r"Patients: R4 has no such type"),
    ],
)
def test_a_policy_that_does_not_fit_r4_is_refused_before_it_is_used(
    folder: Path, old: str, new: str, place: str
) -> None:
    _change(folder / "elements" / "people.toml", old, new)
    with pytest.raises(ValueError, match=place):
        check(load("safe-harbor", folder), NAMES_OF_RULES)


@pytest.mark.parametrize("name", NAMES)
def test_each_policy_of_the_house_fits_r4_as_a_whole(name: str) -> None:
    check(load(name), NAMES_OF_RULES)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(PolicyError):
        load("none")


def test_the_hash_does_not_tell_where_the_files_lie(tmp_path: Path) -> None:
    hashes = set()
    for name, elements, policy in (("one", "before", "policy"), ("two", "schemas", "policy")):
        places = [tmp_path / name / elements / "elements.json", tmp_path / name / policy / "places.toml"]
        for place in places:
            place.parent.mkdir(parents=True)
            place.write_text(place.name)
        hashes.add(hash_of(places))
    assert len(hashes) == 1


def test_any_change_of_a_file_changes_the_hash(folder: Path) -> None:
    before = load("safe-harbor", folder).hash
    assert before == load("safe-harbor").hash != load("expert").hash
    _change(folder / "places.toml", '"036"', '"037"')
    assert load("safe-harbor", folder).hash != before
