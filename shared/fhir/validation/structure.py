"""R4's table of elements (shared/fhir/elements.py), compiled to closures: one check for each type, made when first met.

    resource ─► its type's check ─► each element: known? how often? JSON type? form? choice? ─► bindings, references
                                                                                └► all well? then its invariants

An invariant is asked only of an object whose structure holds, so that it may trust the JSON types.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from msgspec import Struct

from shared.fhir.elements import CHOICE, Element, json_names, resource_types, types
from shared.fhir.validation.bindings import bound
from shared.fhir.validation.facts import facts
from shared.fhir.validation.findings import DEEPEST, MOST, Check, Findings, Known, Told, below, stops
from shared.fhir.validation.invariants import CONTAINER, INVARIANTS, SIMPLE_QUANTITY, Invariant
from shared.fhir.validation.issue import Issue
from shared.fhir.validation.primitives import CHECKS
from shared.fhir.validation.references import reference, within
from shared.fhir.validation.siblings import strangers

type Node = Mapping[str, object]


def resource_issues(given: Node) -> Iterator[Issue]:
    """All that is wrong with a resource."""
    root = given if type(given) is dict else dict(given)
    told = resource(root, {}, 0)
    if told == "resource-type":
        yield Issue("fatal", "resource-type", "resourceType")
    elif told is not None:
        for severity, rule, place in below(str(root["resourceType"]), told, root):
            yield Issue(severity, rule, place)


def resource(value: object, known: Known, depth: int) -> Told:
    """A resource of its own, at the root or in a bundle: what it contains is known to all in it."""
    if type(value) is not dict:
        return "json-type"
    name = value.get("resourceType")
    if not isinstance(name, str) or name not in resource_types():
        return "resource-type"
    return of_type(name)(value, within(value, known) if "contained" in value or "entry" in value else known, depth)


def contained(value: object, known: Known, depth: int) -> Told:
    """A resource inside another, whose contained resources it may refer to. It contains none of its own."""
    if type(value) is not dict:
        return "json-type"
    if "contained" in value:
        return "dom-2"
    name = value.get("resourceType")
    if not isinstance(name, str) or name not in resource_types():
        return "resource-type"
    return of_type(name)(value, known, depth)


class Choice(NamedTuple):
    """An element of several types: its JSON names, those of primitives also with `_`, and whether one is required."""

    stem: str
    names: frozenset[str]
    required: bool


class Shape(Struct, frozen=True):
    """A type, compiled. `siblings` are the elements that may have a `_name` beside them, with whether they repeat."""

    slots: Mapping[str, Check]
    siblings: Mapping[str, bool]
    required: tuple[str, ...]
    choices: tuple[Choice, ...]
    invariants: tuple[Invariant, ...]


@cache
def of_type(name: str) -> Check:
    """The check of an object of a type. Its shape is compiled at first use, since types contain themselves."""
    shape: Shape | None = None
    slots: Mapping[str, Check] = {}
    required: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    is_element = types()[name].kind != "resource"
    elements_alone = contains = False

    def check(node: object, known: Known, depth: int) -> Told:
        nonlocal shape, slots, required, choices, invariants, elements_alone, contains
        if shape is None:
            shape = _shape(name)
            slots, required, choices, invariants = shape.slots, shape.required, shape.choices, shape.invariants
            elements_alone, contains = is_element and not (required or choices or invariants), "contained" in slots
        if type(node) is not dict:
            return "json-type"
        if depth > DEEPEST:
            return "depth"
        found: Findings | None = None
        strange, deeper = False, depth + 1
        for key, value in node.items():
            if (slot := slots.get(key)) is None:
                strange = True
            elif (told := slot(value, known, deeper)) is not None:
                found = (found or []) + below(f".{key}", told, value)
        if elements_alone and found is None and not strange and len(node) > ("id" in node):
            return None  # Coding, CodeableConcept, HumanName: nothing more is asked of them
        if strange:
            found = strangers(node, shape.siblings, slots, of_type("Element"), found or [], known, deeper)
        for key in required:
            if key not in node and f"_{key}" not in node:
                found = [*(found or ()), ("error", "cardinality-min", f".{key}")]
        for stem, names, needed in choices:
            if names.isdisjoint(node):
                if needed:
                    found = [*(found or ()), ("error", "cardinality-min", f".{stem}")]
            elif len(given := names.intersection(node)) > 1 and len({key.removeprefix("_") for key in given}) > 1:
                found = [*(found or ()), ("error", "choice", f".{stem}")]
        if is_element and (not node or ("id" in node and len(node) < 2)):
            found = [*(found or ()), ("error", "ele-1" if node else "empty", "")]
        if not found or not stops(found):
            for rule, severity, _, holds in invariants:
                if not holds(node):
                    found = [*(found or ()), (severity, rule, "")]
            if contains and "contained" in node:
                found = (found or []) + [
                    (severity, rule, "") for rule, severity, _, holds in CONTAINER if not holds(node)
                ]
        return found[:MOST] if found else None

    return check


def _shape(name: str) -> Shape:
    described = types()[name]
    slots: dict[str, Check] = {"resourceType": _fine} if described.kind == "resource" else {}
    siblings: dict[str, bool] = {}
    required, choices = [], []
    for stem, element in described.elements.items():
        given = json_names(stem, element)
        if (stem, described.kind) == ("id", "resource") or (name, stem) == ("Extension", "url"):
            # R4's StructureDefinitions say System.String; the pages of `id` and `Extension` say more.
            given = {stem: "id" if stem == "id" else "uri"}
        for key, type_name in given.items():
            one = _value(type_name, element, f"{name}.{stem}")
            slots[key] = _many(one, element.max) if element.many else one
            if type_name in CHECKS:
                siblings[key] = element.many
        if stem.endswith(CHOICE):
            names = frozenset(given) | {f"_{key}" for key, type_name in given.items() if type_name in CHECKS}
            choices.append(Choice(stem.removesuffix(CHOICE), names, element.min > 0))
        elif element.min:
            required.append(stem)
    return Shape(
        slots,
        siblings,
        tuple(required),
        tuple(choices),
        INVARIANTS.get(name, ()),
    )


def _fine(_: object, __: Known, ___: int) -> None:
    """`resourceType` was looked at before."""


def _value(name: str, element: Element, path: str) -> Check:
    """The check of one value of an element."""
    if name in CHECKS:
        return bound(CHECKS[name], name, element)
    match types()[name].kind:
        case "resource" if path.endswith(".contained"):
            return contained
        case "resource" if name != "Resource":
            return _only(name)
        case "resource":
            return resource
    check = of_type(name)
    if name == "Reference":
        return reference(check, element, path)
    if path in facts().simple and name == "Quantity":
        return _also(check, SIMPLE_QUANTITY)
    return bound(check, name, element)


def _many(one: Check, most: str) -> Check:
    limit = int(most) if most.isdigit() else None

    def many(value: object, known: Known, depth: int) -> Told:
        if type(value) is not list:
            return "null" if value is None else "cardinality-list"
        if not value:
            return "empty"
        if limit and len(value) > limit:
            return "cardinality-max"
        if len(value) == 1:  # most are so
            told = one(value[0], known, depth)
            return None if told is None else below("[0]", told, value[0])
        found: Findings | None = None
        for index, item in enumerate(value):
            if (told := one(item, known, depth)) is not None:
                found = (found or []) + below(f"[{index}]", told, item)
                if len(found) >= MOST:
                    break
        return found

    return many


def _only(name: str) -> Check:
    """A resource of one type: Bundle.entry.response.outcome and the like, where R4 says so."""

    def only(value: object, known: Known, depth: int) -> Told:
        if isinstance(value, dict) and value.get("resourceType") != name:
            return "resource-type"
        return resource(value, known, depth)

    return only


def _also(check: Check, invariant: Invariant) -> Check:
    def both(value: object, known: Known, depth: int) -> Told:
        if (told := check(value, known, depth)) is not None:
            return told
        return None if invariant.holds(value) else invariant.rule  # type: ignore[arg-type]  # an object, it passed

    return both
