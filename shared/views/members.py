"""Steps along a path: members, choices of type, indexes; and what a path may start from.

item.get("name")                        a member of the item in focus
valueQuantity                           `value.ofType(Quantity)`, also behind first(), where() or an index
value, valueQuantity, valueString, …    `value` alone, where it may still be of several types
"""

from collections.abc import Callable
from typing import Any

from shared.views import arithmetic
from shared.views import fhir_types as types
from shared.views.collection import gather, items, one, without_nulls
from shared.views.expression import Context, Expression, Path, Run, Scope, Unsupported, Wrong, boolean
from shared.views.functions import call_on
from shared.views.syntax import Call, Index, Literal, Member, Node, This

_ENVIRONMENT = {
    "sct": Literal("http://snomed.info/sct", "string"),
    "loinc": Literal("http://loinc.org", "string"),
    "ucum": Literal("http://unitsofmeasure.org", "string"),
}


def this(context: Context) -> Expression:
    """The item in focus."""
    return Expression(lambda item, scope: item, context.focus, single=True)


def literal(given: Literal) -> Expression:
    """A value that stands in the path."""
    value = given.value
    return Expression(lambda item, scope: value, given.type, single=True, constant=given)


def variable(name: str, context: Context) -> Expression:
    """`%name`. Raises Unsupported."""
    if name == "rowIndex":
        return Expression(lambda item, scope: scope[1], "integer", single=True)
    if name in ("resource", "rootResource", "context"):
        return Expression(lambda item, scope: scope[0], context.resource, single=True)
    known = context.constants.get(name) or _ENVIRONMENT.get(name)
    if known is None:
        raise Unsupported("unknown-constant")
    return literal(known)


def member(node: Member, context: Context) -> Expression:
    """`of.name`"""
    starts = isinstance(node.of, This)
    if starts and node.name == context.resource == context.focus:
        return this(context)  # `Patient.name` is `name`
    of = context.compile(node.of)
    found = types.member(of.type, node.name)
    if found.type is None and (found.choices or not types.known(of.type)):
        choices = found.choices or types.all_types()
        return Expression(_any_choice(of.run, node.name, choices), None, choices=choices)
    return _named(of, node.name, found, starts=starts)


def _named(of: Expression, name: str, found: types.Found, *, starts: bool) -> Expression:
    before = Path(None if starts else of.run, ()) if of.path is None else of.path
    path = Path(before.base, (*before.names, name), not found.many)
    get = _chain(path.base, path.names) if path.base or len(path.names) > 1 else _one_step(name)
    nulls = found.many and (found.type is None or found.type in types.PRIMITIVES)
    return Expression(_without_nulls(get) if nulls else get, found.type, path=path)


def _one_step(name: str) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        try:
            return item.get(name)
        except AttributeError:  # the item is no object
            return None

    return run


def _two_steps(first: str, second: str) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        try:
            found = item.get(first)
        except AttributeError:
            return None
        if type(found) is dict:
            return found.get(second)
        return gather(found, second) if type(found) is list else None

    return run


def _chain(base: Run | None, names: tuple[str, ...]) -> Run:
    """All the steps in one function."""
    if base is not None and len(names) == 1:
        return _below(base, names[0])
    if base is not None:
        return lambda item, scope: _down(base(item, scope), names)
    if len(names) == 2:
        return _two_steps(*names)
    first, rest = names[0], names[1:]

    def run(item: Any, scope: Scope) -> Any:
        try:
            found = item.get(first)
        except AttributeError:
            return None
        return None if found is None else _down(found, rest)

    return run


def _below(base: Run, name: str) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        found = base(item, scope)
        if type(found) is dict:
            return found.get(name)
        return gather(found, name) if type(found) is list else None

    return run


def _down(found: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        kind = type(found)
        if kind is dict:
            found = found.get(name)
        elif kind is list:
            found = gather(found, name)
        else:
            return None
    return found


def _without_nulls(of: Run) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        found = of(item, scope)
        return without_nulls(found) if type(found) is list and None in found else found

    return run


def _any_choice(of: Run, name: str, choices: tuple[str, ...]) -> Run:
    """The element, under its own name or that of any of its types."""
    names = (name, *(types.json_name(name, choice) for choice in choices))

    def run(item: Any, scope: Scope) -> Any:
        result: list[Any] = []
        for parent in items(of(item, scope)):
            if type(parent) is dict:
                value = next((parent[known] for known in names if known in parent), None)
                result.extend(items(value))
        return without_nulls(result)

    return run


def of_type(node: Node, name: str, context: Context) -> Expression:
    """The items of a type: `value.ofType(Quantity)` is valueQuantity, also behind `first()`, `where()` and an index."""
    wanted = types.normal(name)
    chosen = _chosen(node, wanted, context)
    if chosen is not None:
        return chosen
    of = context.compile(node)
    if of.type is not None and types.is_a(of.type, wanted):
        return of
    if of.type is not None and not types.is_a(wanted, of.type) and of.type not in ("Resource", "DomainResource"):
        return Expression(lambda item, scope: None, wanted, single=True)
    fits = _fits(wanted)
    return Expression(
        lambda item, scope: [found for found in items(of.run(item, scope)) if fits(found)] or None, wanted
    )


def is_type(node: Node, name: str, context: Context) -> Expression:
    """Whether an item is of a type; nothing where there is none."""
    of, typed = context.compile(node).run, of_type(node, name, context).run

    def run(item: Any, scope: Scope) -> Any:
        return None if one(of(item, scope)) is None else one(typed(item, scope)) is not None

    return boolean(run)


def _chosen(node: Node, wanted: str, context: Context) -> Expression | None:
    """The path with its choice made, where the element may still have several types."""
    match node:
        case Member(of, name):
            parent = context.compile(of)
            found = types.member(parent.type, name)
            if found.choices or (found.type is None and not types.known(parent.type)):
                return _named(
                    parent, types.json_name(name, wanted), found._replace(type=wanted), starts=isinstance(of, This)
                )
        case Index(of, at) if (chosen := _chosen(of, wanted, context)) is not None:
            return index(chosen, context.compile(at))
        case Call(of, "first" | "last" | "single" | "where" as name, arguments):
            if (chosen := _chosen(of, wanted, context)) is not None:
                return call_on(chosen, name, arguments, context)
    return None


def _fits(wanted: str) -> Callable[[Any], bool]:
    if wanted == "boolean":
        return lambda item: type(item) is bool
    if wanted in types.INTEGERS:
        return lambda item: type(item) is int
    if wanted == "decimal":
        return arithmetic.is_number
    if wanted in types.PRIMITIVES:
        return lambda item: type(item) is str
    return lambda item: type(item) is dict and item.get("resourceType") in (wanted, None)


def index(of: Expression, at: Expression) -> Expression:
    """`of[at]`"""

    def run(item: Any, scope: Scope) -> Any:
        position = one(at.run(item, scope))
        if position is None:
            return None
        if type(position) is not int:
            raise Wrong
        found = items(of.run(item, scope))
        return found[position] if 0 <= position < len(found) else None

    return Expression(run, of.type, single=True, choices=of.choices)
