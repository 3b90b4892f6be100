"""A plan of a small graph, and rows of its views: what the tests of the graph draw from."""

from collections.abc import Mapping, Sequence

from shared.graph.drawing import Drawing
from shared.graph.plan import Plan
from shared.sinks.changes.port import Change

PLAN = Plan.model_validate(
    {
        "kinds": {
            "Patient": {
                "view": "patients",
                "attributes": {"gender": {"type": "STRING"}, "birth_year": {"type": "INT"}},
            },
            "Observation": {
                "view": "observations",
                "attributes": {"status": {"type": "STRING"}, "value": {"type": "DOUBLE"}},
                "relations": (
                    {"edge": "ABOUT", "target": "Patient", "columns": ("patient",)},
                    {
                        "edge": "CODED_AS",
                        "target": "Concept",
                        "columns": ("system", "code"),
                        "attributes": {"display": "display"},
                    },
                ),
            },
        },
        "reverse": {"ABOUT": "HAS", "CODED_AS": "CODES"},
    }
)
SNOMED = "http://snomed.info/sct"


def rows(view: str, resource_type: str, resource: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """A row for each code; at least one."""
    names = {"patients": ("gender", "birth_year"), "observations": ("status", "value", "patient")}[view]
    row = {name: resource.get(name) for name in names}
    if view == "patients":
        return [row]
    codes = resource.get("codes", [])
    assert isinstance(codes, list)
    coded = [{"system": SNOMED, "code": code, "display": f"about {code}"} for code in codes]
    return [row | code for code in coded or [{"system": None, "code": None, "display": None}]]


DRAWING = Drawing(PLAN, rows)


def key(number: int) -> str:
    return f"{number:032x}"


def change(type: str, number: int, version: int, **resource: object) -> Change:
    """A version of a row; a tombstone if it says nothing."""
    sequence = f"{version:014x}/0/{number:016x}/{65536:012x}"
    return Change(type, key(number), sequence, not resource, resource or None)
