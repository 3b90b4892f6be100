"""The console on a port of this machine, with something to see: for a real browser."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn

from shared.errors import Code
from tests.handlers.console.house import OPERATOR, ROLES, Desk, console

__all__ = ["OPERATOR", "ROLES", "seen", "served"]

_RATES = {
    "validation": (41.2, 0.34),
    "deid": (40.8, 0.9),
    "analytics": (40.6, 2.1),
    "graph": (12.0, 6.4),
    "audit": (39.0, 0.2),
}


@asynccontextmanager
async def served(port: int) -> AsyncIterator[Desk]:
    """Over plain http, with a session's key, as `./dev demo --serve` has it."""
    changed = {"console_key": "a1" * 32, "console_url": f"http://127.0.0.1:{port}", "require_approval": True}
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(console(**changed))
        config = uvicorn.Config(desk.app, port=port, log_level="critical", access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.02)
        try:
            yield desk
        finally:
            server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def seen(desk: Desk) -> dict[str, str]:
    """Fill it; the path of each kind of page."""
    await _numbers(desk)
    await desk.house.quarantine(7)
    await desk.house.quarantine(3, handler="validation", code=Code.RESOURCE_TOO_LARGE, type="DocumentReference")
    dead = await desk.house.dead(4)
    await desk.marks.set("recent:clinic:Patient", "2026-11-26T17:55:00.000Z")
    await desk.marks.set("whole:clinic:Patient", str(int(time.time()) - 9000))
    from handlers.deadletters.choosing import Filter

    plan = await desk.house.desk.plan(Filter(code="resource-too-large"), "limit raised to 4 MB", OPERATOR)
    assert dead[0].event
    return {
        "live": "/ops",
        "letters": "/ops/letters",
        "event": f"/ops/events/{dead[0].event}",
        "plans": "/ops/plans",
        "plan": f"/ops/plans/{plan.id}",
        "reconcile": "/ops/reconcile",
        "deployment": "/ops/deployment",
        "refusal": "/ops/events/" + "0" * 64,
    }


async def _numbers(desk: Desk) -> None:
    """A snapshot of one process: what live.py reads, as the processes write it."""
    now, numbers = time.time(), []

    def number(name: str, kind: str, labels: dict[str, str], window: float, p95: float = 0.0) -> None:
        numbers.append(
            {
                "name": name,
                "kind": kind,
                "labels": labels,
                "value": window,
                "window": window,
                "p50": 0,
                "p95": p95,
                "p99": 0,
            }
        )

    for handler, (rate, age) in _RATES.items():
        number("messages", "counter", {"handler": handler, "outcome": "done", "code": "none"}, rate * 30)
        number("event_age_seconds", "distribution", {"handler": handler}, rate * 30, age)
        number("message_seconds", "distribution", {"handler": handler}, rate * 30, age / 9)
        number("in_flight", "gauge", {"handler": handler}, 6)
    number("messages", "counter", {"handler": "graph", "outcome": "set_aside", "code": "graph-refused"}, 3)
    snapshot = {"process": "p1", "zone": "all", "at": now, "seconds": 30.0, "every": 3600.0, "numbers": numbers}
    await desk.metrics.put("p1", json.dumps(snapshot), expires=now + 3600)
