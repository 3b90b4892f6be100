"""The FHIRPath functions that make texts or ask about them. Another value than a text is an error."""

from collections.abc import Callable
from typing import Any

from shared.views import arithmetic
from shared.views.collection import items
from shared.views.expression import Build, Context, Expression, Scope, Wrong, as_one, boolean
from shared.views.syntax import Node


def _join(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    between = as_one(context.compile(arguments[0])) if arguments else (lambda item, scope: "")

    def run(item: Any, scope: Scope) -> Any:
        found = items(of.run(item, scope))
        if any(type(one_of) is not str for one_of in found):
            raise Wrong
        return (between(item, scope) or "").join(found) if found else None

    return Expression(run, "string", single=True)


def _to_string(of: Expression, arguments: tuple[Node, ...], context: Context) -> Expression:
    get = as_one(of)

    def run(item: Any, scope: Scope) -> Any:
        found = get(item, scope)
        if type(found) is bool:
            return "true" if found else "false"
        return str(found) if arithmetic.is_number(found) else found if type(found) is str else None

    return Expression(run, "string", single=True)


def _text(
    of: Expression, arguments: tuple[Node, ...], context: Context, test: Callable[[str, str], bool]
) -> Expression:
    get, wanted = as_one(of), as_one(context.compile(arguments[0]))

    def run(item: Any, scope: Scope) -> Any:
        mine, theirs = get(item, scope), wanted(item, scope)
        if mine is None or theirs is None:
            return None
        if type(mine) is not str or type(theirs) is not str:
            raise Wrong
        return test(mine, theirs)

    return boolean(run)


def _text_test(test: Callable[[str, str], bool]) -> Build:
    return lambda of, arguments, context: _text(of, arguments, context, test)


FUNCTIONS_OF_TEXT: dict[str, tuple[Build, int, int]] = {
    "join": (_join, 0, 1),
    "toString": (_to_string, 0, 0),
    "startsWith": (_text_test(str.startswith), 1, 1),
    "endsWith": (_text_test(str.endswith), 1, 1),
    "contains": (_text_test(str.__contains__), 1, 1),
}
