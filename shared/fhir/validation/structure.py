"""R4's table of elements (shared/fhir/elements.py), compiled to closures: one check for each type, made when first met.

    resource ─► its type's check ─► each element: known? how often? JSON type? form? choice? ─► bindings, references
                                                                                └► all well? then its invariants

An invariant is asked only of an object whose structure holds, so that it may trust the JSON types.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from shared.fhir.elements import CHOICE, Element, json_names, resource_types, types
from shared.fhir.validation.bindings import bound
from shared.fhir.validation.facts import facts
from shared.fhir.validation.findings import MOST, Check, Findings, Known, below, of_no_use, stops, wrong
from shared.fhir.validation.invariants import CONTAINER, INVARIANTS, SIMPLE_QUANTITY, Invariant
from shared.fhir.validation.issue import Issue
from shared.fhir.validation.primitives import CHECKS, WARNINGS
from shared.fhir.validation.references import reference, within

DEEPEST = 100

type Node = Mapping[str, object]


def resource_issues(given: Node) -> Iterator[Issue]:
    """All that is wrong with a resource."""
    root = given if type(given) is dict else dict(given)
    found = resource(root, {}, 0)
    if found is None:
        return
    name = root.get("resourceType")
    if found[0][1] == "resource-type" and not found[0][2]:
        yield Issue("fatal", "resource-type", "resourceType")
        return
    for severity, rule, place in found:
        yield Issue(severity, rule, f"{name}{place}")


def resource(value: object, known: Known, depth: int) -> Findings | None:
    """A resource of its own, at the root or in a bundle: what it contains is known to all in it."""
    if type(value) is not dict:
        return wrong(of_no_use(value))
    name = value.get("resourceType")
    if not isinstance(name, str) or name not in resource_types():
        return wrong("resource-type")
    return of_type(name)(value, within(value, known) if "contained" in value or "entry" in value else known, depth)


def contained(value: object, known: Known, depth: int) -> Findings | None:
    """A resource inside another, whose contained resources it may refer to. It contains none of its own."""
    if type(value) is not dict:
        return wrong(of_no_use(value))
    if "contained" in value:
        return wrong("dom-2")
    name = value.get("resourceType")
    if not isinstance(name, str) or name not in resource_types():
        return wrong("resource-type")
    return of_type(name)(value, known, depth)


class Choice(NamedTuple):
    """An element of several types: its JSON names, those of primitives also with `_`, and whether one is required."""

    stem: str
    names: frozenset[str]
    required: bool


@dataclass(frozen=True, slots=True)
class Shape:
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

    def check(node: object, known: Known, depth: int) -> Findings | None:
        nonlocal shape, slots, required, choices, invariants
        if shape is None:
            shape = _shape(name)
            slots, required, choices, invariants = shape.slots, shape.required, shape.choices, shape.invariants
        if type(node) is not dict:
            return wrong(of_no_use(node))
        if depth > DEEPEST:
            return wrong("depth")
        found: Findings | None = None
        strange, deeper = False, depth + 1
        for key, value in node.items():
            if (slot := slots.get(key)) is None:
                strange = True
            elif (told := slot(value, known, deeper)) is not None:
                found = (found or []) + below(f".{key}", told)
        if strange:
            found = _strangers(node, shape, found or [], known, deeper)
        for key in required:
            if key not in node and f"_{key}" not in node:
                found = [*(found or ()), ("error", "cardinality-min", f".{key}")]
        for choice in choices:
            if (told := _choice(node, choice)) is not None:
                found = (found or []) + told
        if is_element and len(node) < 2 and (not node or "id" in node):
            found = (found or []) + wrong("ele-1" if node else "empty")
        if not found or not stops(found):
            for rule, severity, _, holds in invariants:
                if not holds(node):
                    found = [*(found or ()), (severity, rule, "")]
            if "contained" in node:
                broken = [(severity, rule, "") for rule, severity, _, holds in CONTAINER if not holds(node)]
                found = (found or []) + broken
        return found[:MOST] if found else None

    return check


def _choice(node: Node, choice: Choice) -> Findings | None:
    if choice.names.isdisjoint(node):
        return wrong("cardinality-min", f".{choice.stem}") if choice.required else None
    given = choice.names.intersection(node)
    if len(given) > 1 and len({key.removeprefix("_") for key in given}) > 1:
        return wrong("choice", f".{choice.stem}")
    return None


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
        return bound(_primitive(CHECKS[name]), name, element)
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


def _primitive(check: Callable[[object], str | None]) -> Check:
    def primitive(value: object, _: Known, __: int) -> Findings | None:
        rule = check(value)
        if rule is None:
            return None
        if rule in WARNINGS:
            return [("warning", rule, "")]
        return wrong(of_no_use(value) if rule == "json-type" else rule)

    return primitive


def _many(one: Check, most: str) -> Check:
    limit = int(most) if most.isdigit() else None

    def many(value: object, known: Known, depth: int) -> Findings | None:
        if type(value) is not list:
            return wrong("null" if value is None else "cardinality-list")
        if not value:
            return wrong("empty")
        if limit and len(value) > limit:
            return wrong("cardinality-max")
        found: Findings | None = None
        for index, item in enumerate(value):
            if (told := one(item, known, depth)) is not None:
                found = (found or []) + below(f"[{index}]", told)
                if len(found) >= MOST:
                    break
        return found

    return many


def _only(name: str) -> Check:
    """A resource of one type: Bundle.entry.response.outcome and the like, where R4 says so."""

    def only(value: object, known: Known, depth: int) -> Findings | None:
        if isinstance(value, dict) and value.get("resourceType") != name:
            return wrong("resource-type")
        return resource(value, known, depth)

    return only


def _also(check: Check, invariant: Invariant) -> Check:
    def both(value: object, known: Known, depth: int) -> Findings | None:
        if (found := check(value, known, depth)) is not None:
            return found
        return None if invariant.holds(value) else wrong(invariant.rule)  # type: ignore[arg-type]  # an object, it passed

    return both


def _strangers(node: Node, shape: Shape, found: Findings, known: Known, depth: int) -> Findings:
    """What has no slot: a `_name` beside a primitive, or an element that R4 does not know."""
    for key, value in node.items():
        if key in shape.slots:
            continue
        name = key.removeprefix("_")
        if name is key or name not in shape.siblings:
            found.append(("error", "unknown-element", ""))
            continue
        if shape.siblings[name] and isinstance(value, list):
            covered = {f".{name}[{index}]" for index, item in enumerate(value) if item is not None}
            found = [one for one in found if one[1] != "null" or one[2] not in covered]
        found += below(f".{name}", _siblings(node.get(name), value, shape.siblings[name], known, depth))
    return found


def _siblings(plain: object, value: object, many: bool, known: Known, depth: int) -> Findings:
    """`_name` beside a primitive `name`: an Element with id and extensions, or an array of them with nulls."""
    if many is not isinstance(value, list):
        return wrong("cardinality-list" if many else of_no_use(value))
    if not isinstance(value, list):
        return _sibling(plain, value, known, depth)
    if not isinstance(plain, list):
        plain = [None] * len(value)
    if len(plain) != len(value):
        return wrong("null")
    found: Findings = []
    for index, (beside, item) in enumerate(zip(plain, value, strict=True)):
        if item is not None:
            found += below(f"[{index}]", _sibling(beside, item, known, depth))
    return found[:MOST] if any(item is not None for item in value) else wrong("empty")


def _sibling(plain: object, value: object, known: Known, depth: int) -> Findings:
    found = of_type("Element")(value, known, depth) or []
    if plain is not None and len(found) == 1 and found[0][1] == "ele-1":
        return []  # an id alone is enough beside a value
    return found
