"""Required bindings: a code, a Coding or a CodeableConcept from the value set that its element names.

The value sets are those of HL7's own systems (schemas/fhir/r4/codes.json); of those that are no finite list there, the
currencies are known, and media types are told by their form. A Coding counts by its system and its code together; a
CodeableConcept by any of its codings, and text alone is no code.
"""

import re
from collections.abc import Container, Mapping
from functools import cache

from shared.fhir.elements import Element, codes
from shared.fhir.validation.facts import facts
from shared.fhir.validation.findings import Check, Known, Told

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+*\-]+/[A-Za-z0-9!#$&^_.+*\-]+(?:\s*;.*)?|xml|json|ttl")

type Systems = Mapping[str, frozenset[str]]


def bound(check: Check, name: str, element: Element) -> Check:
    """`check`, and the binding of the element if it is a required one whose codes are known."""
    if element.strength != "required" or element.values is None:
        return check
    parts = codes().parts.get(element.values)
    match name:
        case "code" if (allowed := _codes(element.values)) is not None:
            return _code(check, allowed)
        case "Coding" if parts:
            return _coding(check, parts)
        case "CodeableConcept" if parts:
            return _concept(check, parts)
    return check


class _MediaTypes:
    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and _MEDIA_TYPE.fullmatch(code) is not None


@cache
def _codes(value_set: str) -> Container[object] | None:
    match value_set.rsplit("/", 1)[-1]:
        case "currencies":
            return facts().currencies
        case "mimetypes":
            return _MediaTypes()
    return codes().sets.get(value_set)


def _code(check: Check, allowed: Container[object]) -> Check:
    def code(value: object, known: Known, depth: int) -> Told:
        if type(value) is str and value in allowed:
            return None
        return check(value, known, depth) or "required-binding"

    return code


def _member(coding: Mapping[str, object], parts: Systems) -> bool:
    return coding.get("code") in parts.get(str(coding.get("system")), ())


def _coding(check: Check, parts: Systems) -> Check:
    def coding(value: object, known: Known, depth: int) -> Told:
        if (found := check(value, known, depth)) is not None:
            return found
        return None if _member(value, parts) else "required-binding"  # type: ignore[arg-type]  # it passed

    return coding


def _concept(check: Check, parts: Systems) -> Check:
    def concept(value: object, known: Known, depth: int) -> Told:
        if (found := check(value, known, depth)) is not None:
            return found
        given = value.get("coding", ())  # type: ignore[attr-defined]  # it passed
        return None if any(_member(one, parts) for one in given) else "required-binding"

    return concept
