"""Resources that were valid, each broken in one way: by class, from the table of R4's elements, the same for the same seed.

    resource ─► its places (element, type, value) ─► one place of the class, picked ─► a copy, broken there

A class is a function that breaks a copy in place, or says that it has no place for it. It knows R4's table and nothing of the
validator. `mutants` gives so many of each class, from as many different resources as there are.
"""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.fhir.elements import CHOICE, Element, codes, json_names, resource_types, types

type Json = dict[str, Any]
type Break = Callable[["Patient"], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """An element that is there: in which object, under which JSON name, and what R4 says of it."""

    node: Json
    key: str
    stem: str
    element: Element
    type: str
    owner: str
    depth: int

    @property
    def value(self) -> Any:
        return self.node[self.key]

    def put(self, value: Any) -> None:
        """One value, in the array if it is one."""
        self.node[self.key] = [value] if self.element.many else value

    @property
    def first(self) -> Any:
        return self.value[0] if isinstance(self.value, list) else self.value


class Patient:
    """What is operated on: a copy of a resource, its places, and a source of chance."""

    def __init__(self, resource: Json, source: random.Random) -> None:
        self.root: Json = copy.deepcopy(resource)
        self.random = source
        self.places = list(_places(self.root, str(resource["resourceType"]), 0))

    def pick(self, fits: Callable[[Place], bool]) -> Place | None:
        found = [place for place in self.places if fits(place)]
        return self.random.choice(found) if found else None

    def objects(self, type: str) -> list[Json]:
        """All objects of a type."""
        if self.root["resourceType"] == type:
            return [self.root]
        found = []
        for place in self.places:
            if place.type == type or (
                types()[place.type].kind == "resource" and place.first.get("resourceType") == type
            ):
                found += place.value if isinstance(place.value, list) else [place.value]
        return found


def _places(node: Json, name: str, depth: int) -> Iterator[Place]:
    for stem, element in types()[name].elements.items():
        for key, type in json_names(stem, element).items():
            if key not in node:
                continue
            if key == "id" and types()[name].kind == "resource":
                type = "id"
            yield Place(node, key, stem, element, type, name, depth)
            for child in node[key] if isinstance(node[key], list) else [node[key]]:
                if isinstance(child, dict):
                    yield from _places(child, str(child.get("resourceType", type)), depth + 1)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken resource and the class of what is wrong with it."""

    kind: str
    resource: Json


def mutants(corpus: Sequence[Json], each: int, seed: int = 1) -> Iterator[Mutant]:
    """`each` of every class where the corpus has places for so many."""
    for kind, breaks in CLASSES.items():
        source, made = random.Random(f"{seed} {kind}"), 0
        order = list(corpus)
        source.shuffle(order)
        for resource in order * 3:
            if made == each:
                break
            patient = Patient(resource, source)
            if breaks(patient) and patient.root != resource:
                made += 1
                yield Mutant(kind, patient.root)


def _primitive(*names: str) -> Callable[[Place], bool]:
    return lambda place: place.type in names and place.first is not None


def _given(type: str, *wrong: Any) -> Break:
    """A value of a type becomes one that the type does not allow."""

    def breaks(patient: Patient) -> bool:
        place = patient.pick(_primitive(type))
        if place is None:
            return False
        place.put(patient.random.choice(wrong))
        return True

    return breaks


def _on(type: str, change: Callable[[Json, random.Random], bool]) -> Break:
    """A change of an object of a type that is fit for it."""

    def breaks(patient: Patient) -> bool:
        found = patient.objects(type)
        patient.random.shuffle(found)
        return any(change(node, patient.random) for node in found)

    return breaks


def _missing(patient: Patient) -> bool:
    place = patient.pick(lambda place: place.element.min > 0)
    if place is None:
        return False
    del place.node[place.key]
    place.node.pop(f"_{place.key}", None)
    return True


def _outside(kind: str, nested: bool | None) -> Break:
    def breaks(patient: Patient) -> bool:
        place = patient.pick(
            lambda place: (
                place.type == kind
                and place.element.strength == "required"
                and place.element.values in codes().sets
                and (nested is None or nested == (place.depth > 0))
            )
        )
        if place is None:
            return False
        code = patient.random.choice(("canary", "FINAL", "final-x", "0"))
        system = patient.random.choice((None, "http://example.org/codes"))
        coding = {"code": code, **({"system": system} if system else {})}
        place.put({"code": code, "Coding": coding, "CodeableConcept": {"coding": [coding]}}[kind])
        return True

    return breaks


def _other_system(patient: Patient) -> bool:
    """The right code of another system."""
    place = patient.pick(
        lambda place: (
            place.type == "CodeableConcept"
            and place.element.strength == "required"
            and place.element.values in codes().sets
            and any("system" in one for one in place.first.get("coding", ()))
        )
    )
    if place is None:
        return False
    for one in place.first["coding"]:
        one["system"] = "http://snomed.info/sct"
    return True


def _unknown(patient: Patient) -> bool:
    place = patient.pick(lambda place: isinstance(place.first, dict))
    node = place.first if place is not None and patient.random.random() < 0.5 else patient.root
    node[patient.random.choice(("canary", "Status", "valueCanary", "resource_type", "fhir_comments"))] = "x"
    return True


def _object_for_list(patient: Patient) -> bool:
    place = patient.pick(lambda place: isinstance(place.value, list) and place.value[0] is not None)
    if place is None:
        return False
    place.node[place.key] = place.value[0]
    return True


def _list_for_one(patient: Patient) -> bool:
    place = patient.pick(lambda place: not isinstance(place.value, list))
    if place is None:
        return False
    place.node[place.key] = [place.value]
    return True


def _json_type(patient: Patient) -> bool:
    place = patient.pick(lambda place: place.first is not None)
    if place is None:
        return False
    match place.first:
        case bool():
            place.put(patient.random.choice(("true", 1)))
        case int() | float():
            place.put(str(place.first))
        case str():
            place.put(patient.random.choice((5, True, {"value": place.first})))
        case _:
            place.put(patient.random.choice(("text", 5)))
    return True


def _two_of_a_choice(patient: Patient) -> bool:
    place = patient.pick(lambda place: place.stem.endswith(CHOICE))
    if place is None:
        return False
    simple = {"String": "x", "Boolean": True, "DateTime": "2020-01-02", "Integer": 1, "Range": {"low": {"value": 1}}}
    simple |= {"CodeableConcept": {"text": "x"}, "Period": {"start": "2020"}, "Reference": {"display": "x"}}
    simple |= {"Quantity": {"value": 1}, "Date": "2020-01-02", "Age": {"value": 1, "code": "a"}, "Uri": "http://x.org"}
    stem = place.stem.removesuffix(CHOICE)
    for name in json_names(place.stem, place.element):
        if name != place.key and name.removeprefix(stem) in simple:
            place.node[name] = simple[name.removeprefix(stem)]
            return True
    return False


def _no_type_of_the_choice(patient: Patient) -> bool:
    place = patient.pick(lambda place: place.stem.endswith(CHOICE) and len(place.element.types) < 20)
    if place is None:
        return False
    stem = place.stem.removesuffix(CHOICE)
    names = [f"{stem}{kind}" for kind in ("Canonical", "Markdown", "Signature", "Count", "Oid")]
    name = next(name for name in names if name not in json_names(place.stem, place.element))
    place.node[name] = place.node.pop(place.key)
    place.node.pop(f"_{place.key}", None)
    return True


def _wrong_target(patient: Patient) -> bool:
    place = patient.pick(
        lambda place: (
            place.type == "Reference" and bool(place.element.targets) and "Resource" not in place.element.targets
        )
    )
    if place is None:
        return False
    other = patient.random.choice(sorted(resource_types() - set(place.element.targets)))
    base = patient.random.choice(("", "", "https://example.org/fhir/"))
    place.put({"reference": f"{base}{other}/p1"})
    return True


def _contained_is_missing(patient: Patient) -> bool:
    place = patient.pick(lambda place: place.type == "Reference")
    if place is None:
        return False
    place.put({"reference": "#not-there"})
    return True


def _contained_is_unused(patient: Patient) -> bool:
    if patient.root["resourceType"] in ("Bundle", "Binary", "Parameters"):
        return False
    patient.root.setdefault("contained", []).append({"resourceType": "Basic", "id": "unused", "code": {"text": "x"}})
    return True


def _contained_with(content: Json) -> Break:
    def breaks(patient: Patient) -> bool:
        place = patient.pick(
            lambda place: (
                place.type == "Reference"
                and (
                    not place.element.targets
                    or "Resource" in place.element.targets
                    or "Patient" in place.element.targets
                )
                and place.depth == 0
            )
        )
        if place is None or patient.root["resourceType"] in ("Bundle", "Parameters"):
            return False
        place.put({"reference": "#inner"})
        patient.root.setdefault("contained", []).append({"resourceType": "Patient", "id": "inner", **content})
        return True

    return breaks


def _empty(value: Any) -> Break:
    def breaks(patient: Patient) -> bool:
        if isinstance(value, dict):
            place = patient.pick(lambda place: isinstance(place.first, dict) and "resourceType" not in place.first)
            if place is not None:
                place.put({})
        else:
            place = patient.pick(lambda place: isinstance(place.value, list))
            if place is not None:
                place.node[place.key] = []
        return place is not None

    return breaks


def _null(patient: Patient) -> bool:
    place = patient.pick(lambda place: f"_{place.key}" not in place.node)
    if place is None:
        return False
    if isinstance(place.value, list) and patient.random.random() < 0.5:
        place.node[place.key] = [*place.value, None]
    else:
        place.node[place.key] = None
    return True


def _primitive_extension(patient: Patient) -> bool:
    place = patient.pick(lambda place: types()[place.type].kind == "primitive" and not isinstance(place.value, list))
    if place is None or f"_{place.key}" in place.node:
        return False
    wrong: tuple[Any, ...] = (
        "text",
        {},
        [{"id": "x"}],
        {"canary": 1},
        {"extension": [{"valueString": "x"}]},
        {"extension": []},
    )
    place.node[f"_{place.key}"] = patient.random.choice(wrong)
    return True


def _resource_type(patient: Patient) -> bool:
    match patient.random.randrange(3):
        case 0:
            del patient.root["resourceType"]
        case 1:
            patient.root["resourceType"] = "Canary"
        case _:
            patient.root["resourceType"] = patient.root["resourceType"].lower()
    return True


_NS = 'xmlns="http://www.w3.org/1999/xhtml"'
_NARRATIVES = (
    f"<div {_NS}><script>alert(1)</script></div>",
    f'<div {_NS}><p onclick="x()">x</p></div>',
    f"<div {_NS}><iframe>x</iframe></div>",
    f"<div {_NS}></div>",
    f"<div {_NS}> </div>",
    f"<div {_NS}><p>x</div>",
    f'<div {_NS}><a href="javascript:x()">x</a></div>',
    f'<div {_NS}><form><input name="x"/></form></div>',
    f'<div {_NS}><link rel="stylesheet" href="http://x.org/x.css"/>x</div>',
    f"<!DOCTYPE div [<!ENTITY e 'x'>]><div {_NS}>&e;</div>",
    "<div>x</div>",
    "<p>x</p>",
    "plain text",
)


def _narrative(patient: Patient) -> bool:
    if patient.root["resourceType"] in ("Bundle", "Binary", "Parameters"):
        return False
    patient.root["text"] = {"status": "generated", "div": patient.random.choice(_NARRATIVES)}
    return True


def _entry(patient: Patient) -> bool:
    """Something wrong within an entry of a bundle."""
    inner = (
        [one["resource"] for one in patient.objects("Bundle")[0].get("entry", ()) if "resource" in one]
        if (patient.root["resourceType"] == "Bundle")
        else []
    )
    if not inner:
        return False
    within = Patient(patient.random.choice(inner), patient.random)
    if not patient.random.choice((_missing, _unknown, _json_type, _outside("code", None)))(within):
        return False
    for one in patient.root["entry"]:
        if "resource" in one and one["resource"].get("id") == within.root.get("id"):
            one["resource"] = within.root
            return True
    return False


def _ends_before_it_starts(node: Json, source: random.Random) -> bool:
    early, late = source.choice(
        (("2011", "2012"), ("2011-05-23T10:00:00Z", "2011-05-23T10:00:01Z"), ("2011-05", "2012-01-01"))
    )
    node |= {"start": late, "end": early}
    return True


def _without(key: str, beside: str) -> Callable[[Json, random.Random], bool]:
    def change(node: Json, _: random.Random) -> bool:
        return beside in node and node.pop(key, None) is not None

    return change


def _value_of(node: Json) -> bool:
    return any(key.startswith("value") for key in node)


def _absent_with_value(node: Json, _: random.Random) -> bool:
    node["dataAbsentReason"] = {"text": "x"}
    return _value_of(node)


def _component_repeats(node: Json, _: random.Random) -> bool:
    if not _value_of(node) or not node["code"].get("coding"):
        return False
    node["component"] = [{"code": copy.deepcopy(node["code"]), "valueString": "x"}]
    return True


def _range_of_nothing(node: Json, source: random.Random) -> bool:
    node["referenceRange"] = [source.choice(({"type": {"text": "x"}}, {"appliesTo": [{"text": "x"}]}))]
    return True


def _contact_without_anything(node: Json, source: random.Random) -> bool:
    node["contact"] = [source.choice(({"gender": "female"}, {"relationship": [{"text": "x"}]}))]
    return True


def _total(node: Json, _: random.Random) -> bool:
    node["total"] = 3
    return node["type"] not in ("searchset", "history")


def _extension(patient: Patient) -> bool:
    inner = [{"url": "x", "valueString": "x"}]
    wrong = ({"url": "http://x.org/e"}, {"url": "http://x.org/e", "valueString": "x", "extension": inner})
    if patient.root["resourceType"] in ("Bundle", "Binary", "Parameters"):
        return False
    patient.root.setdefault("extension", []).append(copy.deepcopy(patient.random.choice(wrong)))
    return True


def _no_unit(node: Json, source: random.Random) -> bool:
    wrong = (
        "mmHg",
        "deg C",
        "mg per dl",
        "furlongs",
        "MG/DL",
        "bpm",
        "lbs",
        "mg//dL",
        "(mg",
        "10^^3/uL",
        "celsius",
        "mgs",
    )
    node |= {"system": "http://unitsofmeasure.org", "code": source.choice(wrong)}
    return "code" in node


CLASSES: dict[str, Break] = {
    "missing required": _missing,
    "required code, of the resource": _outside("code", nested=False),
    "required code, nested": _outside("code", nested=True),
    "required CodeableConcept": _outside("CodeableConcept", nested=None),
    "required CodeableConcept, system": _other_system,
    "unknown element": _unknown,
    "cardinality: one for an array": _object_for_list,
    "cardinality: an array for one": _list_for_one,
    "JSON type": _json_type,
    "date": _given("date", "2023-02-30", "2023-13-01", "23-01-01", "2023/01/01", "2023-1-1", "0000", "x"),
    "dateTime": _given("dateTime", "2023-02-29", "2023-01-01T10:00:00", "2023-01-01T25:00:00Z", "2023-01-01 10:00:00Z", "x"),
    "instant": _given("instant", "2023-01-01", "2023-01-01T10:00:00", "2023-02-30T10:00:00Z", "x"),
    "time": _given("time", "25:00:00", "10:00", "10:00:00Z"),
    "id": _given("id", "a b", "a_b", "a" * 65, "", "a/b"),
    "uri": _given("uri", "http://a b", "", "http://x.org/<x>", "urn:uuid:x", "urn:oid:x", "http://x.org/%zz", " x"),
    "code, blanks": _given("code", " final", "final ", "a  b", "", "a\tb "),
    "positiveInt": _given("positiveInt", 0, -1, 1.5, 2**31, "1"),
    "unsignedInt": _given("unsignedInt", -1, 1.5, 2**31, True),
    "integer": _given("integer", 2**31, -(2**31) - 1, 1.5, "1"),
    "decimal": _given("decimal", "1.0", True, float("inf"), float("nan")),
    "base64Binary": _given("base64Binary", "a", "====", "a-_=", "aGVsbG8"),
    "string, empty": _given("string", "", " ", "a\x00b", "\x1b[0m"),
    "choice: two types": _two_of_a_choice,
    "choice: no type of it": _no_type_of_the_choice,
    "reference: wrong type": _wrong_target,
    "reference: not contained (ref-1)": _contained_is_missing,
    "obs-6": _on("Observation", _absent_with_value),
    "obs-7": _on("Observation", _component_repeats),
    "obs-3": _on("Observation", _range_of_nothing),
    "pat-1": _on("Patient", _contact_without_anything),
    "per-1": _on("Period", _ends_before_it_starts),
    "qty-3": _on("Quantity", _without("system", "code")),
    "cpt-2": _on("ContactPoint", _without("system", "value")),
    "bdl-1": _on("Bundle", _total),
    "ext-1": _extension,
    "dom-3": _contained_is_unused,
    "dom-2": _contained_with({"contained": [{"resourceType": "Basic", "id": "x", "code": {"text": "x"}}]}),
    "dom-4": _contained_with({"meta": {"versionId": "1"}}),
    "dom-5": _contained_with({"meta": {"security": [{"code": "x"}]}}),
    "empty object": _empty({}),
    "empty array": _empty([]),
    "null": _null,
    "primitive extension": _primitive_extension,
    "UCUM": _on("Quantity", _no_unit),
    "resourceType": _resource_type,
    "narrative": _narrative,
    "bundle: entry": _entry,
}  # fmt: skip
