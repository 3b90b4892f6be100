"""A stop in the middle of the work, as Cloud Run stops an instance: it ends by itself, gives its leases back, loses nothing.

SIGTERM to a real gunicorn with its workers while pushes come in. That no lease is left is the proof that no worker was killed:
who is killed keeps what it held until the lease has run out.
"""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from handlers.demo.stack import PROJECT, Stack, embedded
from tests.journey.rest import shown

pytestmark = pytest.mark.xdist_group("demo")
_MANY = 60
_SLOWLY = 0.1  # of Medplum's schedule: it gives a hook up after 30 s, and on a busy machine a start may take ten


async def test_a_stop_under_load_ends_in_order_and_the_next_instance_does_the_rest(tmp_path: Path) -> None:
    async with embedded(tmp_path, faults=None, observe=lambda *_: None, time_scale=_SLOWLY) as stack:
        made = [stack.medplum.create(PROJECT, {"resourceType": "Patient", "gender": "female"}) for _ in range(_MANY)]
        await _in_the_middle(stack)
        await stack.service.stop()
        assert stack.service.process is not None
        assert stack.service.process.returncode == 0, "it ended by itself, within what gunicorn and Cloud Run give"
        left = _states(stack)
        assert left.get("leased", 0) == 0, "every lease was given back"
        assert left.get("poison", 0) == 0
        assert left.get("done", 0) < 4 * _MANY, "there was work left to do"
        assert "StackTrace" not in stack.service.log.read_text()

        await stack.service.start()
        await _all_shown(stack, len(made))
        assert "poison" not in _states(stack)


async def test_what_comes_in_while_it_stops_is_sent_back_and_not_lost(tmp_path: Path) -> None:
    async with embedded(tmp_path, faults=None, observe=lambda *_: None, time_scale=_SLOWLY) as stack:
        stopping = asyncio.create_task(stack.service.stop())
        for _ in range(20):
            stack.medplum.create(PROJECT, {"resourceType": "Patient", "gender": "male"})
            await asyncio.sleep(0)
        await stopping
        await stack.service.start()
        await _all_shown(stack, 20)
        assert stack.medplum.stats.given_up == 0
        lines = [json.loads(line) for line in stack.service.log.read_text().splitlines() if line.startswith("{")]
        assert not [line for line in lines if line.get("code") in ("internal", "unexpected")]


async def _in_the_middle(stack: Stack) -> None:
    """Return when leases are held and some work is done."""
    async with asyncio.timeout(60):
        while not {"leased", "done"} <= {*_states(stack)}:
            await asyncio.sleep(0.01)


def _states(stack: Stack) -> dict[str, int]:
    """How many keys of the ledger are in each state."""
    with closing(sqlite3.connect(stack.settings.ledger.removeprefix("sqlite:"))) as ledger:
        return dict(ledger.execute("SELECT state, COUNT(*) FROM ledger GROUP BY state").fetchall())


async def _all_shown(stack: Stack, number: int) -> None:
    """What was sent back comes again after a pause of up to half a minute: more than `at_rest` waits for."""
    async with asyncio.timeout(120):
        while shown(stack) != number:
            await asyncio.sleep(0.1)
