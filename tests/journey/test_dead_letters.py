"""A poisoned event is found, understood by its code, and replayed once after the fix."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from handlers.deadletters import command
from handlers.demo.stack import PROJECT, Stack, embedded
from shared.events.envelope import Message

pytestmark = pytest.mark.xdist_group("demo")
PATH = ("fhir.changed--validation", "fhir.validated--deid", "fhir.deidentified--analytics")


class Operator:
    """What `./dev dlq` prints, as it prints it."""

    def __init__(self, stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        monkeypatch.setattr(command, "settings", lambda: stack.settings)

    async def dlq(self, verb: str, **options: Any) -> tuple[int, list[dict[str, Any]]]:
        given = argparse.Namespace(**({"verb": verb, "event": [], "code": None, "handler": None} | options))
        status = await asyncio.to_thread(command.run, given)
        return status, [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]


@asynccontextmanager
async def _house(tmp_path: Path, **changed: object) -> AsyncIterator[tuple[Stack, list[tuple[str, Message]]]]:
    messages: list[tuple[str, Message]] = []
    observe = lambda topic, message: messages.append((topic, message))  # noqa: E731
    async with embedded(tmp_path, faults=None, observe=observe, **changed) as stack:
        yield stack, messages


async def _quiet(stack: Stack) -> None:
    await stack.medplum.idle()
    for _ in range(200):
        await asyncio.sleep(0.05)
        if not any(stack.pubsub.stats()[name].backlog for name in PATH):
            return
    raise AssertionError("the path did not come to rest")


def _rows(stack: Stack) -> int:
    [[count]] = stack.warehouse.rows(f"SELECT COUNT(*) FROM `{stack.settings.gcp_project}.clinic.resources`")
    return int(count)


async def test_a_poisoned_event_is_found_understood_and_replayed_once_after_the_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _house(tmp_path, resource_limit=2_000) as (stack, messages):
        operator = Operator(stack, capsys, monkeypatch)
        large = {"resourceType": "Patient", "name": [{"family": "Canaryfamily"}] * 200}
        stored = stack.medplum.create(PROJECT, large)
        await _quiet(stack)

        status, [found] = await operator.dlq("list")
        assert status == 0
        assert (found["code"], found["handler"], found["kind"]) == ("resource-too-large", "validation", "quarantine")
        status, [shown] = await operator.dlq("show", event=found["event"])
        assert (status, shown["ledger"]["state"]) == (0, "poison")
        assert "larger than the limit" in shown["meaning"]
        for seen in (found, shown):
            assert "Canary" not in json.dumps(seen)
            assert str(stored["id"]) not in json.dumps(seen)
        assert _rows(stack) == 0

        await stack.service.restart(resource_limit=1_000_000)
        status, [replayed] = await operator.dlq("replay", event=[found["event"]])
        assert (status, replayed["outcome"], replayed["topic"]) == (0, "replayed", "fhir.changed")
        await _quiet(stack)
        assert _rows(stack) == 1
        assert await operator.dlq("list") == (0, [])
        assert (await operator.dlq("replay", event=[found["event"]])) == (1, [])
        changed = [message.attributes["ce-id"] for topic, message in messages if topic == "fhir.changed"]
        assert changed == [found["event"]] * 2, "the replay kept the event's id, and there was one"


async def test_a_replay_of_what_is_done_does_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _house(tmp_path) as (stack, _):
        operator = Operator(stack, capsys, monkeypatch)
        stack.medplum.create(PROJECT, {"resourceType": "Patient", "birthDate": "unknown"})
        await _quiet(stack)
        _, [found] = await operator.dlq("list")
        assert (found["code"], found["at"], found["resource_type"]) == (
            "resource-invalid",
            "Patient.birthDate",
            "Patient",
        )
        # Nothing was mended, so the replayed event is poison again: it comes back to quarantine, once.
        await operator.dlq("replay", code="resource-invalid")
        await _quiet(stack)
        _, again = await operator.dlq("list")
        assert [record["event"] for record in again] == [found["event"]]
        assert _rows(stack) == 0
