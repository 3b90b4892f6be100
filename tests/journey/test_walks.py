"""The runbook's five walks: each failure is made, and the runbook's own lines lead from what is noticed to its cause."""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from handlers.demo.service import environment_of
from handlers.demo.stack import PROJECT, UNTOLD, Stack, embedded
from handlers.provisioning import aside, index
from shared.settings import Settings
from tests.journey.rest import at_rest

pytestmark = pytest.mark.xdist_group("demo")
_RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
_WALK = re.compile(r"^### \d\. (.+?)\n\n```sh\n(.+?)```\n\n\*\*The cause:\*\* `([a-z\-]+)`", re.MULTILINE | re.DOTALL)
_LARGE = {"resourceType": "Patient", "name": [{"family": "Canaryfamily"}] * 200}
_INVALID = {"resourceType": "Patient", "birthDate": "Canarydate"}
_COVERAGE = {"resourceType": UNTOLD, "status": "active", "beneficiary": {"display": "x"}, "payor": [{"display": "x"}]}


@dataclass(frozen=True, slots=True)
class Walk:
    """What is noticed, the lines that are typed, and the word that names the cause."""

    noticed: str
    lines: tuple[str, ...]
    cause: str


WALKS = [
    Walk(noticed, tuple(lines.split("\n")[:-1]), cause) for noticed, lines, cause in _WALK.findall(_RUNBOOK.read_text())
]


async def test_each_of_the_runbooks_five_walks_leads_to_the_cause_within_three_commands(tmp_path: Path) -> None:
    assert len(WALKS) == 5
    assert all(len(walk.lines) <= 3 for walk in WALKS)
    form, size, untold, secret, back = WALKS
    async with embedded(tmp_path, faults=None, observe=lambda *_: None, resource_limit=2_000, settle=0) as stack:
        for resource in (_INVALID, _LARGE, _COVERAGE):
            stack.medplum.create(PROJECT, resource)
        await _set_aside(stack)
        for walk in (form, size, untold):
            await _leads(walk, stack.settings)
        await _leads(secret, _with_another_secret(stack.settings))
        [found] = json.loads(f"[{await _typed('./dev dlq list --code resource-invalid', stack.settings)}]")
        await _typed(f"./dev dlq replay {found['event']}", stack.settings)
        await _set_aside(stack)
        await _leads(back, stack.settings)


async def _leads(walk: Walk, settings: Settings) -> None:
    """The cause's word is told by the last line, and by none before it but in passing; no line tells a value."""
    said, event = "", ""
    for line in walk.lines:
        said = await _typed(line.replace("EVENT", event), settings)
        assert "Canary" not in said
        known = re.search(r'"event": ?"([0-9a-f]{64})"', said)
        event = known[1] if known else event
    assert re.search(rf'"{walk.cause}"(?!: ?0)', said), walk.noticed


async def _typed(line: str, settings: Settings) -> str:
    """What a line of the runbook prints. Exit 2 would be wrong usage."""
    dev, *arguments = line.split()
    assert dev == "./dev"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "handlers.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment_of(settings)},
    )
    out, _ = await process.communicate()
    assert process.returncode in (0, 1), line
    return out.decode()


async def _set_aside(stack: Stack) -> None:
    """Return when all that was set aside is in the index."""
    await at_rest(stack)
    async with asyncio.timeout(30):
        while any(stack.pubsub.stats()[index(topic)].backlog for topic in aside()):
            await asyncio.sleep(0.05)


def _with_another_secret(settings: Settings) -> Settings:
    [tenant] = settings.tenants
    assert tenant.reader is not None
    reader = tenant.reader.model_copy(update={"secret": SecretStr("x" * 32)})
    return settings.model_copy(update={"tenants": (tenant.model_copy(update={"reader": reader}),)})
