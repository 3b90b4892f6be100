"""In which order the clinic does what."""

import json
from collections import Counter

import pytest

from shared.local.clinic import Clinic
from tests.shared.local.playing import played


def _references(value: object) -> set[str]:
    match value:
        case dict():
            found = set().union(*map(_references, value.values()))
            target = value.get("reference")
            return found | ({target} if isinstance(target, str) and not target.startswith("#") else set())
        case list():
            return set().union(*map(_references, value))
    return set()


def test_a_seed_makes_the_same_operations_again() -> None:
    first, again = played(1, 300), played.__wrapped__(1, 300)
    assert first is not again
    assert json.dumps(list(first.sent.values())) == json.dumps(list(again.sent.values()))
    assert {i.value for i in first.clinic.identifiers()} == {i.value for i in again.clinic.identifiers()}
    assert list(played(2, 300).sent.values()) != list(first.sent.values())


def test_operations_can_be_asked_for_in_portions() -> None:
    whole, clinic, numbers = played(1, 300), Clinic(1), []
    for portion in (100, 200):
        for operation in clinic.operations(portion):
            numbers.append((operation.number, operation.action, operation.type, operation.waits_for))
            if operation.action != "delete":
                clinic.stored(operation, whole.answers[operation.number])
    assert numbers == [(o.number, o.action, o.type, o.waits_for) for o in whole.operations]


def test_the_mix_over_two_thousand_operations_is_mostly_creates() -> None:
    actions = Counter(operation.action for operation in played(1, 2000).operations)
    assert 1400 <= actions["create"] <= 1650
    assert 320 <= actions["update"] <= 480
    assert 70 <= actions["delete"] <= 130


def test_every_resource_type_is_there_in_five_hundred_operations() -> None:
    types = {operation.type for operation in played(1, 500).operations}
    clinical = {"Encounter", "Condition", "Observation", "Procedure", "AllergyIntolerance", "Immunization"}
    assert types == clinical | {"MedicationRequest", "DiagnosticReport", "DocumentReference"} | {
        "Organization",
        "Practitioner",
        "Patient",
        "RelatedPerson",
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_no_reference_ever_dangles(seed: int) -> None:
    made, refers = played(seed, 2000), dict[str, set[str]]()
    for operation in made.operations:
        if operation.action == "delete":
            gone = f"{operation.type}/{operation.id}"
            del refers[gone]
            assert not any(gone in targets for targets in refers.values())
        else:
            stored = made.answers[operation.number]
            refers[f"{operation.type}/{stored['id']}"] = targets = _references(made.sent[operation.number])
            assert targets <= refers.keys()


def test_every_update_changes_something() -> None:
    """Medplum answers a PUT that changes nothing with the version that it has."""
    versions = [written.version for truth in played(1, 2000).truth() for written in truth.versions]
    assert len(versions) == len(set(versions))
    assert max(len(truth.versions) for truth in played(1, 2000).truth()) > 2


def test_an_order_that_waits_is_enough() -> None:
    """Everything that an operation needs is done by those that it waits for, and by what those wait for."""
    operations, before = played(1, 1000).operations, list[frozenset[int]]()
    touched, made_by = dict[int, int](), dict[str, int]()
    for operation in operations:
        assert all(number < operation.number for number in operation.waits_for)
        before.append(operation.waits_for.union(*(before[number] for number in operation.waits_for)))
        known = before[operation.number]
        if operation.handle in touched:
            assert touched[operation.handle] in known
        touched[operation.handle] = operation.number
        if operation.action == "create":
            made_by[f"{operation.type}/{operation.id}"] = operation.number
        if operation.action != "delete":
            assert {made_by[target] for target in _references(operation.resource())} <= known


def test_a_deletion_waits_until_nothing_refers_to_the_resource() -> None:
    made, referring = played(1, 2000), dict[str, set[int]]()
    waits: list[frozenset[int]] = []
    for operation in made.operations:
        waits.append(operation.waits_for.union(*(waits[number] for number in operation.waits_for)))
        if operation.action == "delete":
            for other in referring.pop(f"{operation.type}/{operation.id}", set()):
                ends = [o.number for o in made.operations if o.handle == other and o.action == "delete"]
                assert ends
                assert ends[0] in waits[operation.number]
        else:
            for target in _references(operation.resource()):
                referring.setdefault(target, set()).add(operation.handle)


def test_an_answer_that_names_no_version_is_refused() -> None:
    clinic = Clinic(1)
    operation = next(clinic.operations(1))
    with pytest.raises(ValueError, match="not a stored resource"):
        clinic.stored(operation, {"resourceType": "Organization"})
