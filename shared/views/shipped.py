"""The views that analysts get: schemas/views/*.json, compiled once."""

from functools import cache
from pathlib import Path

import orjson

from shared.views.compile import compile_view
from shared.views.definition import View

FOLDER = Path(__file__).parents[2] / "schemas" / "views"


@cache
def shipped() -> tuple[View, ...]:
    """The shipped views, sorted by name."""
    views = (compile_view(orjson.loads(file.read_bytes())) for file in FOLDER.glob("*.json"))
    return tuple(sorted(views, key=lambda view: view.name))


@cache
def by_type(resource_type: str) -> tuple[View, ...]:
    """The shipped views over resources of a type, sorted by name."""
    return tuple(view for view in shipped() if view.resource == resource_type)
