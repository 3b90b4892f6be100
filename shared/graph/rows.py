"""The rows of the shipped views, as the graph wants them: values that stand in a cell, by view and resource."""

from collections.abc import Mapping, Sequence

from shared.views import by_type


def view_rows(view: str, resource_type: str, resource: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """The rows of a view of this name. Raises KeyError if there is none over the type, Problem if it does not fit."""
    found = {one.name: one for one in by_type(resource_type)}
    return found[view].rows(resource)
