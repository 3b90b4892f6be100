"""`./dev risk`: the same figures from NDJSON and from the warehouse, a gate that closes, and no value of anybody."""

import asyncio
import io
import json
import random
import re
from collections.abc import AsyncIterator, Iterator
from copy import replace
from pathlib import Path
from typing import Any

import pytest

from handlers import cli
from handlers.risk import command, lines, warehouse
from shared.deid import policy, quasi
from shared.deid.door import Door
from shared.deid.pseudonyms import Pseudonyms
from shared.errors import Code, Problem
from shared.local.bigquery import Endpoints, Warehouse
from shared.marks import FileMarks
from shared.risk_reports import last
from shared.sinks.bigquery import BigQueryWarehouse
from tests.rows import ROW

DATASET = "north_data"
CODES = ("44054006", "38341003", "195967001")
SETS = tuple(quasi.load().sets.values())
OPEN = ("--max-unique", "1", "--max-small", "1")

type Resource = dict[str, Any]


def clinic(patients: int, seed: int = 7) -> Iterator[Resource]:
    """Patients and their diagnoses, as they are in Medplum."""
    chance = random.Random(seed)
    for number in range(patients):
        places = [("MA", "02139"), ("MA", "02138"), ("VT", "05401"), ("NY", "")]
        addresses = [
            {"state": state, "postalCode": code}
            for state, code in chance.sample(places, chance.choice((0, 1, 1, 1, 2)))
        ]
        yield {
            "resourceType": "Patient",
            "id": f"p{number}",
            "name": [{"family": "Canaryfamily"}],
            "gender": chance.choice(("female", "male")),
            "birthDate": f"{chance.choice((1925, 1947, 1980))}-03-04",
            "address": addresses,
            "multipleBirthInteger": chance.choice((1, 1, 1, 2)),
            "deceasedBoolean": chance.random() < 0.1,
            "extension": [
                {
                    "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                    "extension": [
                        {
                            "url": "ombCategory",
                            "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": race},
                        }
                        for race in chance.sample(("2106-3", "2054-5"), chance.choice((0, 1, 2)))
                    ],
                }
            ],
        }
        for code in chance.sample(CODES, chance.choice((0, 1, 1, 2))):
            yield {
                "resourceType": "Condition",
                "id": f"c{number}-{code}",
                "subject": {"reference": f"Patient/p{number}"},
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}], "text": "Canaryfamily"},
            }


def released(patients: int, policy_name: str = "safe-harbor") -> list[Resource]:
    """The same beyond the door."""
    door = Door("north", policy.load(policy_name), Pseudonyms(b"k" * 32, "k1"))
    return [door.deidentify(resource) for resource in clinic(patients)]


def ndjson(resources: list[Resource]) -> bytes:
    return "".join(json.dumps(resource) + "\n" for resource in resources).encode()


def risk(given: bytes, *arguments: str) -> tuple[int, str]:
    """Exit code and standard output of `./dev risk`."""
    out = io.StringIO()
    options = cli._parser().parse_args(("risk", *arguments))
    return command.run(options, io.BytesIO(given), out), out.getvalue()


@pytest.fixture
async def embedded() -> AsyncIterator[tuple[Warehouse, Endpoints]]:
    made = Warehouse()
    await made.provision(DATASET)
    yield made, await made.start()
    await made.stop()
    made.close()


async def write(embedded: tuple[Warehouse, Endpoints], resources: list[Resource]) -> None:
    sink = BigQueryWarehouse("starvit", {("north", "k1"): DATASET}, embedded[1].grpc)
    rows = [replace(ROW, resource_type=one["resourceType"], key=one["id"], resource=one) for one in resources]
    await asyncio.gather(*(sink.write(row) for row in rows))
    patients = [row for row in rows if row.resource_type == "Patient"]
    older = replace(patients[0], sequence="0/0/0/1", resource={"resourceType": "Patient", "gender": "other"})
    deleted = replace(patients[0], key="d" * 32)
    gone = replace(deleted, sequence="2/0/0/1", deleted=True, resource=None)
    await asyncio.gather(*(sink.write(row) for row in (older, deleted, gone)))
    await sink.close()


@pytest.mark.parametrize("policy_name", policy.NAMES)
async def test_the_warehouse_and_the_lines_give_the_same_classes(
    embedded: tuple[Warehouse, Endpoints], policy_name: str
) -> None:
    resources = released(150, policy_name)
    await write(embedded, resources)
    asked = await asyncio.to_thread(warehouse.ask, SETS, "starvit", DATASET, embedded[1].rest)
    read = lines.read(ndjson(resources).splitlines(), SETS)
    assert asked == read.by_set
    assert {one.size > 1 for one in asked["register"]} == {True, False}, "else the example proves little"
    assert {(one.told, one.diversity > 1) for one in asked["register"]} >= {(True, False), (False, True)}


async def test_only_counts_leave_the_warehouse(embedded: tuple[Warehouse, Endpoints]) -> None:
    await write(embedded, released(30))
    for one in SETS:
        rows = embedded[0].rows(warehouse.sql(one, "starvit", DATASET))
        assert rows
        assert all(isinstance(cell, int) for row in rows for cell in row)


async def test_the_command_measures_a_dataset_of_the_settings(
    embedded: tuple[Warehouse, Endpoints], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = {"project": "p", "name": "north", "dataset": DATASET}
    monkeypatch.setenv("STARVIT_TENANTS", json.dumps([tenant]))
    monkeypatch.setenv("STARVIT_BIGQUERY_ENDPOINT", embedded[1].grpc)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", embedded[1].rest)
    await write(embedded, released(40))
    status, out = await asyncio.to_thread(risk, b"", "--dataset", DATASET, "--json", *OPEN)
    said = json.loads(out)
    assert (status, said["inside"], said["sets"]["register"]["patients"]) == (0, True, 40)
    same = json.loads(risk(ndjson(released(40)), "--ndjson", "--json", *OPEN)[1])
    assert same["sets"] == said["sets"]
    assert (await asyncio.to_thread(risk, b"", "--dataset", DATASET))[0] == 1


async def test_a_published_report_stands_beside_the_ledger_and_a_failed_one_is_no_good_end(
    embedded: tuple[Warehouse, Endpoints], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tenant = {"project": "p", "name": "north", "dataset": DATASET}
    monkeypatch.setenv("STARVIT_TENANTS", json.dumps([tenant]))
    monkeypatch.setenv("STARVIT_LEDGER", f"sqlite:{tmp_path / 'ledger'}")
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", embedded[1].rest)
    await write(embedded, released(40))
    assert (await asyncio.to_thread(risk, b"", "--dataset", DATASET, "--publish", *OPEN))[0] == 0
    kept = await last(FileMarks(tmp_path / "ledger.marks.json"), DATASET)
    assert kept is not None
    assert (kept.inside, kept.sets[0].patients) == (True, 40)
    assert (await asyncio.to_thread(risk, b"", "--dataset", DATASET, "--publish"))[0] == 1
    kept = await last(FileMarks(tmp_path / "ledger.marks.json"), DATASET)
    assert kept is not None
    assert not kept.inside
    monkeypatch.setenv("STARVIT_LEDGER", f"sqlite:{tmp_path / 'nowhere' / 'ledger'}")
    assert await asyncio.to_thread(risk, b"", "--dataset", DATASET, "--publish", *OPEN) == (2, "")


@pytest.mark.parametrize("part", [("--ndjson",), ("--dataset", DATASET, "--set", "register")])
def test_only_the_report_of_a_whole_dataset_is_published(part: tuple[str, ...]) -> None:
    assert risk(b"", *part, "--publish") == (2, "")


async def test_a_dataset_without_patients_or_of_nobody_is_never_inside(
    embedded: tuple[Warehouse, Endpoints], capsys: pytest.CaptureFixture[str]
) -> None:
    for dataset, reason in (
        (DATASET, "not one patient"),
        ("nowhere", "warehouse-down"),
        ("x`; DROP", "not the name of a dataset"),
    ):
        status, out = await asyncio.to_thread(risk, b"", "--dataset", dataset, "--endpoint", embedded[1].rest, *OPEN)
        assert (status, out) == (2, "")
        assert reason in capsys.readouterr().err


def test_a_silent_warehouse_is_an_outage() -> None:
    with pytest.raises(Problem) as down:
        warehouse.ask(SETS, "starvit", DATASET, "http://127.0.0.1:9", patience=0.1)
    assert down.value.code is Code.WAREHOUSE_DOWN


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"STARVIT_BIGQUERY_ENDPOINT": "127.0.0.1:9"}, "--endpoint"),
        ({"STARVIT_TENANTS": '[{"project": "p", "name": "south", "dataset": "south"}]'}, "no tenant"),
        ({"STARVIT_TENANTS": '[{"dataset": "Canary"}]'}, "settings"),
        ({"STARVIT_TENANTS_FILE": "/nowhere/canary"}, "settings"),
    ],
)
def test_settings_that_do_not_fit_are_wrong_usage(
    settings: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert risk(b"", "--dataset", DATASET) == (2, "")
    told = capsys.readouterr().err
    assert reason in told
    assert "anary" not in told


def test_the_gate_opens_and_closes_and_says_which_figure(capsys: pytest.CaptureFixture[str]) -> None:
    twelve: list[Resource] = [{"resourceType": "Patient", "id": f"{n:032x}", "gender": "male"} for n in range(12)]
    alone: Resource = {"resourceType": "Patient", "id": "f" * 32, "gender": "female"}
    assert risk(ndjson(twelve), "--ndjson", "--min-k", "12")[0] == 0
    assert risk(ndjson(twelve), "--ndjson", "--min-k", "13")[0] == 1
    assert risk(ndjson([*twelve, alone]), "--ndjson")[0] == 1
    assert risk(ndjson([*twelve, alone]), "--ndjson", "--max-unique", "0.08")[0] == 0
    status, out = risk(ndjson([*twelve, alone]), "--ndjson", "--json", "--set", "register", "--min-k", "2")
    said = json.loads(out)
    assert status == 1
    assert said["outside"] == [
        {"set": "register", "figure": "unique", "value": 1 / 13, "limit": 0.05},
        {"set": "register", "figure": "k", "value": 1, "limit": 2},
    ]
    assert "register: patients alone 7.69%, more than 5.00%" in capsys.readouterr().err


def test_the_table_says_the_same_as_the_json() -> None:
    given = ndjson(released(60))
    _, table = risk(given, "--ndjson", *OPEN)
    said = json.loads(risk(given, "--ndjson", "--json", *OPEN)[1])
    assert "inside the gate" in table
    for label, figure in (("smallest class (k)", "k"), ("classes", "classes")):
        [row] = re.findall(rf"^{re.escape(label)} {{2,}}(.*)$", table, re.MULTILINE)
        assert [int(cell) for cell in row.split()] == [said["sets"][one.id][figure] for one in SETS]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_pseudonym_and_no_value_of_a_patient_is_said(form: tuple[str, ...]) -> None:
    resources = released(60)
    _, out = risk(ndjson(resources), "--ndjson", *form, *OPEN)
    words = set(re.findall(r"[\w\-]+", out))
    assert not words & {"MA", "VT", "NY", "female", "male", "1947", "1980", "2106-3", "2054-5", *CODES}
    assert not re.search(r"[0-9a-f]{32}", out)


def test_a_later_line_replaces_an_earlier_one_and_refused_lines_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    first: Resource = {"resourceType": "Patient", "id": "a" * 32, "gender": "male"}
    nameless: Resource = {"resourceType": "Patient", "gender": "male"}
    refused: Resource = {"line": 3, "error": {"code": "no-policy", "path": "resourceType"}}
    given = ndjson([first, first | {"gender": "female"}, refused, nameless, nameless])
    said = json.loads(risk(given, "--ndjson", "--json", "--set", "register", *OPEN)[1])
    assert said["refused_lines"] == 1
    assert said["sets"]["register"]["sizes"]["1"] == {"classes": 1, "patients": 1}
    assert said["sets"]["register"]["patients"] == 3
    assert "1 lines were refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"",
        b"[]",
        b'{"id": "Canary"}',
        b'{"resourceType": "Patient", "id": "Canary"}',
        b'{"resourceType": "Patient", "name": [{"family": "Canary"}]}',
        b'{"resourceType": "Patient", "gender": "male", "gender": "female"}',
    ],
)
def test_a_line_that_did_not_come_through_the_door_ends_it(line: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    good = ndjson([{"resourceType": "Patient", "id": "a" * 32}])
    assert risk(good + line + b"\n", "--ndjson", *OPEN) == (2, "")
    told = capsys.readouterr().err
    assert "line 2" in told
    assert "Canary" not in told


@pytest.mark.parametrize("given", [b"", b'{"resourceType": "Condition"}\n', b'{"line": 1, "error": {}}\n'])
def test_without_one_patient_there_is_no_verdict(given: bytes) -> None:
    assert risk(given, "--ndjson", *OPEN) == (2, "")
