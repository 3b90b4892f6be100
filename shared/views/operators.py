"""The operators: logic in three values, equality, order, arithmetic, sets.

Empty in is empty out, but where logic knows better: `false and {}` is false. What an operator does not take (an order
between a number and a string) is an error, never false.
"""

from collections.abc import Callable
from typing import Any

from shared.views import arithmetic, moments
from shared.views import fhir_types as types
from shared.views.collection import distinct, equal, items, one
from shared.views.expression import Context, Expression, Run, Scope, Wrong, as_one, as_truth, boolean
from shared.views.syntax import Binary


def sign(which: str, of: Expression) -> Expression:
    """`+of`, `-of`"""

    def run(item: Any, scope: Scope) -> Any:
        value = one(of.run(item, scope))
        if value is not None and not arithmetic.is_number(value):
            raise Wrong
        return -value if value is not None and which == "-" else value

    return Expression(run, of.type, single=True)


def binary(node: Binary, context: Context) -> Expression:
    """`left operator right`"""
    left, right = context.compile(node.left), context.compile(node.right)
    operator = node.operator
    if operator in _LOGIC:
        run = _LOGIC[operator](as_truth(left), as_truth(right))
        both = left.matches + right.matches if operator == "and" and left.matches and right.matches else ()
        return boolean(run)._replace(matches=both)
    if operator in ("=", "!="):
        return _plain_equality(left, right, wanted=operator == "=") or boolean(_equality(operator, left, right))
    if operator in ("~", "!~"):
        return boolean(_equality(operator, left, right))
    if operator in ("<", ">", "<=", ">="):
        return boolean(_comparison(operator, left, right))
    if operator in ("in", "contains"):
        inner, outer = (left, right) if operator == "in" else (right, left)
        return boolean(_membership(as_one(inner), outer.run))
    if operator == "|":
        return Expression(_union(left.run, right.run), left.type if left.type == right.type else None)
    if operator == "&":
        return Expression(_concatenation(as_one(left), as_one(right)), "string", single=True)
    return _arithmetic(operator, left, right)


def _and(left: Run, right: Run) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        first = left(item, scope)
        if first is False:
            return False
        second = right(item, scope)
        return False if second is False else (True if first and second else None)

    return run


def _or(left: Run, right: Run) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        first = left(item, scope)
        if first:
            return True
        second = right(item, scope)
        return True if second else (None if first is None or second is None else False)

    return run


def _xor(left: Run, right: Run) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        first, second = left(item, scope), right(item, scope)
        return None if first is None or second is None else first is not second

    return run


def _implies(left: Run, right: Run) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        first = left(item, scope)
        if first is False:
            return True
        second = right(item, scope)
        return True if second else (None if first is None or second is None else False)

    return run


_LOGIC: dict[str, Callable[[Run, Run], Run]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}


def _moment_types(left: Expression, right: Expression) -> bool:
    return left.type in types.MOMENTS or right.type in types.MOMENTS


def _equality(operator: str, left: Expression, right: Expression) -> Run:
    wanted = operator in ("=", "~")
    same = _same_moment if _moment_types(left, right) else equal

    def run(item: Any, scope: Scope) -> Any:
        mine, theirs = items(left.run(item, scope)), items(right.run(item, scope))
        if operator in ("=", "!=") and not (mine and theirs):
            return None
        if len(mine) != len(theirs):
            return not wanted
        for one_mine, one_theirs in zip(mine, theirs, strict=True):
            answer = same(one_mine, one_theirs)
            if answer is None:
                return None
            if not answer:
                return not wanted
        return wanted

    return run


def _plain_equality(left: Expression, right: Expression, *, wanted: bool) -> Expression | None:
    """The commonest of all: `system = 'http://loinc.org'`, a text against a constant one."""
    if right.constant is None or right.constant.type not in types.STRINGS or left.type in types.MOMENTS:
        return None
    of, text = left.run, right.constant.value

    def run(item: Any, scope: Scope) -> Any:
        found = of(item, scope)
        if type(found) is list:
            if not found:
                return None
            found = found[0] if len(found) == 1 else found
        return None if found is None else (found == text) is wanted

    path = left.path
    return boolean(run)._replace(matches=((path.names[0], text),) if wanted and path and path.plain else ())


def _same_moment(left: Any, right: Any) -> bool | None:
    if type(left) is str and type(right) is str:
        place = moments.order(left, right)
        return None if place is None else place == 0
    return equal(left, right)


def _comparison(operator: str, left: Expression, right: Expression) -> Run:
    get_left, get_right = as_one(left), as_one(right)
    by_moment = _moment_types(left, right)
    holds = {"<": (-1,), ">": (1,), "<=": (-1, 0), ">=": (1, 0)}[operator]

    def run(item: Any, scope: Scope) -> Any:
        mine, theirs = get_left(item, scope), get_right(item, scope)
        if mine is None or theirs is None:
            return None
        if type(mine) is str and type(theirs) is str:
            place = moments.order(mine, theirs) if by_moment else (mine > theirs) - (mine < theirs)
            return None if place is None else place in holds
        if arithmetic.is_number(mine) and arithmetic.is_number(theirs):
            return arithmetic.order(mine, theirs) in holds
        raise Wrong

    return run


def _membership(inner: Run, outer: Run) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        wanted = inner(item, scope)
        return None if wanted is None else any(equal(wanted, one_of) for one_of in items(outer(item, scope)))

    return run


def _union(left: Run, right: Run) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        return distinct([*items(left(item, scope)), *items(right(item, scope))])

    return run


def _concatenation(left: Run, right: Run) -> Run:
    def run(item: Any, scope: Scope) -> Any:
        mine, theirs = left(item, scope), right(item, scope)
        parts = [part for part in (mine, theirs) if part is not None]
        if any(type(part) is not str for part in parts):
            raise Wrong
        return "".join(parts)

    return run


def _arithmetic(operator: str, left: Expression, right: Expression) -> Expression:
    get_left, get_right = as_one(left), as_one(right)
    work = arithmetic.OPERATIONS[operator]

    def run(item: Any, scope: Scope) -> Any:
        mine, theirs = get_left(item, scope), get_right(item, scope)
        if mine is None or theirs is None:
            return None
        if arithmetic.is_number(mine) and arithmetic.is_number(theirs):
            return work(mine, theirs)
        if operator == "+" and type(mine) is str and type(theirs) is str and not _moment_types(left, right):
            return mine + theirs
        raise Wrong

    return Expression(run, _result_type(operator, left.type, right.type), single=True)


def _result_type(operator: str, left: str | None, right: str | None) -> str | None:
    if operator == "div":
        return "integer"
    if operator == "/":
        return "decimal"
    if left in types.INTEGERS and right in types.INTEGERS:
        return "integer"
    if left in types.NUMBERS and right in types.NUMBERS:
        return "decimal"
    return "string" if left in types.STRINGS and right in types.STRINGS else None
