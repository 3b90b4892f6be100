"""Our rules as closures, put together once for each resource type.

    Rules ─► of this type: [required, system, size] in a row · [measurements] by LOINC code · [codes, identifiers] in one walk
          ─► check(resource) ─► issues

What a rule can not read it leaves to R4's own rules: nothing here raises, whatever JSON the resource is made of. A resource
without a finding makes no list and no path.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from shared.fhir.elements import types
from shared.fhir.validation.coded import everywhere, plan_of, walker
from shared.fhir.validation.issue import Issue
from shared.fhir.validation.measured import codings, measurements
from shared.fhir.validation.places import Node, Place
from shared.fhir.validation.rules import Rule

type Check = Callable[[Node], Iterable[Issue]]


class Rules:
    """A set of rules, compiled for each resource type when that type is first met."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._everywhere = everywhere([rule for rule in rules if rule.check in ("code", "identifier")])
        self._checks: dict[str, tuple[Check, ...]] = {}

    def issues(self, resource: Node) -> list[Issue]:
        """What our rules find, in the order of the rules' kinds."""
        name = resource.get("resourceType")
        if not isinstance(name, str):
            return []
        found: list[Issue] = []
        for check in self._of(name):
            found.extend(check(resource))
        return found

    def _of(self, name: str) -> tuple[Check, ...]:
        if name not in self._checks:
            kind = types().get(name)
            self._checks[name] = tuple(self._compiled(name)) if kind and kind.kind == "resource" else ()
        return self._checks[name]

    def _compiled(self, name: str) -> Iterator[Check]:
        own = [rule for rule in self._rules if rule.place.root == name]
        measured = [rule for rule in own if rule.check in ("unit", "range")]
        yield from (_KINDS[rule.check](rule) for rule in own if rule.check in _KINDS)
        if measured:
            yield measurements(measured)
        if self._everywhere and (plan := plan_of(name)):
            yield walker(plan, name, self._everywhere)


def _required(rule: Rule) -> Check:
    about, applies = rule.place, _applies(rule)
    # A primitive that only has an extension says why it is not there, which is what the rule asks for.
    some = frozenset(name for one in (about, *rule.unless) for given in one.names for name in (given, f"_{given}"))

    def within(resource: Node) -> Iterable[Issue]:
        return [
            rule.issue(f"{path}.{about.name}")
            for node, path in about.nodes(resource)
            if node.keys().isdisjoint(some) and applies(resource)
        ]

    def check(resource: Node) -> Iterable[Issue]:
        if resource.keys().isdisjoint(some) and applies(resource):
            return (rule.issue(f"{about.root}.{about.name}"),)
        return ()

    return within if about.steps else check


def _system(rule: Rule) -> Check:
    about, applies, systems = rule.place, _applies(rule), frozenset(rule.systems)

    def good(value: object) -> bool:
        some = False
        for coding in codings(value):
            system, some = coding.get("system"), True
            if isinstance(system, str) and system in systems:
                return True
        return not some

    def check(resource: Node) -> Iterator[Issue]:
        for value, path in _values(rule, resource):
            for one, index in _each(value):
                if not good(one) and applies(resource):
                    yield rule.issue(path + index)

    return _if_there(about, check, lambda value: not isinstance(value, list) and good(value))


def _size(rule: Rule) -> Check:
    most = rule.most

    def good(value: object) -> bool:
        return not isinstance(value, str | list) or len(value) <= most

    def check(resource: Node) -> Iterator[Issue]:
        return (rule.issue(path) for value, path in _values(rule, resource) if not good(value))

    return _if_there(rule.place, check, good)


def _if_there(about: Place, check: Check, good: Callable[[object], bool]) -> Check:
    """The check, where there is something to look for: most resources lack the element, or it is good as it is."""
    if about.steps:
        first = about.steps[0]
        return lambda resource: check(resource) if first in resource else ()
    if len(about.names) > 1:
        return check
    first = about.names[0]
    return lambda resource: () if first not in resource or good(resource[first]) else check(resource)


def _values(rule: Rule, resource: Node) -> Iterator[tuple[object, str]]:
    """What there is of the element, with its FHIRPath."""
    for node, path in rule.place.nodes(resource):
        yield from ((node[name], f"{path}.{name}") for name in rule.place.names if name in node)


_KINDS: dict[str, Callable[[Rule], Check]] = {"required": _required, "system": _system, "size": _size}


def _applies(rule: Rule) -> Callable[[Node], bool]:
    if rule.where is None:
        return lambda resource: True
    pairs = tuple(rule.where.items())

    def applies(resource: Node) -> bool:
        return all(isinstance(code := resource.get(name), str) and code in codes for name, codes in pairs)

    return applies


def _each(values: object) -> Iterator[tuple[object, str]]:
    if isinstance(values, list):
        yield from ((value, f"[{index}]") for index, value in enumerate(values))
    else:
        yield values, ""
