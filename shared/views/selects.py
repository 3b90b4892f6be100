"""How rows come out of a resource: a `select` compiled to a function that gives the rows of the item in focus.

    column …            one part of a row, from the item
    select, unionAll    parts with rows of their own
    forEach, repeat …   all that, for each item of a path

The rows of a select are the product of its parts, in the order columns, selects, unionAll. Selects that do not iterate
are one with their parent, and the usual shapes (columns alone; columns and one part) have a function of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from shared.errors import Code, Problem
from shared.views.collection import items
from shared.views.definition import Row
from shared.views.expression import Run, Scope
from shared.views.fhirpath import FAILURES

type Rows = Callable[[Any, Scope], list[Row]]
type Column = tuple[str, str | None, Run]  # its name, the member that it is if it is no more than that, its function


class Part(NamedTuple):
    """A part of the rows: columns from the item in focus, or rows of its own."""

    columns: tuple[Column, ...] = ()
    rows: Rows | None = None


def guarded(run: Run, path: str) -> Run:
    """An expression whose failure is a Problem with its path."""

    def safe(item: Any, scope: Scope) -> Any:
        try:
            return run(item, scope)
        except FAILURES:
            raise Problem(Code.VIEW_FAILED, path) from None

    return safe


def single(run: Run, path: str) -> Run:
    """A column of one value. Several are an error, as the specification wants."""

    def value(item: Any, scope: Scope) -> Any:
        found = run(item, scope)
        if type(found) is not list:
            return found
        if len(found) > 1:
            raise Problem(Code.VIEW_FAILED, path)
        return found[0] if found else None

    return value


def collected(run: Run) -> Run:
    """A column of many values: a list, if an empty one."""
    return lambda item, scope: list(items(run(item, scope)))


def rows_of(parts: Sequence[Part]) -> Rows:
    """The product of the parts."""
    match _joined(parts):
        case [Part(columns, None)]:
            return _row(columns)
        case [Part(_, rows)] if rows is not None:
            return rows
        case [Part(columns, None), Part(_, rows)] if rows is not None:
            return _repeated(_row(columns), rows)
        case joined:
            return _product([part.rows or rows_of([part]) for part in joined])


def _row(columns: Sequence[Column]) -> Rows:
    """One row. Plain members are read in place, without a call; what is no object, or a list after all, takes the long way."""

    def run(item: Any, scope: Scope) -> list[Row]:
        try:
            return [
                {
                    name: get(item, scope) if member is None or type(found := item.get(member)) is list else found
                    for name, member, get in columns
                }
            ]
        except AttributeError:
            return [{name: get(item, scope) for name, _, get in columns}]

    return run


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Columns that stand side by side are one part."""
    joined: list[Part] = []
    for part in parts:
        if joined and part.rows is None and joined[-1].rows is None:
            joined[-1] = Part(joined[-1].columns + part.columns)
        else:
            joined.append(part)
    return joined


def _repeated(row: Rows, rows: Rows) -> Rows:
    def run(item: Any, scope: Scope) -> list[Row]:
        found = rows(item, scope)
        if not found:
            return found
        [same] = row(item, scope)
        return [same | one for one in found]

    return run


def _product(parts: Sequence[Rows]) -> Rows:
    first, *others = parts

    def run(item: Any, scope: Scope) -> list[Row]:
        product = first(item, scope)  # rows are always new, and nobody else's
        for rows in others:
            found = rows(item, scope)
            if len(found) == 1:
                for one in product:
                    one |= found[0]
            else:
                product = [one | other for one in product for other in found]
        return product

    return run


def union(branches: Sequence[Rows]) -> Rows:
    """The rows of each, one after the other."""
    return lambda item, scope: [row for rows in branches for row in rows(item, scope)]


def for_each(of: Run, rows: Rows, null: Mapping[str, object] | None) -> Rows:
    """The rows of each item; where there is none, the row `null`, or no row at all."""

    def run(item: Any, scope: Scope) -> list[Row]:
        found = of(item, scope)
        if type(found) is list and found:
            return _each(found, rows, scope)
        if found is None or found == []:
            return [] if null is None else [dict(null)]
        return rows(found, (scope[0], 0))

    return run


def repeat(paths: Sequence[Run], rows: Rows) -> Rows:
    """The rows of all that the paths reach, from depth to depth, each before what is below it."""

    def below(item: Any, scope: Scope) -> list[Any]:
        return [found for path in paths for found in items(path(item, scope))]

    def run(item: Any, scope: Scope) -> list[Row]:
        found: list[Any] = []
        waiting = below(item, scope)[::-1]
        while waiting:
            found.append(waiting.pop())
            waiting.extend(below(found[-1], scope)[::-1])
        return _each(found, rows, scope)

    return run


def _each(found: Sequence[Any], rows: Rows, scope: Scope) -> list[Row]:
    resource = scope[0]
    return [row for index, item in enumerate(found) for row in rows(item, (resource, index))]
