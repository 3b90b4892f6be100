"""A ViewDefinition of SQL-on-FHIR v2 compiled: checked as far as it can be without a resource, then a View.

    definition ─► constants ─► where, select (FHIRPath ─► closures) ─► columns, rows

Refused with a code and a place: what the specification calls an error (a path that is no FHIRPath, an unknown constant,
a name twice, branches of a union that differ) and what could only be a slip (a misspelt member of a select, a filter
that gives no boolean). Against: a view that never ends (a `repeat` that stays where it is) or is too deep to read.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, final

from shared.errors import Code, Problem
from shared.views import fhir_types as types
from shared.views import fhirpath, selects
from shared.views.constants import NAME, constants
from shared.views.definition import Resource, Row, View, ViewColumn, ViewError
from shared.views.expression import Context, Expression, Run, Scope, Unsupported
from shared.views.selects import Column, Part, Rows
from shared.views.syntax import Binary, Call, Index, Member, Node, This, TypeTest

_DEEPEST = 20
_ITERATIONS = ("forEach", "forEachOrNull", "repeat")
_OF_A_SELECT = frozenset({"column", "select", "unionAll", *_ITERATIONS, "id", "extension", "modifierExtension"})
_PREFIX = "http://hl7.org/fhir/StructureDefinition/"
_STAYING = ("where", "first", "last", "single", "ofType", "distinct")  # what they give is among what they got


class _Selected(NamedTuple):
    """A compiled select: its columns, and the parts of its rows."""

    columns: tuple[ViewColumn, ...]
    parts: tuple[Part, ...]


def compile_view(definition: Mapping[str, object]) -> View:
    """A view that is ready to run. Raises ViewError."""
    resource, name = definition.get("resource"), definition.get("name", "")
    if definition.get("resourceType", "ViewDefinition") != "ViewDefinition":
        raise ViewError("not-a-view", "resourceType")
    if type(resource) is not str or not NAME.fullmatch(resource):
        raise ViewError("no-resource", "resource")
    if type(name) is not str or (name and not NAME.fullmatch(name)):
        raise ViewError("bad-name", "name")
    compiler = _Compiler(guarded=False)
    columns, rows = compiler.whole(definition, resource)

    @cache
    def careful() -> Callable[[Resource], list[Row]]:
        return _Compiler(guarded=True).whole(definition, resource)[1]

    def run(given: Resource) -> list[Row]:
        try:
            return rows(given)
        except fhirpath.FAILURES:
            return careful()(given)  # the same once more, with guards that tell which path it was

    return View(name, resource, columns, run, compiler.exact)


def _entry(resource: str, tests: Sequence[Run], rows: Rows) -> Callable[[Resource], list[Row]]:
    def all_rows(given: Resource) -> list[Row]:
        if given.get("resourceType") != resource:
            return []
        scope = (given, 0)
        for test in tests:
            if test(given, scope) is not True:
                return []
        return rows(given, scope)

    return all_rows


@final
class _Compiler:
    """One definition. `exact`: one of its paths asks how precisely a number was written."""

    def __init__(self, *, guarded: bool) -> None:
        self.exact = False
        self._guard = selects.guarded if guarded else lambda run, path: run

    def whole(
        self, given: Mapping[str, object], of: str
    ) -> tuple[tuple[ViewColumn, ...], Callable[[Resource], list[Row]]]:
        """The columns and rows of a view."""
        context = fhirpath.context(of, constants(given.get("constant", [])))
        tests = [self.test(one, context, f"where[{n}]") for n, one in _listed(given, "where", "")]
        selected = self.selects(given, "select", context, "", 0)
        columns = tuple(column for one in selected for column in one.columns)
        if not columns:
            raise ViewError("no-columns", "select")
        _named_once(columns, "select")
        return columns, _entry(of, tests, selects.rows_of([part for one in selected for part in one.parts]))

    def test(self, given: object, context: Context, place: str) -> Run:
        """A filter: a boolean, or nothing."""
        path = given.get("path") if type(given) is dict else None
        compiled = self._expression(path, context, f"{place}.path")
        if compiled.type not in (None, "boolean"):
            raise ViewError("not-a-boolean", f"{place}.path")
        run = selects.single(self._guard(compiled.run, str(path)), str(path))
        if compiled.boolean:
            return self._guard(compiled.run, str(path))

        def boolean(item: Any, scope: Scope) -> Any:
            found = run(item, scope)
            if found is not None and type(found) is not bool:
                raise Problem(Code.VIEW_FAILED, str(path))
            return found

        return boolean

    def selects(self, given: Mapping[str, object], key: str, context: Context, at: str, depth: int) -> list[_Selected]:
        """All the selects of a list."""
        return [self._select(one, context, f"{at}{key}[{n}]", depth + 1) for n, one in _listed(given, key, at)]

    def _select(self, given: object, context: Context, place: str, depth: int) -> _Selected:
        if type(given) is not dict:
            raise ViewError("not-an-object", place)
        if depth > _DEEPEST:
            raise ViewError("too-deep", place)
        for key in given:
            if key not in _OF_A_SELECT and not key.startswith("_"):
                raise ViewError("unknown-member", f"{place}.{key}")
        over = [key for key in _ITERATIONS if key in given]
        if len(over) > 1:
            raise ViewError("two-iterations", f"{place}.{over[1]}")
        if not over:
            return self._inside(given, context, f"{place}.", depth)
        paths, inner = self._iteration(given, over[0], context, place)
        inside = self._inside(given, inner, f"{place}.", depth)
        rows = selects.rows_of(inside.parts)
        if over[0] == "repeat":
            rows = selects.repeat(paths, rows)
        else:
            rows = selects.for_each(paths[0], rows, _null(inside.columns) if over[0] == "forEachOrNull" else None)
        return _Selected(inside.columns, (Part(rows=rows),))

    def _iteration(
        self, given: Mapping[str, object], key: str, context: Context, place: str
    ) -> tuple[list[Run], Context]:
        """The paths of an iteration, and the context of what is inside."""
        texts = given[key] if key == "repeat" else [given[key]]
        if type(texts) is not list or not texts:
            raise ViewError("not-a-list", f"{place}.{key}")
        runs, kinds = [], set()
        for number, text in enumerate(texts):
            at = f"{place}.{key}[{number}]" if key == "repeat" else f"{place}.{key}"
            path = self._expression(text, context, at)
            if key == "repeat" and not _descends(fhirpath.read(str(text))):
                raise ViewError("endless-repeat", at)
            runs.append(self._guard(path.run, str(text)))
            kinds.add(path.type)
        return runs, context.inside(kinds.pop() if len(kinds) == 1 else None)

    def _inside(self, given: Mapping[str, object], context: Context, at: str, depth: int) -> _Selected:
        columns: list[ViewColumn] = []
        getters: list[Column] = []
        for number, one in _listed(given, "column", at):
            column, member, get = self._column(one, context, f"{at}column[{number}]")
            columns.append(column)
            getters.append((column.name, member, get))
        parts = [Part(tuple(getters))] if getters else []
        for nested in self.selects(given, "select", context, at, depth):
            columns.extend(nested.columns)
            parts.extend(nested.parts)
        if branches := self.selects(given, "unionAll", context, at, depth):
            _alike(branches, f"{at}unionAll")
            columns.extend(branches[0].columns)
            parts.append(Part(rows=selects.union([selects.rows_of(branch.parts) for branch in branches])))
        if not columns:
            raise ViewError("no-columns", at.removesuffix("."))
        _named_once(columns, at.removesuffix("."))
        return _Selected(tuple(columns), tuple(parts))

    def _column(self, given: object, context: Context, place: str) -> tuple[ViewColumn, str | None, Run]:
        if type(given) is not dict:
            raise ViewError("not-an-object", place)
        name, path, many = given.get("name"), given.get("path"), given.get("collection", False)
        if type(name) is not str or not NAME.fullmatch(name):
            raise ViewError("bad-name", f"{place}.name")
        if type(many) is not bool:
            raise ViewError("not-a-boolean", f"{place}.collection")
        declared, description = given.get("type"), given.get("description", "")
        if declared is not None and (type(declared) is not str or not declared):
            raise ViewError("bad-type", f"{place}.type")
        compiled = self._expression(path, context, f"{place}.path")
        run = self._guard(compiled.run, str(path))
        get = selects.collected(run) if many else run if compiled.single else selects.single(run, str(path))
        kind = compiled.type if declared is None else types.normal(declared.removeprefix(_PREFIX))
        plain = compiled.path is not None and compiled.path.plain and not many
        told = ViewColumn(name, str(path), kind, many, description if type(description) is str else "")
        return told, compiled.path.names[0] if compiled.path and plain else None, get

    def _expression(self, path: object, context: Context, place: str) -> Expression:
        if type(path) is not str:
            raise ViewError("bad-fhirpath", place)
        try:
            compiled = context.compile(fhirpath.read(path))
        except Unsupported as unsupported:
            raise ViewError(unsupported.code, place) from None
        self.exact |= "Boundary" in path
        return compiled


def _listed(given: Mapping[str, object], key: str, at: str) -> list[tuple[int, object]]:
    value = given.get(key, [])
    if type(value) is not list:
        raise ViewError("not-a-list", f"{at}{key}")
    return list(enumerate(value))


def _named_once(columns: Sequence[ViewColumn], place: str) -> None:
    names = [column.name for column in columns]
    if len(set(names)) != len(names):
        raise ViewError("duplicate-column", place)


def _alike(branches: Sequence[_Selected], place: str) -> None:
    """The branches of a union have the same columns: their names, their order, and whether they are many."""

    def shape(branch: _Selected) -> list[tuple[str, bool]]:
        return [(column.name, column.collection) for column in branch.columns]

    for number, branch in enumerate(branches):
        if shape(branch) != shape(branches[0]):
            raise ViewError("union-mismatch", f"{place}[{number}]")


def _null(columns: Sequence[ViewColumn]) -> dict[str, object]:
    """The row of no item."""
    return {column.name: 0 if column.path.strip() == "%rowIndex" else None for column in columns}


def _descends(node: Node) -> bool:
    """Whether a path leads below the item in focus, whatever the resource: else `repeat` would find itself again."""
    match node:
        case Member(This(), name):
            return name[:1].islower()  # `Patient` is the resource itself
        case Member(of, _) | Index(of, _) | TypeTest("as", of, _):
            return _descends(of)
        case Call(of, "extension", _):
            return isinstance(of, This) or _descends(of)
        case Call(of, name, _) if name in _STAYING:
            return _descends(of)
        case Binary("|", left, right):
            return _descends(left) and _descends(right)
    return False
