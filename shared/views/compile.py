"""A ViewDefinition of SQL-on-FHIR v2, compiled."""

from collections.abc import Mapping

from shared.views.definition import View


def compile_view(definition: Mapping[str, object]) -> View:
    """A view that is ready to run. Raises ViewError."""
    raise NotImplementedError
