"""The views that analysts get: schemas/views/*.json, compiled once."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from shared.views.compile import compile_view
from shared.views.definition import View

FOLDER = Path(__file__).parents[2] / "schemas" / "views"


@cache
def shipped() -> tuple[View, ...]:
    """The shipped views, sorted by name."""
    return tuple(compile_view(definitions()[name]) for name in sorted(definitions()))


@cache
def by_type(resource_type: str) -> tuple[View, ...]:
    """The shipped views over resources of a type, sorted by name."""
    return tuple(view for view in shipped() if view.resource == resource_type)


@cache
def definitions() -> Mapping[str, Mapping[str, Any]]:
    """The definitions by the names of their files."""
    return {file.stem: orjson.loads(file.read_bytes()) for file in FOLDER.glob("*.json")}


def describe(name: str) -> str:
    """What a row of a shipped view is. Raises KeyError."""
    return str(definitions()[name]["description"])
