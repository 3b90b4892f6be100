"""`./dev views run`: rows out, as many as there are; a bad view is told of before a line is read, a bad line in its place."""

import io
import json
from pathlib import Path
from typing import Any

from shared import ndjson
from shared.views import command


def _run(folder: Path, view: object, *lines: str) -> tuple[int, list[Any], str]:
    file = folder / "view.json"
    file.write_text(view if isinstance(view, str) else json.dumps(view))
    out, err = io.BytesIO(), io.StringIO()
    status = command.run(file, io.BytesIO("\n".join(lines).encode()), out, err)
    return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def _names(**more: Any) -> dict[str, Any]:
    columns = [{"name": "z", "path": "id"}, {"name": "a", "path": "family"}]
    return {
        "resource": "Patient",
        "select": [{"column": columns[:1]}, {"forEach": "name", "column": columns[1:]}],
        **more,
    }


ONE = '{"resourceType":"Patient","id":"1","name":[{"family":"A"},{"family":"B"}]}'


def test_each_line_gives_its_rows_in_the_order_of_the_columns(tmp_path: Path) -> None:
    other = '{"resourceType":"Observation","id":"o"}'
    status, rows, told = _run(tmp_path, _names(), ONE, other, ONE.replace('"1"', '"2"'))
    assert (status, told) == (ndjson.GOOD, "")
    assert rows == [{"z": "1", "a": "A"}, {"z": "1", "a": "B"}, {"z": "2", "a": "A"}, {"z": "2", "a": "B"}]
    assert [list(row) for row in rows] == [["z", "a"]] * 4


def test_a_line_that_the_view_does_not_fit_is_refused_in_its_place(tmp_path: Path) -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "family", "path": "name.family"}]}]}
    status, rows, _ = _run(tmp_path, view, ONE, "nonsense", '{"resourceType":"Patient","name":[{"family":"C"}]}')
    assert status == ndjson.SOME_REFUSED
    assert rows == [
        {"line": 1, "error": {"code": "view-failed", "path": "name.family"}},
        {"line": 2, "error": {"code": "resource-not-json", "path": ""}},
        {"family": "C"},
    ]


def test_a_bad_view_ends_with_2_and_a_reason(tmp_path: Path) -> None:
    assert _run(tmp_path, _names(where=[{"path": "@@"}]), ONE) == (2, [], "views: bad-fhirpath at where[0].path\n")
    assert _run(tmp_path, "{", ONE) == (2, [], "views: not-json\n")
    out, err = io.BytesIO(), io.StringIO()
    assert command.run(tmp_path / "none.json", io.BytesIO(), out, err) == 2
    assert err.getvalue() == "views: no-such-file\n"


def test_boundaries_see_the_zeros_that_were_written(tmp_path: Path) -> None:
    view = {
        "resource": "Observation",
        "select": [{"column": [{"name": "v", "path": "value.ofType(Quantity).value.highBoundary()"}]}],
    }
    lines = [f'{{"resourceType":"Observation","valueQuantity":{{"value":{text}}}}}' for text in ("1", "1.0", "1.00")]
    assert _run(tmp_path, view, *lines)[1] == [{"v": 1.5}, {"v": 1.05}, {"v": 1.005}]


def test_a_report_has_the_suites_own_form(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    good = {"title": "good", "view": _names(), "expect": [{"z": "1", "a": "A"}, {"z": "1", "a": "B"}]}
    file = {"title": "t", "resources": [json.loads(ONE)], "tests": [good, {**good, "title": "bad", "expect": []}]}
    (suite / "some.json").write_text(json.dumps(file))
    err = io.StringIO()
    assert command.report(suite, tmp_path / "report.json", err) == ndjson.SOME_REFUSED
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "some.json": {
            "tests": [
                {"name": "good", "result": {"passed": True}},
                {"name": "bad", "result": {"passed": False, "reason": "other rows"}},
            ]
        }
    }
    assert err.getvalue().endswith("passed 1 of 2\n")
    assert command.report(tmp_path / "nowhere", tmp_path / "report.json", err) == ndjson.WRONG_USAGE
