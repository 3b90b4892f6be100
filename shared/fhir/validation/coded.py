"""Codes and identifiers wherever they are: one walk over a resource that looks at each Coding and Identifier.

The forms of codes are the door's own (schemas/deid/code-systems.toml): a code that breaks its system's form stays behind
there, and here somebody is told why. Forms and check digits only; no system's content is ours.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache

from shared.deid.terminology import allowed
from shared.fhir.elements import json_names, types
from shared.fhir.validation.issue import Issue
from shared.fhir.validation.places import Node
from shared.fhir.validation.rules import Rule, code_systems

type Test = Callable[[str], bool]  # whether a value is good

_LEFT_OUT = frozenset({"extension", "modifierExtension", "contained", "meta"})  # no row is made of what they hold
_VALUE = {"Coding": "code", "Identifier": "value"}
_CODED = frozenset(_VALUE)
_CACHED = 65_536
_LONGEST = 64  # of a code
_SNOMED = "http://snomed.info/sct"
_EXPRESSION = re.compile(r"[0-9]{6,18}\s*[|:+]", re.ASCII)  # SNOMED CT's post-coordination: a grammar of its own
_NPI = re.compile(r"[12][0-9]{9}", re.ASCII)


class Plan(dict[str, "Plan"]):
    """The JSON names of a type under which a Coding or an Identifier may be found, each with what is within."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


@cache
def plan_of(name: str) -> Plan:
    """The ways to every Coding and Identifier of a type; some types lead back to themselves."""
    plans: dict[str, Plan] = {}

    def build(kind: str) -> Plan:
        if kind in plans:
            return plans[kind]
        plan = plans[kind] = Plan(kind)
        if kind not in types() or types()[kind].kind == "primitive":
            return plan
        for stem, element in types()[kind].elements.items():
            if stem not in _LEFT_OUT:
                plan.update({json: build(type) for json, type in json_names(stem, element).items() if type in leading})
        return plan

    leading = _leading()
    return build(name)


@cache
def _leading() -> frozenset[str]:
    """The types that are, or hold somewhere within, a Coding or an Identifier."""
    found = set(_CODED)
    while True:
        more = {
            name
            for name, kind in types().items()
            if kind.kind in ("complex", "part") and name not in found and name not in ("Extension", "Meta", "Reference")
            for stem, element in kind.elements.items()
            if stem not in _LEFT_OUT and not found.isdisjoint(element.types)
        }
        if not more:
            return frozenset(found)
        found |= more


type Tests = Sequence[tuple[Rule, Test]]
type Everywhere = Mapping[str, Mapping[str, Tests]]  # Coding | Identifier → system → tests


def walker(plan: Plan, name: str, rules: Everywhere) -> Callable[[Node], list[Issue]]:
    """Every Coding and Identifier within a resource of this type, against the rules of its system.

    Nearly every resource is good, so it is first asked whether all are, and only then where one is not: paths cost more
    than the rules do.
    """

    def check(resource: Node) -> list[Issue]:
        return [] if _good(resource, plan, rules) else _walk(resource, plan, name, rules)

    return check


def _good(resource: Node, plan: Plan, rules: Everywhere) -> bool:
    """Whether `_walk` would find nothing. Concepts are by far the most of what there is, so they are not queued."""
    codings = rules["Coding"]
    todo: list[tuple[Node, Plan]] = [(resource, plan)]
    while todo:
        node, plan = todo.pop()
        if plan.kind in _CODED and _broken(node, plan, rules):
            return False
        for name in node:
            if name in plan:
                value, within = node[name], plan[name]
                for item in value if type(value) is list else (value,):
                    if type(item) is dict:
                        if within.kind != "CodeableConcept":
                            todo.append((item, within))
                        elif not _concept(item, codings):
                            return False
    return True


def _concept(concept: Node, codings: Mapping[str, Tests]) -> bool:
    given = concept.get("coding")
    if type(given) is list:
        for coding in given:
            if type(coding) is dict and type(system := coding.get("system")) is str and system in codings:
                code = coding.get("code")
                if type(code) is str:
                    for _, good in codings[system]:
                        if not good(code):
                            return False
    return True


def _walk(resource: Node, plan: Plan, path: str, rules: Everywhere) -> list[Issue]:
    found: list[Issue] = []
    todo: list[tuple[Node, Plan, str]] = [(resource, plan, path)]
    while todo:
        node, plan, path = todo.pop()
        if plan.kind in _CODED:
            found += [rule.issue(f"{path}.{_VALUE[plan.kind]}") for rule in _broken(node, plan, rules)]
        for name, value in node.items():
            within = plan.get(name)
            if within is None:
                continue
            if isinstance(value, dict):
                todo.append((value, within, f"{path}.{name}"))
            elif isinstance(value, list):
                todo += [
                    (item, within, f"{path}.{name}[{index}]")
                    for index, item in enumerate(value)
                    if isinstance(item, dict)
                ]
    return found


def _broken(node: Node, plan: Plan, rules: Everywhere) -> Sequence[Rule]:
    system = node.get("system")
    tests = rules[plan.kind].get(system) if isinstance(system, str) else None
    if tests is None:
        return ()
    value = node.get(_VALUE[plan.kind])
    if not isinstance(value, str):
        return ()
    return [rule for rule, good in tests if not good(value)]


def everywhere(rules: Sequence[Rule]) -> Everywhere:
    """What is to be tried on the codes and identifiers of each system."""
    found: dict[str, dict[str, list[tuple[Rule, Test]]]] = {name: {} for name in _CODED}
    for rule in rules:
        if rule.check == "code":
            names, test = _form(rule.system)
        else:
            names, test = (rule.system,), _DIGITS[rule.digit]
        for name in names:
            found[rule.place.root].setdefault(name, []).append((rule, test))
    return found if rules else {}


def _form(system: str) -> tuple[tuple[str, ...], Test]:
    """The form of a system's codes is the door's own: what breaks it stays behind there (schemas/deid/code-systems.toml)."""
    own = code_systems()[system]
    known = allowed(own, {}, {}, lambda _: True)

    expression = _EXPRESSION.match if system == _SNOMED else lambda _: None

    @lru_cache(_CACHED)
    def matches(code: str) -> bool:
        return known(system, code) is not None or expression(code) is not None

    def good(code: str) -> bool:
        return matches(code) if len(code) <= _LONGEST else expression(code) is not None  # and fills no cache

    return (system, *(also for one in own for also in one.also)), good


def npi(value: str) -> bool:
    """A National Provider Identifier: Luhn's check digit over it and the prefix 80840 (45 CFR 162.406)."""
    if not _NPI.fullmatch(value):
        return False
    total = 24  # what the prefix adds
    for place, digit in enumerate(reversed(value)):
        number = int(digit) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


_DIGITS: dict[str, Test] = {"npi": npi}
