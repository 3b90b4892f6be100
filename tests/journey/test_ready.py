"""Ready means ready: what the first event needs is loaded before, and not while it waits.

An import of a large library holds the interpreter, wherever it is begun: in a thread too it kept every event of a worker
waiting for the better part of a second, after each deployment. Python itself tells of each import.
"""

import asyncio
from pathlib import Path

import pytest

from handlers.demo.stack import PROJECT, embedded
from tests.journey.rest import at_rest

pytestmark = pytest.mark.xdist_group("demo")
_LONG = 50_000  # microseconds of one import, with all that it brings; the one that this test is for took a second
_PREFIX = "import time:"


async def test_a_ready_instance_loads_no_library_while_its_first_events_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    async with embedded(tmp_path, faults=None, observe=lambda *_: None) as stack:
        before = stack.service.log.read_bytes().count(_PREFIX.encode())
        for number in range(20):
            stack.medplum.create(
                PROJECT, {"resourceType": "Patient", "gender": "female", "birthDate": f"19{number + 50}"}
            )
        await at_rest(stack)
        async with asyncio.timeout(60):
            while not stack.graph.vertices(stack.tenant.dataset):
                await asyncio.sleep(0.1)
        imports = [line for line in stack.service.log.read_text().splitlines() if line.startswith(_PREFIX)]
    assert before > 100, "Python told of what was loaded until then"
    assert [line for line in imports[before:] if int(line.split("|")[1]) > _LONG] == []
