"""FHIR R4 as a table: each type's elements with their types, cardinality, binding and targets; each HL7 system's codes.

    schemas/fhir/r4/elements.json, codes.json (written by shared/fhir/generate.py) → [this] → shared.deid

The names of types are those of the StructureDefinitions; content given in place (a backbone element) is a type named
by its path, `Encounter.location`, and a contentReference is simply that type again. Choices keep FHIR's name,
`value[x]`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from msgspec import Struct, json

_FOLDER = Path(__file__).parents[2] / "schemas" / "fhir" / "r4"
ELEMENTS = _FOLDER / "elements.json"
CODES = _FOLDER / "codes.json"
CHOICE = "[x]"


class Element(Struct, frozen=True):
    """An element of a type. `values` is the bound value set, `targets` what a Reference may point to."""

    types: tuple[str, ...]
    min: int = 0
    max: str = "1"
    modifier: bool = False
    strength: Literal["required", "extensible", "preferred", "example"] | None = None
    values: str | None = None
    targets: tuple[str, ...] = ()

    @property
    def many(self) -> bool:
        """Whether JSON has it as an array."""
        return self.max not in ("0", "1")


class Type(Struct, frozen=True):
    """A type with all its elements, the inherited ones first. A `part` is content given in place."""

    name: str
    kind: Literal["resource", "complex", "primitive", "part"]
    base: str | None
    elements: Mapping[str, Element]


def json_names(name: str, element: Element) -> Mapping[str, str]:
    """The JSON names of an element, each with its type: `value[x]` is valueQuantity, valueString, ..."""
    if not name.endswith(CHOICE):
        return {name: element.types[0]}
    stem = name.removesuffix(CHOICE)
    return {stem + given[0].upper() + given[1:]: given for given in element.types}


@cache
def named(type_name: str) -> Mapping[str, tuple[Element, str]]:
    """A type's elements by the names that JSON has for them, each with its type: valueString is value[x] as a string."""
    found: dict[str, tuple[Element, str]] = {}
    for name, element in types()[type_name].elements.items():
        if name.endswith(CHOICE):
            found.update({json_name: (element, given) for json_name, given in json_names(name, element).items()})
        else:
            found[name] = element, element.types[0]
    return found


class _Raw(Struct):
    """A type as the file has it."""

    kind: Literal["resource", "complex", "primitive", "part"]
    elements: dict[str, Element]
    base: str | None = None


class _File(Struct):
    types: dict[str, _Raw]


@cache
def types() -> Mapping[str, Type]:
    """All types of R4, by name."""
    raw = json.decode(ELEMENTS.read_bytes(), type=_File).types
    found: dict[str, Type] = {}

    def build(name: str) -> Type:
        if name not in found:
            given = raw[name]
            inherited = build(given.base).elements if given.base else {}
            found[name] = Type(name, given.kind, given.base, {**inherited, **given.elements})
        return found[name]

    for name in raw:
        build(name)
    return found


@cache
def resource_types() -> frozenset[str]:
    """The names of the resource types that can be instances."""
    return frozenset(
        name
        for name, given in types().items()
        if given.kind == "resource" and name not in ("Resource", "DomainResource")
    )


class Codes(Struct, frozen=True):
    """What is known of HL7's own code systems, and of the value sets that R4 binds as `required`."""

    systems: Mapping[str, frozenset[str]]
    sets: Mapping[str, frozenset[str]]  # the codes of all the value set's systems
    parts: Mapping[str, Mapping[str, frozenset[str]]]  # the same sets, system by system


class _CodesFile(Struct):
    systems: dict[str, frozenset[str]]
    sets: dict[str, dict[str, frozenset[str] | None]]  # None: all codes of the system


@cache
def codes() -> Codes:
    """The codes of R4's own terminology."""
    raw = json.decode(CODES.read_bytes(), type=_CodesFile)
    parts = {
        url: {system: raw.systems[system] if given is None else given for system, given in content.items()}
        for url, content in raw.sets.items()
    }
    sets = {url: _union(*content.values()) for url, content in parts.items()}
    return Codes(raw.systems, sets, parts)


def _union(first: frozenset[str], *others: frozenset[str]) -> frozenset[str]:
    return first.union(*others) if others else first
