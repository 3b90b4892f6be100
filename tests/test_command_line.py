"""The command line is a contract: NDJSON in and out, one line for one line, and exit codes that mean something."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "name": [{"family": "Canaryfamily"}]}
LINES = [
    PATIENT,
    {"resourceType": "Nothing"},
    {"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
]


def dev(*arguments: str, given: str = "") -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, output lines, and standard error of a command."""
    command = [sys.executable, "-m", "handlers.cli", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    result = subprocess.run(
        command, input=given, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()] if result.stdout.startswith("{") else []
    return result.returncode, lines, result.stderr


def ndjson(*items: object) -> str:
    return "".join(f"{item if isinstance(item, str) else json.dumps(item)}\n" for item in items)


def test_deid_gives_a_line_for_a_line_and_names_the_refused_ones() -> None:
    status, lines, _ = dev("deid", "--policy", "safe-harbor", given=ndjson(*LINES, "not json", '{"a":1,"a":2}'))
    assert status == 1
    assert len(lines) == 5
    assert lines[0]["gender"] == "female"
    assert [line.get("line") for line in lines] == [None, 2, None, 4, 5]
    assert lines[1]["error"]["code"] == "no-policy"
    assert "Canary" not in json.dumps(lines)


def test_deid_keeps_joins_and_depends_on_the_key_alone(tmp_path: Path) -> None:
    observation = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p1"}}
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    runs = [
        dev("deid", "--policy", "expert", *more, given=ndjson(PATIENT, observation))[1]
        for more in ((), (), ("--key-file", str(key)))
    ]
    assert runs[0] == runs[1]
    assert runs[0][0]["id"] != runs[2][0]["id"]
    assert all(run[1]["subject"]["reference"] == f"Patient/{run[0]['id']}" for run in runs)


def test_deid_warns_that_the_demo_key_hides_nothing() -> None:
    status, lines, told = dev("deid", "--policy", "safe-harbor", given=ndjson(PATIENT))
    assert (status, len(lines)) == (0, 1)
    assert "key" in told


def test_validate_gives_an_outcome_for_each_line() -> None:
    status, lines, _ = dev("validate", "--no-rules", given=ndjson(*LINES, "not json"))
    assert status == 1
    assert [line["resourceType"] for line in lines] == ["OperationOutcome"] * 4
    assert [line["issue"][0]["severity"] for line in lines] == ["information", "fatal", "information", "fatal"]
    assert dev("validate", given=ndjson(PATIENT))[0] == 0
    assert dev("validate")[0] == 0


def test_validate_warns_by_our_rules_unless_told_otherwise_and_warnings_refuse_nothing(tmp_path: Path) -> None:
    file = tmp_path / "resources.ndjson"
    file.write_text(ndjson(PATIENT))
    found = {}
    for name, arguments in {"none": ("--rules", "none"), "default": (), "us-core": ("--rules", "us-core")}.items():
        status, [outcome], _ = dev("validate", str(file), *arguments)
        assert status == 0
        found[name] = {one["details"]["coding"][0]["code"] for one in outcome["issue"] if one["severity"] == "warning"}
        assert "Canary" not in json.dumps(outcome)
    assert found["none"] == set()
    assert found["default"] == {"patient-birth-date"}
    assert found["us-core"] == {"patient-birth-date", "us-core-patient-identifier"}
    assert dev("validate", str(tmp_path / "nothing.ndjson"))[0] == 2


def test_validate_refuses_what_a_rule_of_ours_calls_an_error() -> None:
    cold = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]},
        "valueQuantity": {"value": 98.6, "system": "http://unitsofmeasure.org", "code": "Cel"},
    }
    status, [outcome], _ = dev("validate", given=ndjson(cold))
    assert status == 1
    [error] = [one for one in outcome["issue"] if one["severity"] == "error"]
    assert error["details"]["coding"][0]["code"] == "body-temperature-bounds"
    assert error["expression"] == ["Observation.valueQuantity"]
    assert "98.6" not in json.dumps(outcome)
    assert dev("validate", "--no-rules", given=ndjson(cold))[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("deid",),
        ("deid", "--policy", "other"),
        ("deid", "--policy", "safe-harbor", "--key-file", "missing"),
        ("demo", "--events", "0"),
        ("demo", "--events", "many"),
        ("demo", "--plant", "other"),
        ("risk",),
        ("risk", "--ndjson"),
        ("risk", "--ndjson", "--dataset", "north"),
        ("risk", "--ndjson", "--max-unique", "2"),
        ("risk", "--ndjson", "--set", "nothing"),
        ("dlq",),
        ("dlq", "show"),
        ("dlq", "plan"),
        ("dlq", "replay"),
        ("dlq", "purge", "--reason", "no filter"),
        ("dlq", "list", "--since", "yesterday"),
        ("provision", "--only", "everything"),
        ("provision", "--delete", "x"),
        ("doctor", "--apply"),
        ("doctor", "--fix-subscription", "AuditEvent"),
        ("doctor", "--fix-subscription", "Nothing"),
        ("doctor", "--project", "nobody"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(arguments: tuple[str, ...]) -> None:
    status, lines, told = dev(*arguments)
    assert (status, lines) == (2, [])
    assert told.strip()


def test_help_names_every_command() -> None:
    _, _, told = dev()
    for command in (
        "demo",
        "test",
        "serve",
        "deid",
        "validate",
        "risk",
        "dlq",
        "provision",
        "doctor",
        "bench",
        "openapi",
    ):
        assert command in told


def test_views_run_gives_the_rows_of_a_view_and_refuses_a_bad_one(tmp_path: Path) -> None:
    view = tmp_path / "view.json"
    columns = [{"name": "family", "path": "name.family.first()"}, {"name": "id", "path": "getResourceKey()"}]
    view.write_text(json.dumps({"resource": "Patient", "select": [{"column": columns}]}))
    status, lines, _ = dev("views", "run", str(view), given=ndjson(*LINES, "not json"))
    assert status == 1
    assert lines == [
        {"family": "Canaryfamily", "id": "p1"},
        {"line": 4, "error": {"code": "resource-not-json", "path": ""}},
    ]
    view.write_text(json.dumps({"resource": "Patient", "select": [{"forEach": "@@"}]}))
    assert dev("views", "run", str(view)) == (2, [], "views: bad-fhirpath at select[0].forEach\n")
