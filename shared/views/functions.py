"""The FHIRPath functions that a view may call: SQL-on-FHIR's subset, its two keys, and a few that stand near them.

An unknown function, or one with too many or too few arguments, is refused when the view is compiled.
"""

from typing import Any

from shared.views import arithmetic, keys, moments
from shared.views import fhir_types as types
from shared.views.collection import distinct, gather, items
from shared.views.expression import (
    Build,
    Context,
    Expression,
    Run,
    Scope,
    Unsupported,
    Wrong,
    as_one,
    as_truth,
    boolean,
)
from shared.views.functions_of_text import FUNCTIONS_OF_TEXT
from shared.views.syntax import Literal, Member, Node, This


def call_on(of: Expression, name: str, arguments: tuple[Node, ...], context: Context) -> Expression:
    """A function called on what is compiled already. Raises Unsupported."""
    known = _FUNCTIONS.get(name)
    if known is None:
        raise Unsupported("unknown-function")
    build, least, most = known
    if not least <= len(arguments) <= most:
        raise Unsupported("wrong-arguments")
    return build(of, arguments, context)


def beside(of: Expression, name: str) -> Expression:
    """What is said of a primitive stands beside it: `_birthDate`."""
    get = of.run

    def run(item: Any, scope: Scope) -> Any:
        return gather(list(items(get(item, scope))), f"_{name}")

    return Expression(run, "Element")


def type_argument(arguments: tuple[Node, ...]) -> str:
    """The type that an argument names. Raises Unsupported."""
    match arguments:
        case (Member(This(), name),):
            return name
        case (Member(Member(This(), "FHIR" | "System" as space), name),):
            return f"{space}.{name}"
    raise Unsupported("wrong-arguments")


def _criteria(of: Expression, node: Node, context: Context) -> tuple[tuple[tuple[str, object], ...], Run]:
    """A test of each item: the values that members must have, if it asks for nothing else, and a function in any case."""
    test = context.inside(of.type).compile(node)
    return test.matches, as_truth(test)


def _where(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get, matches, test = of.run, *_criteria(of, arguments[0], context)
    if len(matches) == 1:
        return Expression(_where_matching(get, *matches[0]), of.type, of.single, of.choices)

    def run(item: Any, scope: Scope) -> Any:
        found = get(item, scope)
        if type(found) is list:
            return [one_of for one_of in found if test(one_of, scope)] or None
        return found if found is not None and test(found, scope) else None

    return Expression(run, of.type, of.single, of.choices)


def _where_matching(get: Run, name: str, value: object) -> Run:
    """`where(system = …)`"""

    def run(item: Any, scope: Scope) -> Any:
        found = get(item, scope)
        if type(found) is list:
            return [one_of for one_of in found if type(one_of) is dict and one_of.get(name) == value] or None
        return found if type(found) is dict and found.get(name) == value else None

    return run


def _exists(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get = of.run
    if not arguments:
        return boolean(lambda item, scope: (found := get(item, scope)) is not None and found != [])
    matches, test = _criteria(of, arguments[0], context)
    if len(matches) == 2:
        return boolean(_exists_matching(of, *matches))

    def run(item: Any, scope: Scope) -> bool:
        found = get(item, scope)
        if type(found) is not list:
            return found is not None and bool(test(found, scope))
        for one_of in found:  # noqa: SIM110 - a generator costs more than the loop
            if test(one_of, scope):
                return True
        return False

    return boolean(run)


def _exists_matching(of: Expression, one_pair: tuple[str, object], other: tuple[str, object]) -> Run:
    """`code.coding.exists(system = … and code = …)`: two members of one thing each are read in place, without a call."""
    (name, value), (also, wanted), get = one_pair, other, of.run
    first, second = of.path.names if of.path and of.path.base is None and len(of.path.names) == 2 else (None, "")

    def run(item: Any, scope: Scope) -> bool:
        if first is not None and type(item) is dict and type(parent := item.get(first)) is dict:
            found = parent.get(second)
        else:
            found = get(item, scope)
        if type(found) is list:
            for one_of in found:  # noqa: SIM110 - a generator costs more than the loop
                if type(one_of) is dict and one_of.get(also) == wanted and one_of.get(name) == value:
                    return True
            return False
        return type(found) is dict and found.get(also) == wanted and found.get(name) == value

    return run


def _empty(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get = of.run
    return boolean(lambda item, scope: (found := get(item, scope)) is None or found == [])


def _not(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get = as_truth(of)
    return boolean(lambda item, scope: None if (found := get(item, scope)) is None else not found)


def _all(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get, (_, test) = of.run, _criteria(of, arguments[0], context)
    return boolean(lambda item, scope: all(test(one_of, scope) for one_of in items(get(item, scope))))


def _count(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    return Expression(lambda item, scope: len(items(of.run(item, scope))), "integer", single=True)


def _first(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get = of.run

    def run(item: Any, scope: Scope) -> Any:
        found = get(item, scope)
        if type(found) is list:
            return found[0] if found else None
        return found

    return Expression(run, of.type, single=True, choices=of.choices)


def _last(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    def run(item: Any, scope: Scope) -> Any:
        found = items(of.run(item, scope))
        return found[-1] if found else None

    return Expression(run, of.type, single=True, choices=of.choices)


def _single(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    return Expression(as_one(of), of.type, single=True, choices=of.choices)


def _distinct(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    return Expression(lambda item, scope: distinct(items(of.run(item, scope))), of.type)


def _select(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    inner = context.inside(of.type).compile(arguments[0])

    def run(item: Any, scope: Scope) -> Any:
        found: list[Any] = []
        for one_of in items(of.run(item, scope)):
            found.extend(items(inner.run(one_of, scope)))
        return found or None

    return Expression(run, inner.type)


def _iif(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    (_, test), then = _criteria(of, arguments[0], context), context.compile(arguments[1])
    otherwise = context.compile(arguments[2] if len(arguments) > 2 else Literal(None, None))
    kind = then.type if then.type == otherwise.type or len(arguments) == 2 else None

    def run(item: Any, scope: Scope) -> Any:
        return (then if test(item, scope) else otherwise).run(item, scope)

    return Expression(run, kind, then.single and otherwise.single)


def _extension(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get = of.run
    url = arguments[0]
    wanted = as_one(context.compile(url))

    def run(item: Any, scope: Scope) -> Any:
        parent, name = get(item, scope), wanted(item, scope)
        if type(parent) is dict:
            extensions = items(parent.get("extension"))
        else:
            extensions = items(gather(parent, "extension")) if type(parent) is list else ()
        return [one_of for one_of in extensions if type(one_of) is dict and one_of.get("url") == name] or None

    return Expression(run, "Extension")


def _resource_key(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get = as_one(of)
    return Expression(lambda item, scope: keys.resource_key(get(item, scope)), "string", single=True)


def _reference_key(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get, key = of.run, keys.reference_key(type_argument(arguments) if arguments else None)
    member = of.path.names[0] if of.path and of.path.base is None and len(of.path.names) == 1 else None

    def run(item: Any, scope: Scope) -> Any:
        found = item.get(member) if member is not None and type(item) is dict else get(item, scope)
        if type(found) is list:
            return [name for reference in found if (name := key(reference)) is not None] or None
        return key(found)

    return Expression(run, "string", of.single)


def _boundary(*, high: bool) -> Build:
    def build(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
        get = as_one(of)
        digits: Run = as_one(context.compile(arguments[0])) if arguments else (lambda item, scope: None)

        def run(item: Any, scope: Scope) -> Any:
            found, precision, kind = get(item, scope), digits(item, scope), of.type
            if type(found) is dict:  # a Period has its boundaries at its ends
                found, kind = found.get("end" if high else "start"), "dateTime"
            if precision is not None and type(precision) is not int:
                raise Wrong
            if type(found) is str:
                return moments.boundary(found, kind, high=high, precision=precision)
            return arithmetic.boundary(found, high=high, precision=precision) if arithmetic.is_number(found) else None

        kind = "dateTime" if of.type == "Period" else "decimal" if of.type in types.NUMBERS else of.type
        return Expression(run, kind, single=True)

    return build


_FUNCTIONS: dict[str, tuple[Build, int, int]] = {
    "where": (_where, 1, 1),
    "exists": (_exists, 0, 1),
    "empty": (_empty, 0, 0),
    "not": (_not, 0, 0),
    "all": (_all, 1, 1),
    "count": (_count, 0, 0),
    "first": (_first, 0, 0),
    "last": (_last, 0, 0),
    "single": (_single, 0, 0),
    "distinct": (_distinct, 0, 0),
    "select": (_select, 1, 1),
    "iif": (_iif, 2, 3),
    "extension": (_extension, 1, 1),
    **FUNCTIONS_OF_TEXT,
    "getResourceKey": (_resource_key, 0, 0),
    "getReferenceKey": (_reference_key, 0, 1),
    "lowBoundary": (_boundary(high=False), 0, 1),
    "highBoundary": (_boundary(high=True), 0, 1),
}
