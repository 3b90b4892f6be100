"""What an invariant is, and how it asks whether an element is there.

An invariant is asked only of an object whose structure holds: so it reads without looking at JSON types, and without a
`.get` where R4 requires the element.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

from shared.fhir.elements import CHOICE, json_names, types

type Node = Mapping[str, Any]


class Invariant(NamedTuple):
    """A rule of R4: its key, its severity, what it says, and whether it holds for an object."""

    rule: str
    severity: Literal["error", "warning"]
    text: str
    holds: Callable[[Node], bool]


def error(rule: str, text: str, holds: Callable[[Node], bool]) -> Invariant:
    """An invariant whose breach is an error."""
    return Invariant(rule, "error", text, holds)


def warning(rule: str, text: str, holds: Callable[[Node], bool]) -> Invariant:
    """An invariant whose breach is a warning."""
    return Invariant(rule, "warning", text, holds)


def has(node: Node, name: str) -> bool:
    """Whether an element is there; a primitive may be there by its extensions alone."""
    return name in node or f"_{name}" in node


def has_any(node: Node, *names: str) -> bool:
    """Whether one of these elements is there."""
    return any(name in node or f"_{name}" in node for name in names)


@cache
def _names(type_name: str, stem: str) -> frozenset[str]:
    given = json_names(f"{stem}{CHOICE}", types()[type_name].elements[f"{stem}{CHOICE}"])
    return frozenset(given) | {f"_{name}" for name in given}


def has_choice(node: Node, type_name: str, stem: str) -> bool:
    """Whether an element that may have several types is there, in any of them."""
    return not _names(type_name, stem).isdisjoint(node)


def coded(concept: Node | None, system: str, *codes: str) -> bool:
    """Whether a CodeableConcept that may be missing has one of these codes of HL7's terminology."""
    system = f"http://terminology.hl7.org/CodeSystem/{system}"
    return concept is not None and any(
        one.get("system") == system and one.get("code") in codes for one in concept.get("coding", ())
    )
