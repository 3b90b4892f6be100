"""FHIR R4 validation: structure, cardinality, forms, choices, required codes, references, narrative, units, invariants."""

from collections.abc import Iterator, Mapping

from shared.fhir.validation.issue import Issue
from shared.fhir.validation.structure import resource_issues


class Validator:
    """Holds resources against FHIR R4."""

    def issues(self, resource: Mapping[str, object]) -> Iterator[Issue]:
        """What is wrong with it, as found; nothing if all is well."""
        return resource_issues(resource)


__all__ = ["Issue", "Validator"]
