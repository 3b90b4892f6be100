"""What a view can know of FHIR's types before it sees a resource: schemas/fhir/r4/elements.json, as data.

    the type in focus + a member's name → its type, and whether it is a choice (`value[x]`)

Types help: they turn `value.ofType(Quantity)` into one look at `valueQuantity`, tell a date from a string, and give a
column its type. They are no check: an element that R4 does not know (another version's, a logical model's) is read
untyped. The table is read here and not through shared.fhir, which the zone beyond the door cannot import.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

_TABLE = Path(__file__).parents[2] / "schemas" / "fhir" / "r4" / "elements.json"
_CHOICE = "[x]"
_SYSTEM = ("Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Instant")  # FHIRPath's own names

INTEGERS = frozenset({"integer", "integer64", "positiveInt", "unsignedInt"})
NUMBERS = INTEGERS | {"decimal"}
MOMENTS = frozenset({"date", "dateTime", "instant", "time"})
STRINGS = frozenset(
    {"string", "code", "id", "markdown", "uri", "url", "canonical", "uuid", "oid", "base64Binary", "xhtml"}
)
PRIMITIVES = NUMBERS | MOMENTS | STRINGS | {"boolean"}

_PARENTS = {
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("url", "canonical", "uuid", "oid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
}


class Found(NamedTuple):
    """What is known of a member: its type, or the types that its JSON name may end in; whether there may be many."""

    type: str | None
    choices: tuple[str, ...] = ()
    many: bool = True


UNKNOWN = Found(None)


def normal(name: str) -> str:
    """A type's name as FHIR has it: `System.String`, `FHIR.string` and `Time` are string and time."""
    name = name.rpartition(".")[2] if name.startswith(("System.", "FHIR.")) else name
    return name[0].lower() + name[1:] if name in _SYSTEM else name


def json_name(stem: str, of: str) -> str:
    """Where a choice of a type stands: `value` and Quantity is valueQuantity."""
    return stem + of[0].upper() + of[1:]


@cache
def member(of: str | None, name: str) -> Found:
    """What is known of a member of a type."""
    element = None if of is None else _elements(of).get(name)
    if element is not None:
        return Found(element["types"][0], many=element.get("max", "1") not in ("0", "1"))
    choice = None if of is None else _elements(of).get(name + _CHOICE)
    if choice is not None:
        return Found(None, tuple(choice["types"]), many=False)  # no choice of R4 repeats
    return UNKNOWN


def known(of: str | None) -> bool:
    """Whether R4 has the type."""
    return of in _table()


def is_a(of: str | None, ancestor: str) -> bool:
    """Whether a type is another one, or specializes it."""
    while of is not None:
        if of == ancestor:
            return True
        of = _PARENTS.get(of) or _table().get(of, {}).get("base")
    return False


@cache
def all_types() -> tuple[str, ...]:
    """The types that a choice may have."""
    kinds = ("primitive", "complex")
    return tuple(sorted({*PRIMITIVES, *(name for name, given in _table().items() if given["kind"] in kinds)}))


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = orjson.loads(_TABLE.read_bytes())["types"]
    return table


@cache
def _elements(of: str) -> Mapping[str, Any]:
    given = _table().get(of)
    if given is None:
        return {}
    return {**(_elements(given["base"]) if given["base"] else {}), **given["elements"]}
