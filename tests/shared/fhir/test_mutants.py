"""What is broken is found, class by class; what is valid passes: on specimens always, on HL7's examples where they are."""

from collections import Counter
from collections.abc import Sequence

import pytest

from shared.fhir.validation import Validator
from shared.fhir.validation.outcome import refused
from tests.hl7_examples import examples, folder
from tests.shared.fhir.mutants import CLASSES, Json, mutants
from tests.shared.fhir.specimens import specimens

VALIDATOR = Validator()
EXAMPLES = folder()
LEAST = 0.95

# HL7's own examples that are no valid R4, and why.
NOT_VALID = {
    "Bundle-dataelements": "bdl-7: several entries have the same fullUrl",
    "Questionnaire-qs1": "cardinality-min: items have no linkId",
}

needs_examples = pytest.mark.skipif(
    EXAMPLES is None, reason="HL7's examples are not on this machine (tests/hl7_examples.py)"
)


def is_refused(resource: Json) -> bool:
    return refused(list(VALIDATOR.issues(resource)))


def shares(corpus: Sequence[Json], each: int) -> dict[str, float]:
    """Class → the share of its mutants that were found."""
    made, found = Counter[str](), Counter[str]()
    for mutant in mutants(corpus, each):
        made[mutant.kind] += 1
        found[mutant.kind] += is_refused(mutant.resource)
    return {kind: found[kind] / made[kind] if made[kind] else 0 for kind in CLASSES}


def test_specimens_are_valid() -> None:
    assert len(specimens()) > 100
    assert [resource["resourceType"] for resource in specimens() if is_refused(resource)] == []


def test_every_class_of_mutants_of_the_specimens_is_found() -> None:
    assert {kind: share for kind, share in shares(specimens(), 10).items() if share < LEAST} == {}


def test_mutants_are_the_same_each_time() -> None:
    first, second = (list(mutants(specimens(), 2)) for _ in range(2))
    assert first == second


@needs_examples
def test_hl7s_examples_pass_but_for_those_that_are_not_valid() -> None:
    assert EXAMPLES is not None
    found: dict[str, set[str]] = {}
    for name, resource in examples(EXAMPLES):
        if rules := {issue.rule for issue in VALIDATOR.issues(resource) if issue.severity in ("error", "fatal")}:
            found[name] = rules
    assert found == {name: {why.split(":")[0]} for name, why in NOT_VALID.items()}


@needs_examples
def test_every_class_of_mutants_of_hl7s_examples_is_found() -> None:
    assert EXAMPLES is not None
    corpus = [resource for name, resource in examples(EXAMPLES, at_most=30_000) if name not in NOT_VALID]
    assert {kind: share for kind, share in shares(corpus, 8).items() if share < LEAST} == {}
