"""A poisoned event is found, understood by its code, and replayed once after the fix."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from handlers import cli
from handlers.deadletters import command
from handlers.demo.service import environment_of
from handlers.demo.stack import PROJECT, Stack, embedded
from handlers.provisioning import aside, hold, index
from shared.events.envelope import Message
from tests.journey.rest import at_rest, shown

pytestmark = pytest.mark.xdist_group("demo")
_LARGE = {"resourceType": "Patient", "name": [{"family": "Canaryfamily"}] * 200}


class Operator:
    """`./dev dlq`, as operators type it. `said` is all that it ever printed."""

    def __init__(self, stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack, self._capsys, self.said = stack, capsys, ""
        monkeypatch.setattr(command, "settings", lambda: stack.settings)

    async def dlq(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        status = await asyncio.to_thread(cli.main, ["dlq", *arguments])
        told = self._capsys.readouterr()
        self.said += told.out + told.err
        assert not told.err
        return status, [json.loads(line) for line in told.out.splitlines()]

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """In a process of its own, to be killed."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "handlers.cli", "dlq", *arguments),
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, **environment_of(self._stack.settings)},
        )

    async def lists(self, number: int) -> list[dict[str, Any]]:
        """The list, once it has come to be of this length."""
        await _until(lambda: not any(self._stack.pubsub.stats()[index(topic)].backlog for topic in aside()))
        status, found = await self.dlq("list")
        assert (status, len(found)) == (0, number)
        return found


@asynccontextmanager
async def _house(tmp_path: Path, **changed: Any) -> AsyncIterator[tuple[Stack, list[tuple[str, Message]]]]:
    messages: list[tuple[str, Message]] = []
    observe = lambda topic, message: messages.append((topic, message))  # noqa: E731
    async with embedded(tmp_path, faults=None, observe=observe, **changed) as stack:
        yield stack, messages


async def test_a_poisoned_event_is_found_understood_planned_and_replayed_once_after_the_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _house(tmp_path, resource_limit=2_000) as (stack, messages):
        operator = Operator(stack, capsys, monkeypatch)
        stored = stack.medplum.create(PROJECT, _LARGE)
        await at_rest(stack)

        [found] = await operator.lists(1)
        assert (found["code"], found["handler"], found["kind"]) == ("resource-too-large", "validation", "quarantine")
        assert (found["resource_type"], found["project"], found["state"]) == ("Patient", "clinic", "open")
        status, [told] = await operator.dlq("show", found["event"])
        assert (status, told["ledger"]["validation"]["state"]) == (0, "poison")
        assert [one["outcome"] for one in told["ledger"]["validation"]["attempts"]] == ["resource-too-large"]
        assert "larger than the limit" in told["meaning"]
        assert "STARVIT_RESOURCE_LIMIT" in told["advice"]
        _, [counts] = await operator.dlq("list", "--counts")
        assert counts["code"] == {"resource-too-large": 1}
        assert shown(stack) == 0

        await stack.service.restart(resource_limit=1_000_000)
        status, [line, plan] = await operator.dlq("plan", "--code", "resource-too-large", "--reason", "limit raised")
        assert (line["event"], line["topic"], plan["events"]) == (found["event"], "fhir.changed", 1)
        status, [moved, end] = await operator.dlq("replay", plan["plan"])
        assert (status, moved["outcome"], end["stage"], end["done"]) == (0, "replayed", "done", 1)
        await at_rest(stack)
        assert shown(stack) == 1
        await operator.lists(0)
        status, [refused] = await operator.dlq("replay", plan["plan"])
        assert (status, refused["error"]["path"]) == (1, "done")
        changed = [message.attributes["ce-id"] for topic, message in messages if topic == "fhir.changed"]
        assert changed == [found["event"]] * 2, "the replay kept the event's id, and there was one"

        _, exported = await operator.dlq("export", "--reason", "for the vendor")
        await operator.dlq("plans")
        assert [one["state"] for one in exported] == ["replayed"]
        _assert_tells_nothing_of(str(stored["id"]), operator.said, tmp_path)

        await _until(lambda: len(_operations(stack)) == 4)
        copies = [one for one in _operations(stack) if one["subtype"][0]["code"] == "export"]
        assert [
            {"type": "reason", "valueString": "for the vendor"} in one["entity"][0]["detail"] for one in copies
        ] == [
            True,
            True,
        ]
        begun, ended = [one for one in _operations(stack) if one not in copies]
        assert begun["subtype"][0]["code"] == ended["subtype"][0]["code"] == "replay"
        assert begun["entity"][0]["what"]["identifier"]["value"] == plan["plan"]
        assert {"type": "reason", "valueString": "limit raised"} in begun["entity"][0]["detail"]


async def test_an_event_that_comes_back_is_told_so_and_after_three_times_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _house(tmp_path, replay_limit=2) as (stack, _):
        operator = Operator(stack, capsys, monkeypatch)
        stack.medplum.create(PROJECT, {"resourceType": "Patient", "birthDate": "unknown"})
        await at_rest(stack)
        [found] = await operator.lists(1)
        assert (found["code"], found["at"]) == ("resource-invalid", "Patient.birthDate")
        # Nothing was mended, so the replayed event is poison again: it comes back to quarantine, once.
        for number, state in ((1, "again"), (2, "looping")):
            await operator.dlq("replay", found["event"])
            await at_rest(stack)
            [again] = await operator.lists(1)
            assert (again["event"], again["replays"], again["state"]) == (found["event"], number, state)
        status, [refused] = await operator.dlq("replay", found["event"])
        assert (status, refused["error"]["path"]) == (1, "nothing")
        status, _ = await operator.dlq("purge", "--code", "resource-invalid", "--reason", "test data of ours")
        assert status == 0
        await operator.lists(0)
        assert stack.pubsub.stats()[hold("validation.quarantine")].backlog == 0
        assert shown(stack) == 0


async def test_a_replay_that_is_killed_in_the_middle_is_gone_on_with_and_nothing_is_done_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 30
    async with _house(tmp_path, resource_limit=2_000, replay_lease=1.0, poison_limit=100) as (stack, messages):
        operator = Operator(stack, capsys, monkeypatch)
        for _ in range(number):
            stack.medplum.create(PROJECT, _LARGE)
        await at_rest(stack)
        await operator.lists(number)
        await stack.service.restart(resource_limit=1_000_000)
        *_, plan = (await operator.dlq("plan", "--handler", "validation", "--reason", "limit raised"))[1]

        before = len(_ids(messages))
        runner = await operator.start("replay", plan["plan"], "--per-second", "100")
        await _until(lambda: len(_ids(messages)) >= before + 5)
        os.kill(runner.pid, signal.SIGKILL)
        await runner.wait()
        killed_at = len(_ids(messages)) - before
        assert killed_at < number, "it was in the middle"

        status, end = 1, plan
        while status:  # the dead runner has the plan for one lease
            status, [*_, end] = await operator.dlq("replay", plan["plan"], "--per-second", "0")
            await asyncio.sleep(0.1)
        assert end["done"] == number
        assert len(_ids(messages)) - before <= number + 1, "one repeat for one crash"
        assert set(_ids(messages)[before:]) == set(_ids(messages)[:before])
        await at_rest(stack)
        assert shown(stack) == number
        await operator.lists(0)
        await _until(lambda: stack.pubsub.stats()[hold("validation.quarantine")].backlog == 0)


def _assert_tells_nothing_of(id: str, said: str, folder: Path) -> None:
    """Neither what was printed, nor the index, nor the log names the patient or the resource."""
    files = [*folder.glob("ledger.sqlite.dead-letters*"), folder / "service.log"]
    assert len(files) >= 2
    for seen in (said, *(file.read_bytes().decode("latin-1") for file in files)):
        assert "Canary" not in seen
        assert id not in seen


def _ids(messages: list[tuple[str, Message]]) -> list[str]:
    return [message.attributes["ce-id"] for topic, message in messages if topic == "fhir.changed"]


def _operations(stack: Stack) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = stack.medplum.audit_events(PROJECT)
    return [one for one in events if one["type"]["code"] == "110100"]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.05)
