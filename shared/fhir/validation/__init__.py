"""FHIR R4 validation: structure, cardinality, forms, choices, required codes, references, narrative, units, invariants.

And what analytics asks of a resource beyond R4: our rules, which are data (schemas/validation, docs/validation.md).
"""

from collections.abc import Iterator, Mapping

from shared.fhir.validation.compiled import Rules
from shared.fhir.validation.issue import Issue
from shared.fhir.validation.rules import Set, load
from shared.fhir.validation.structure import resource_issues


class Validator:
    """Holds resources against FHIR R4, and against a set of our rules."""

    def __init__(self, rules: Set | Rules = "none") -> None:
        self._rules = rules if isinstance(rules, Rules) else Rules(load(rules))

    def issues(self, resource: Mapping[str, object]) -> Iterator[Issue]:
        """What is wrong with it, as found, R4's issues first; nothing if all is well."""
        yield from resource_issues(resource)
        yield from self._rules.issues(resource)


__all__ = ["Issue", "Rules", "Validator"]
