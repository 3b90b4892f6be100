"""R4's invariants: each kept and broken once, and none of R4's own list silently missing."""

import pytest

from shared.fhir.elements import types
from shared.fhir.validation.facts import facts
from shared.fhir.validation.invariants import CONTAINER, INVARIANTS, SIMPLE_QUANTITY, Invariant
from shared.fhir.validation.invariants.left_out import reason
from shared.fhir.validation.issue import RULES
from tests.shared.fhir.invariant_cases import CASES

OURS = frozenset({"ucum", "ucum-practice", "full-url"})  # of R4's prose, where it gives no key
TABLE = {**INVARIANTS, "DomainResource": CONTAINER, "SimpleQuantity": (SIMPLE_QUANTITY,)}


def _invariant(type: str, rule: str) -> Invariant:
    (found,) = (one for one in TABLE[type] if one.rule == rule)
    return found


@pytest.mark.parametrize("rule", CASES)
def test_an_invariant_holds_for_what_keeps_it_and_fails_for_what_breaks_it(rule: str) -> None:
    type, kept, broken = CASES[rule]
    assert _invariant(type, rule).holds(kept)
    assert not _invariant(type, rule).holds(broken)


def test_every_invariant_has_its_case() -> None:
    assert set(CASES) == {one.rule for invariants in TABLE.values() for one in invariants}


def test_every_invariant_is_asked_of_a_type_that_r4_has() -> None:
    assert set(TABLE) - {"SimpleQuantity"} <= set(types())


@pytest.mark.parametrize("key", facts().constraints)
def test_a_constraint_of_r4_is_a_rule_or_is_left_out_for_a_reason(key: str) -> None:
    keys = {"inv-1": ("inv-1-parameters", "inv-1-task")}.get(key, (key,))  # one key, two constraints
    assert (key == "sqty-1" or all(rule in RULES for rule in keys)) != (reason(key) is not None)


@pytest.mark.parametrize("key", sorted({rule for rule in CASES if not rule.startswith("inv-1")} - OURS - {"sqty-1"}))
def test_a_rule_has_the_severity_and_the_place_of_r4s_own_constraint(key: str) -> None:
    type, _, _ = CASES[key]
    told = facts().constraints[key]
    assert _invariant(type, key).severity == told.severity
    assert any(at == type or at.startswith(f"{type}.") or type.startswith(f"{at}.") for at in told.at)
