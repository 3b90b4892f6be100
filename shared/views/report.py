"""A test suite of SQL-on-FHIR judged: its files run, and a report in the suite's own form (test_report.json).

    {"basic.json": {"tests": [{"name": "two columns", "result": {"passed": true}}, …]}, …}

A test passes when the rows are the expected ones in any order, each with all its columns in the view's order, or when the
view, or a resource, is refused as expected. Numbers are compared as numbers: 2.0 is 2, but true is not 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared.errors import Problem
from shared.strict_json import parse
from shared.views.collection import equal
from shared.views.compile import compile_view
from shared.views.definition import ViewError

type Report = dict[str, dict[str, list[dict[str, Any]]]]


def files(folder: Path) -> Iterator[Path]:
    """The files of a suite, in the order of their names. A report or a schema that lies with them is none."""
    for file in sorted(folder.glob("*.json")):
        content = parse(file.read_bytes())
        if isinstance(content, dict) and isinstance(content.get("tests"), list) and "resources" in content:
            yield file


def report(folder: Path) -> Report:
    """The report over a folder of the suite's files."""
    judged: Report = {}
    for file in files(folder):
        content: Any = parse(file.read_bytes(), exact=True)
        tests = [
            {"name": test["title"], "result": _result(judge(test, content["resources"]))} for test in content["tests"]
        ]
        judged[file.name] = {"tests": tests}
    return judged


def _result(reason: str | None) -> dict[str, Any]:
    return {"passed": True} if reason is None else {"passed": False, "reason": reason}


def judge(test: Mapping[str, Any], resources: Sequence[Mapping[str, object]]) -> str | None:
    """Why a test is not passed; None if it is."""
    try:
        view = compile_view(test["view"])
        rows = [row for resource in resources for row in view.rows(resource)]
    except (ViewError, Problem) as refusal:
        return None if test.get("expectError") else f"refused: {refusal}"
    if test.get("expectError"):
        return "not refused"
    names = [column.name for column in view.columns]
    if names != test.get("expectColumns", names) or any(list(row) != names for row in rows):
        return "other columns, or another order of them"
    if len(rows) != test.get("expectCount", len(rows)):
        return "another number of rows"
    return None if _same_rows(rows, test.get("expect", rows)) else "other rows"


def _same_rows(rows: Sequence[Any], expected: Sequence[Any]) -> bool:
    left = list(expected)
    for row in rows:
        found = next((number for number, other in enumerate(left) if _same(row, other)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _same(mine: Any, theirs: Any) -> bool:
    """A column that the suite does not name is not compared; the order of columns has been."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return all(key in mine and _same(mine[key], theirs[key]) for key in theirs)
    if isinstance(mine, list) and isinstance(theirs, list):
        return len(mine) == len(theirs) and all(map(_same, mine, theirs))
    return equal(_number(mine), _number(theirs))


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
