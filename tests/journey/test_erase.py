"""A patient is forgotten: beyond the door nothing of one is left, nothing brings it back, and it is proven to who ordered it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from handlers.demo.service import environment_of
from handlers.demo.stack import PROJECT, UNTOLD, Stack, embedded
from shared.deid.pseudonyms import Pseudonyms
from shared.events.envelope import Message
from shared.sinks.pubsub import PubSubPublisher
from tests.journey.rest import at_rest

pytestmark = pytest.mark.xdist_group("demo")
_CODE = {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}
_ORDER = ("--project", "clinic", "--reason", "request 12 of the privacy office", "--by", "ann@clinic.example")
_GRAPH = "analytics.committed--graph"


def _of(patient: str) -> list[dict[str, Any]]:
    subject = {"reference": f"Patient/{patient}"}
    return [
        {"resourceType": "Condition", "subject": subject, "code": _CODE},
        {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": subject},
        {"resourceType": "Observation", "status": "final", "code": _CODE, "subject": subject, "valueString": "fine"},
        {"resourceType": "RelatedPerson", "patient": subject, "gender": "female"},
    ]


async def test_nothing_of_an_erased_patient_is_left_and_nothing_brings_it_back(tmp_path: Path) -> None:
    async with _house(tmp_path) as (stack, messages):
        forgotten, kept = (_written(stack) for _ in range(2))
        stack.medplum.update(PROJECT, forgotten[0] | {"gender": "male"})
        await _settled(stack)
        name, other = (_pseudonym(stack, str(one[0]["id"])) for one in (forgotten, kept))
        rows, drawn = _says(stack, name), await _known(stack)
        assert rows == {"current": 5, "log": 6}
        before = _says(stack, other)

        status, [dry], _ = await _erase(stack, str(forgotten[0]["id"]), "--dry-run")
        assert (status, dry["resources"], dry["before"]["current_rows"], dry["before"]["graph"]) == (0, 5, 5, 4)
        assert _says(stack, name) == rows, "a dry run only counts"

        status, proofs, said = await _erase(stack, str(forgotten[0]["id"]))
        assert status == 0
        assert proofs[0]["before"] | {"current_rows": 5, "change_rows": 6, "graph": 4} == proofs[0]["before"]
        assert not [n for place, n in proofs[0]["after"].items() if n and place != "graph"], (
            "the graph follows by events"
        )
        assert proofs[-1]["empty"]
        assert not any((*proofs[-1]["before"].values(), *proofs[-1]["after"].values()))
        assert {"view_condition", "view_patient", "view_observation", "graph"} <= set(proofs[-1]["after"])
        await _settled(stack)
        assert _says(stack, name) == {"current": 0, "log": 0}
        assert await _known(stack) == drawn - 4
        shown = await _command(stack, "erase", "show", proofs[0]["order"], "--json")
        assert [json.loads(line) for line in shown[1].splitlines()] == proofs

        # What comes afterwards: an old row again, a new version, a new resource, reconcile, backfill.
        late = [m for topic, m in messages if topic == "fhir.deidentified" and name.encode() in m.data]
        publisher = PubSubPublisher(stack.settings.gcp_project, stack.settings.pubsub_endpoint)
        for number, message in enumerate(late):
            if b'"resource":' in message.data:
                again = {**message.attributes, "ce-id": f"{number:064x}"}
                await publisher.publish("fhir.deidentified", Message(message.data, again, message.ordering_key))
        await publisher.close()
        stack.medplum.update(PROJECT, forgotten[0] | {"gender": "other"})
        stack.medplum.create(PROJECT, _of(str(forgotten[0]["id"]))[0])
        beneficiary = {"reference": f"Patient/{forgotten[0]['id']}"}
        coverage = {"resourceType": UNTOLD, "status": "active", "beneficiary": beneficiary, "payor": [beneficiary]}
        stack.medplum.create(PROJECT, coverage)
        await _settled(stack)
        await _command(stack, "reconcile", "--apply", "--json")
        await _settled(stack)
        await _command(stack, "backfill", "--again", "--json")
        await _settled(stack)
        assert _says(stack, name) == {"current": 0, "log": 0}
        assert await _known(stack) == drawn - 4
        assert _says(stack, other) == before, "the other patient is as before"
        status, out, _ = await _command(stack, "reconcile", "--json")
        found = [json.loads(line) for line in out.splitlines()]
        assert (status, sum(one["missing"] + one["stale"] + one["hidden"] + one["extra"] for one in found)) == (0, 0)
        assert '"code":"erased"' in stack.service.log.read_text(), "the door says why nothing left"

        status, proofs, more = await _erase(stack, str(forgotten[0]["id"]))
        assert (status, len(proofs), proofs[0]["empty"]) == (0, 1, True), "a second order finds nothing to do"
        _tells_nobody(stack, str(forgotten[0]["id"]), messages, said + more)
        assert name not in said + more
        events: list[dict[str, Any]] = stack.medplum.audit_events(PROJECT)
        records = [one for one in events if one["subtype"][0]["code"] == "erase"]
        named = [one for one in records if one["entity"][0]["what"] == {"reference": f"Patient/{forgotten[0]['id']}"}]
        assert (len(named), len(records)) == (2, 6), "each order: whom it is about; that it began; how it ended"
        assert {one["agent"][0]["altId"] for one in records} == {"ann@clinic.example"}


def _tells_nobody(stack: Stack, id: str, messages: list[tuple[str, Message]], said: str) -> None:
    assert id not in stack.service.log.read_text()
    assert id not in said
    for topic, message in messages:
        assert id not in repr(message.attributes) + message.ordering_key
        assert id.encode() not in message.data or topic in (
            "fhir.changed",
            "fhir.validated",
            "fhir.accessed",
            "privacy.erase",
        )


def _written(stack: Stack) -> list[dict[str, Any]]:
    patient = stack.medplum.create(PROJECT, {"resourceType": "Patient", "gender": "female"})
    return [patient, *(stack.medplum.create(PROJECT, one) for one in _of(str(patient["id"])))]


def _pseudonym(stack: Stack, id: str) -> str:
    key = stack.tenant.pseudonym_key
    assert key is not None
    return Pseudonyms(bytes.fromhex(key.get_secret_value()), "k1").id("Patient", id)


def _says(stack: Stack, name: str) -> dict[str, int]:
    """In how many rows with content the patient's pseudonym stands."""
    counts = {}
    for place, table in (("current", "current_rows"), ("log", "change_rows")):
        said = f"NOT deleted AND (key = '{name}' OR STRPOS(TO_JSON_STRING(resource), '{name}') > 0)"
        [[counts[place]]] = stack.warehouse.rows(f"SELECT COUNT(*) FROM `starvit.clinic.{table}` WHERE {said}")
    return counts


async def _known(stack: Stack) -> int:
    return sum(bool(one.attributes["known"]) for one in stack.graph.vertices("clinic") if one.type != "Concept")


async def _settled(stack: Stack) -> None:
    await at_rest(stack)
    async with asyncio.timeout(30):
        while any(
            stack.pubsub.stats()[name].backlog for name in (_GRAPH, "privacy.erase--erase", "ops.audit--operations")
        ):
            await asyncio.sleep(0.05)


async def _erase(stack: Stack, patient: str, *more: str) -> tuple[int, list[dict[str, Any]], str]:
    status, out, error = await _command(stack, "erase", *_ORDER, "--patient", patient, "--json", *more)
    await _settled(stack)
    return status, [json.loads(line) for line in out.splitlines()], out + error


async def _command(stack: Stack, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "handlers.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment_of(stack.settings)},
    )
    out, error = await process.communicate()
    assert process.returncode in (0, 1), error.decode()
    return process.returncode or 0, out.decode(), error.decode()


@asynccontextmanager
async def _house(tmp_path: Path) -> AsyncIterator[tuple[Stack, list[tuple[str, Message]]]]:
    messages: list[tuple[str, Message]] = []
    observe: Callable[[str, Message], None] = lambda topic, message: messages.append((topic, message))  # noqa: E731
    async with embedded(tmp_path, faults=None, observe=observe, settle=0) as stack:
        yield stack, messages
