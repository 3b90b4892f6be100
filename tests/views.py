"""Views for tests of the warehouses: small, and each with a way of its own to make rows, or none, or to fail."""

from collections.abc import Callable, Sequence
from typing import Any

from shared.errors import Code, Problem
from shared.views import View, ViewColumn

type Made = list[dict[str, object]]


def _named(resource: Any) -> Made:
    """One row for each name, as forEach makes them. None for the inactive, as `where` leaves them out."""
    if resource.get("active") is False:
        return []
    if resource.get("broken"):
        raise Problem(Code.VIEW_FAILED, "Patient.name")
    return [
        {"id": resource.get("id"), "name": name, "given": [name, name.upper()], "born": resource.get("birthDate")}
        for name in resource.get("names", ())
    ]


def _seen(resource: Any) -> Made:
    if resource.get("surprising"):
        raise KeyError("CANARY")  # what nobody foresaw
    return [{"at": resource.get("at"), "size": resource.get("size")}]


NAMES = View(
    name="patient_names",
    resource="Patient",
    columns=(
        ViewColumn("id", "getResourceKey()", "id", description="The patient."),
        ViewColumn("name", "name.family", "string", description="One of the names."),
        ViewColumn("given", "name.given", "string", collection=True, description="Its parts."),
        ViewColumn("born", "birthDate", "date", description="The date of birth, as far as the policy shows it."),
    ),
    rows=_named,
)
SEEN = View(
    name="patient_seen",
    resource="Patient",
    columns=(
        ViewColumn("at", "at", "string", description="Which version this is."),
        ViewColumn("size", "size", "integer", description="A number that may be too large for a column."),
    ),
    rows=_seen,
)
VIEWS = (NAMES, SEEN)


def with_rows(view: View, rows: Callable[[Any], Made]) -> View:
    """The same view, but with other rows."""
    return View(view.name, view.resource, view.columns, rows)


def views(resource_type: str) -> Sequence[View]:
    return [view for view in VIEWS if view.resource == resource_type]
