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
from tests.journey.rest import at_rest, shown

pytestmark = pytest.mark.xdist_group("demo")


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


async def test_a_poisoned_event_is_found_understood_and_replayed_once_after_the_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _house(tmp_path, resource_limit=2_000) as (stack, messages):
        operator = Operator(stack, capsys, monkeypatch)
        large = {"resourceType": "Patient", "name": [{"family": "Canaryfamily"}] * 200}
        stored = stack.medplum.create(PROJECT, large)
        await at_rest(stack)

        status, [found] = await operator.dlq("list")
        assert status == 0
        assert (found["code"], found["handler"], found["kind"]) == ("resource-too-large", "validation", "quarantine")
        status, [told] = await operator.dlq("show", event=found["event"])
        assert (status, told["ledger"]["state"]) == (0, "poison")
        assert "larger than the limit" in told["meaning"]
        for seen in (found, told):
            assert "Canary" not in json.dumps(seen)
            assert str(stored["id"]) not in json.dumps(seen)
        assert shown(stack) == 0

        await stack.service.restart(resource_limit=1_000_000)
        status, [replayed] = await operator.dlq("replay", event=[found["event"]])
        assert (status, replayed["outcome"], replayed["topic"]) == (0, "replayed", "fhir.changed")
        await at_rest(stack)
        assert shown(stack) == 1
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
        await at_rest(stack)
        _, [found] = await operator.dlq("list")
        assert (found["code"], found["at"], found["resource_type"]) == (
            "resource-invalid",
            "Patient.birthDate",
            "Patient",
        )
        # Nothing was mended, so the replayed event is poison again: it comes back to quarantine, once.
        await operator.dlq("replay", code="resource-invalid")
        await at_rest(stack)
        _, again = await operator.dlq("list")
        assert [record["event"] for record in again] == [found["event"]]
        assert shown(stack) == 0
