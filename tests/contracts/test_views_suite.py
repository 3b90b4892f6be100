"""SQL-on-FHIR's own tests, as far as they are recorded, and our own cases in their form: every one is passed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.strict_json import parse
from shared.views.report import files, judge
from tests.contracts.recordings import DATA

RECORDED = DATA.parent / "sql-on-fhir"
OWN = Path(__file__).parents[1] / "golden" / "sql-on-fhir"


def _cases(folder: Path) -> list[Any]:
    found = []
    for file in files(folder):
        content: Any = parse(file.read_bytes(), exact=True)
        for number, test in enumerate(content["tests"]):
            found.append(pytest.param(test, content["resources"], id=f"{file.stem}-{number}-{test['title']}"))
    return found


@pytest.mark.parametrize("test, resources", _cases(OWN))
def test_our_own_cases(test: Mapping[str, Any], resources: Sequence[Mapping[str, object]]) -> None:
    assert judge(test, resources) is None


@pytest.mark.skipif(not RECORDED.exists(), reason=f"the suite is not on this machine: {RECORDED}")
@pytest.mark.parametrize("test, resources", _cases(RECORDED))
def test_the_recorded_suite(test: Mapping[str, Any], resources: Sequence[Mapping[str, object]]) -> None:
    assert judge(test, resources) is None


def test_a_wrong_row_a_missing_one_and_a_view_that_is_not_refused_are_told_apart() -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    given = [{"resourceType": "Patient", "id": "a"}]
    assert judge({"view": view, "expect": [{"id": "a"}]}, given) is None
    assert judge({"view": view, "expect": [{"id": "b"}]}, given) == "other rows"
    assert judge({"view": view, "expect": []}, given) == "other rows"
    assert judge({"view": view, "expectCount": 2}, given) == "another number of rows"
    assert judge({"view": view, "expectError": True}, given) == "not refused"
    assert (
        judge({"view": view, "expect": [], "expectColumns": ["x"]}, given) == "other columns, or another order of them"
    )
    assert judge({"view": {}, "expect": []}, given) == "refused: no-resource at resource"
