"""The constants of a view: `{"name": "code", "valueCode": "8480-6"}` is `%code` in its paths, with its type."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.views import fhir_types as types
from shared.views.definition import ViewError
from shared.views.syntax import Literal

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_RESERVED = ("rowIndex", "resource", "rootResource", "context")
_TYPES = types.PRIMITIVES - {"markdown", "xhtml"}


def constants(given: object) -> Mapping[str, Literal]:
    """The constants by name. Raises ViewError."""
    if type(given) is not list:
        raise ViewError("not-a-list", "constant")
    found: dict[str, Literal] = {}
    for number, one in enumerate(given):
        place = f"constant[{number}]"
        name = one.get("name") if type(one) is dict else None
        if type(name) is not str or not NAME.fullmatch(name) or name in _RESERVED:
            raise ViewError("bad-name", f"{place}.name")
        if name in found:
            raise ViewError("duplicate-constant", f"{place}.name")
        found[name] = _value(one, place)
    return found


def _value(one: Mapping[str, Any], place: str) -> Literal:
    values = {key: value for key, value in one.items() if key.startswith("value")}
    by_name = {types.json_name("value", known): known for known in _TYPES}
    if len(values) != 1 or (kind := by_name.get(key := next(iter(values)))) is None:
        raise ViewError("bad-constant", place)
    value = values[key]
    if not _fits(value, kind):
        raise ViewError("bad-constant", f"{place}.{key}")
    return Literal(int(value) if kind in types.INTEGERS else value, kind)


def _fits(value: object, kind: str) -> bool:
    if kind == "boolean":
        return type(value) is bool
    if kind == "integer64" and type(value) is str:
        return re.fullmatch(r"-?\d{1,19}", value, re.ASCII) is not None
    if kind in types.INTEGERS:
        return type(value) is int
    if kind == "decimal":
        return type(value) in (int, float, Decimal)
    return type(value) is str
