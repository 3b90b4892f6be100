"""From policy and element table to functions: for each resource type what may leave of it, put together when it is first met.

A rule that does not fit the type of its element, or names what R4 does not know, is an error: the policies of the house are
put together whole by a test (tests/shared/deid/test_policy.py), and none ships that is not. Types that contain themselves
(the items of a questionnaire) are unrolled to a fixed depth; what lies deeper stays behind.
"""

from collections.abc import Mapping
from typing import final

from shared.deid import geography
from shared.deid.policy import Policy, PolicyError, Rule, Tree, Verb
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.verbs import Verbs
from shared.deid.walk import Given, Leave, Table, each, parts, unless
from shared.fhir import elements as r4
from shared.fhir.elements import Element

_DEPTH = 12  # how many tables deep: FHIR's own nesting stays below, and a form may nest its items six times
_EXTENSION = "extension"
_ANY = "*"


@final
class Compiler:
    """Puts together the functions of one policy under one key."""

    def __init__(self, policy: Policy, pseudonyms: Pseudonyms) -> None:
        self._policy = policy
        self._verbs = Verbs(policy, pseudonyms)
        self._types = r4.types()
        self._objects: dict[tuple[str, int], Leave] = {}
        self._resources: dict[str, Leave] = {}

    def of(self, name: str) -> Leave | None:
        """What may leave of a resource of this type; None if R4 has no such type. Raises PolicyError."""
        if (leave := self._resources.get(name)) is None and name in r4.resource_types():
            leave = self._resources[name] = self._resource(name)
        return leave

    def _resource(self, name: str) -> Leave:
        if name in self._policy.elements:
            return self._object(name, _DEPTH)
        known = self._types[name].elements
        generic = {
            key: rule for key, rule in self._policy.generic.items() if key in known and self._fits(rule, known[key])
        }
        return parts(self._entries(name, {**self._inherited(name), **generic}, 1))

    def _fits(self, rule: str | Tree, element: Element) -> bool:
        try:
            self._leave(self._rule(str(rule), ""), element.types[0], element, "", 0)
        except PolicyError:
            return False
        return True

    def _inherited(self, name: str) -> Tree:
        """The rules of the types that a type is built on."""
        base = self._types[name].base
        if base is None:
            return {}
        return {**self._inherited(base), **self._policy.elements.get(base, {})}

    def _tree(self, path: str) -> Tree:
        """The rules of a type, or of the content given in place at a path."""
        names = path.split(".")
        tree: str | Tree = self._policy.elements.get(names[0], {})
        for name in names[1:]:
            tree = tree.get(name, {}) if isinstance(tree, Mapping) else {}
        if not isinstance(tree, Mapping) or not tree:
            raise PolicyError(f"{path}: it has no rules")
        return tree

    def _object(self, path: str, depth: int) -> Leave:
        """The function for a type, with the exceptions to its rules. One for each path and depth, since types recur."""
        if (path, depth) in self._objects:
            return self._objects[path, depth]
        tree = {**self._inherited(path), **self._tree(path)}
        leave = parts(self._entries(path, tree, depth))
        others: dict[str, dict[tuple[str, str], tuple[int, Leave]]] = {}
        for number, special in enumerate(self._policy.special):
            if path in special.types:
                other = parts(self._entries(path, {**tree, **special.use}, depth))
                codes = {(special.system, code): (number, other) for code in special.codes}
                others.setdefault(special.element, {}).update(codes)
        for element, known in others.items():
            leave = unless(leave, element, known)
        if path == "Address":
            leave = geography.american(leave)
        self._objects[path, depth] = leave
        return leave

    def _entries(self, path: str, tree: Tree, depth: int) -> Table:
        """JSON name → function. Names whose rule lets nothing leave get none."""
        elements = r4.named(path)
        table: dict[str, Leave] = {}
        for name, rule in tree.items():
            place = f"{path}.{name}"
            if name not in elements:
                raise PolicyError(f"{place}: R4 has no such element")
            element, type_name = elements[name]
            if isinstance(rule, str):
                leave = self._leave(self._rule(rule, place), type_name, element, place, depth)
            elif name == _EXTENSION:
                leave = self._extensions(rule, place)
            elif type_name == place:
                leave = self._parts(place, depth - 1)
            else:
                raise PolicyError(f"{place}: its content is not given in place")
            if leave is not None:
                table[name] = each(leave) if element.many else leave
        return table

    def _rule(self, id: str, place: str) -> Rule:
        if id not in self._policy.rules:
            raise PolicyError(f"{place}: there is no rule {id}")
        return self._policy.rules[id]

    def _parts(self, path: str, depth: int) -> Leave | None:
        return self._object(path, depth) if depth > 0 else None

    def _extensions(self, tree: Tree, place: str) -> Leave:
        """The extensions that may leave, by URL, each with its value or with the extensions inside it."""
        known = r4.json_names("value[x]", self._types["Extension"].elements["value[x]"])

        def one(inside: str | Tree, at: str) -> Leave:
            if not isinstance(inside, Mapping):
                raise PolicyError(f"{at}: an extension has a value or extensions")
            element = Element(())
            table = {
                name: leave
                for name, rule in inside.items()
                if name in known
                and (leave := self._leave(self._rule(str(rule), at), known[name], element, at, 1)) is not None
            }
            nested = {name: one(rule, f"{at}.{name}") for name, rule in inside.items() if name not in known}
            return parts({**table, _EXTENSION: each(_by_url(nested))} if nested else table)

        return _by_url({url: one(inside, f"{place}({url})") for url, inside in tree.items()})

    def _leave(self, rule: Rule, of: str, element: Element, place: str, depth: int) -> Leave | None:
        if rule.verb is Verb.PARTS and self._types[of].kind in ("complex", "part"):
            return self._parts(of, depth - 1)
        return self._verbs.on(rule, of, element, place)


def _by_url(known: Mapping[str, Leave]) -> Leave:
    """An Extension: its URL, when it is one of these, and what may leave of the rest."""

    def leave(value: object, given: Given) -> object:
        if type(value) is not dict or type(url := value.get("url")) is not str or (inside := known.get(url)) is None:
            return None
        safe = inside(value, given)
        return {"url": url, **safe} if type(safe) is dict else None

    return leave


def check(policy: Policy, pseudonyms: Pseudonyms) -> None:
    """Put a policy together whole. Raises PolicyError where it does not fit R4."""
    compiler = Compiler(policy, pseudonyms)
    for name in policy.elements:
        if name != _ANY and name not in r4.types():
            raise PolicyError(f"{name}: R4 has no such type")
    for name in sorted(r4.resource_types()):
        compiler.of(name)
