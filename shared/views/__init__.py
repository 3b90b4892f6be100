"""Views as data: SQL-on-FHIR v2 ViewDefinitions (schemas/views/*.json) compiled to Python closures."""

from shared.views.compile import compile_view
from shared.views.definition import View, ViewColumn, ViewError
from shared.views.shipped import by_type, shipped

__all__ = ["View", "ViewColumn", "ViewError", "by_type", "compile_view", "shipped"]
