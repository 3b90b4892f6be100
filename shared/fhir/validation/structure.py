"""The walk: a resource held against the table of R4's elements (shared/fhir/elements.py).

    resource ─► for each element: known? how often? JSON type? form? choice? code? target? ─► issues

Each type's table is compiled when it is first met. What every well-behaved client of Medplum stores passes; where R4 and
practice disagree, practice gets a warning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from shared.fhir.elements import CHOICE, Element, codes, json_names, resource_types, types
from shared.fhir.references import LocalReference, parse
from shared.fhir.validation.issue import Issue
from shared.fhir.validation.primitives import CHECKS

DEEPEST = 100

type Node = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Slot:
    """A JSON name of a type: its element, the type it has under this name, and the choice that it belongs to."""

    element: Element
    type: str
    choice: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """A type, compiled: its JSON names, and the elements that must be there (each by any of its JSON names)."""

    slots: Mapping[str, Slot]
    required: tuple[tuple[str, tuple[str, ...]], ...]


@cache
def shape(name: str) -> Shape:
    """The shape of a type of R4."""
    slots: dict[str, Slot] = {}
    required = []
    kind = types()[name].kind
    for stem, element in types()[name].elements.items():
        given = json_names(stem, element)
        if (stem, kind) == ("id", "resource") or (name, stem) == ("Extension", "url"):
            # R4's StructureDefinitions say System.String; the pages of `id` and `Extension` say more.
            given = {stem: "id" if stem == "id" else "uri"}
        choice = stem if stem.endswith(CHOICE) else None
        slots |= {json_name: Slot(element, type, choice) for json_name, type in given.items()}
        if element.min:
            required.append((stem.removesuffix(CHOICE), tuple(given)))
    return Shape(slots, tuple(required))


def resource_issues(resource: Node) -> Iterator[Issue]:
    """All that is wrong with a resource."""
    name = resource.get("resourceType")
    if not isinstance(name, str) or name not in resource_types():
        yield Issue("fatal", "resource-type", "resourceType")
        return
    yield from _resource(resource, name, 0)
    yield from _contained(resource, name)


def _resource(resource: Node, path: str, depth: int) -> Iterator[Issue]:
    name = resource.get("resourceType")
    if not isinstance(name, str) or name not in resource_types():
        yield Issue("error", "resource-type", path)
        return
    yield from _object({key: value for key, value in resource.items() if key != "resourceType"}, name, path, depth)


def _object(node: Node, name: str, path: str, depth: int) -> Iterator[Issue]:
    if depth > DEEPEST:
        yield Issue("error", "depth", path)
        return
    known = shape(name)
    chosen: set[str] = set()
    for key, value in node.items():
        plain = key.removeprefix("_")
        slot = known.slots.get(plain)
        if slot is None or (plain is not key and slot.type not in CHECKS):
            yield Issue("error", "unknown-element", path)
            continue
        if slot.choice and slot.choice not in chosen and len(_given(node, known, slot.choice)) > 1:
            chosen.add(slot.choice)
            yield Issue("error", "choice", f"{path}.{slot.choice.removesuffix(CHOICE)}")
        if plain is not key:
            yield from _siblings(node.get(plain), value, slot, f"{path}.{plain}", depth)
        else:
            yield from _element(value, f"_{key}" in node, slot, f"{path}.{key}", depth)
    for stem, names in known.required:
        if not any(key in node or f"_{key}" in node for key in names):
            yield Issue("error", "cardinality-min", f"{path}.{stem}")
    if name == "Extension" and ("extension" in node) == any(key.removeprefix("_").startswith("value") for key in node):
        yield Issue("error", "ext-1", path)


def _given(node: Node, known: Shape, choice: str) -> set[str]:
    """The JSON names of a choice that a node uses."""
    return {key.removeprefix("_") for key in node} & {key for key, slot in known.slots.items() if slot.choice == choice}


def _element(value: object, extended: bool, slot: Slot, path: str, depth: int) -> Iterator[Issue]:
    if not slot.element.many:
        if isinstance(value, list):
            yield Issue("error", "cardinality-max", path)
        else:
            yield from _value(value, slot, path, depth)
        return
    if not isinstance(value, list):
        yield Issue("error", "cardinality-list", path)
        return
    if not value:
        yield Issue("error", "empty", path)
    for index, item in enumerate(value):
        if item is None and extended and slot.type in CHECKS:
            continue
        yield from _value(item, slot, f"{path}[{index}]", depth)


def _value(value: object, slot: Slot, path: str, depth: int) -> Iterator[Issue]:
    if value is None:
        yield Issue("error", "null", path)
    elif (check := CHECKS.get(slot.type)) is not None:
        broken = check(value)
        if broken:
            yield Issue("error", broken, path)
        elif slot.type == "code":
            yield from _bound(slot.element, [value], path)
    elif not isinstance(value, Mapping):
        yield Issue("error", "json-type", path)
    elif not value:
        yield Issue("error", "empty", path)
    elif types()[slot.type].kind == "resource":
        yield from _resource(value, path, depth + 1)
    else:
        yield from _object(value, slot.type, path, depth + 1)
        match slot.type:
            case "Coding":
                yield from _bound(slot.element, [value.get("code")], path)
            case "CodeableConcept":
                codings = value.get("coding")
                given = (
                    [one.get("code") for one in codings if isinstance(one, Mapping)]
                    if isinstance(codings, list)
                    else []
                )
                yield from _bound(slot.element, given, path)
            case "Reference":
                yield from _target(value, slot.element, path)


def _siblings(plain: object, value: object, slot: Slot, path: str, depth: int) -> Iterator[Issue]:
    """`_name` beside a primitive `name`: an Element with id and extensions, or an array of them with nulls."""
    items = value if slot.element.many else [value]
    if not isinstance(items, list):
        yield Issue("error", "cardinality-list", path)
        return
    if slot.element.many and isinstance(plain, list) and len(plain) != len(items):
        yield Issue("error", "null", path)
    for item in items:
        if item is None and slot.element.many:
            continue
        if not isinstance(item, Mapping):
            yield Issue("error", "json-type", path)
        elif not item:
            yield Issue("error", "empty", path)
        else:
            yield from _object(item, "Element", path, depth + 1)


def _bound(element: Element, given: list[object], path: str) -> Iterator[Issue]:
    """A required binding, where the value set's codes are known; a concept without any code is told by text alone."""
    if element.strength != "required" or element.values is None:
        return
    allowed = codes().sets.get(element.values)
    present = [code for code in given if isinstance(code, str)]
    if allowed and present and not any(code in allowed for code in present):
        yield Issue("error", "required-binding", path)


def _target(reference: Node, element: Element, path: str) -> Iterator[Issue]:
    text = reference.get("reference")
    if not isinstance(text, str) or not element.targets or "Resource" in element.targets:
        return
    found = parse(text)
    if isinstance(found, LocalReference) and found.type not in element.targets:
        yield Issue("warning", "reference-target", path)  # Medplum does not check it, so stored data breaks it


def _contained(resource: Node, path: str) -> Iterator[Issue]:
    """ref-1: every `#id` is there. dom-2: nothing is contained twice over."""
    contained = resource.get("contained")
    inner = [one for one in contained if isinstance(one, Mapping)] if isinstance(contained, list) else []
    for index, one in enumerate(inner):
        if "contained" in one:
            yield Issue("error", "dom-2", f"{path}.contained[{index}]")
    ids = {one.get("id") for one in inner if isinstance(one.get("id"), str)}
    todo: list[tuple[object, str]] = [(resource, path)]
    while todo:
        node, where = todo.pop()
        if isinstance(node, Mapping):
            text = node.get("reference")
            if isinstance(text, str) and text.startswith("#") and len(text) > 1 and text[1:] not in ids:
                yield Issue("error", "ref-1", where)
            todo += [(value, where) for value in node.values()]
        elif isinstance(node, list):
            todo += [(item, where) for item in node]
