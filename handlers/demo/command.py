"""`./dev demo`: run the clinic's day through the service, and judge what came of it.

Exit 1 unless nothing was lost, doubled or leaked. With --plant one of the three is made on purpose, and the same exit 1
proves that this judge can see it.
"""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path

import uvloop

from handlers.demo.beside import beside
from handlers.demo.display import Display
from handlers.demo.operated import operated
from handlers.demo.run import AUDIT, Demo
from handlers.demo.stack import CONSOLE, PROJECT, Stack, embedded
from handlers.demo.summary import Summary
from shared.local.faults import Faults

SEED = 20261123
SHOWN_EVERY = 5.0  # seconds between looks at the audit backlog, while the demo is left running


def run(
    events: int,
    *,
    faults: bool,
    kill_every: float | None,
    rate: float | None,
    plant: str | None,
    json_file: Path | None,
    serve: bool,
) -> int:
    """0 when all is well, 1 when something was lost, doubled or leaked."""
    plan = Faults(SEED, enabled=True) if faults else None
    display = Display()
    demo = Demo(events, SEED, plan, plant, display, kill_every, rate)
    summary = uvloop.run(_until_signalled(_run(demo, plan, display, plant, serve=serve, json_file=json_file)))
    return 130 if summary is None else 0 if summary.good else 1


async def _until_signalled(work: Coroutine[None, None, Summary]) -> Summary | None:
    """The summary; or None when Ctrl-C or SIGTERM came first. Either way the service is stopped in order."""
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


async def _run(
    demo: Demo, plan: Faults | None, display: Display, plant: str | None, *, serve: bool, json_file: Path | None
) -> Summary:
    with tempfile.TemporaryDirectory(prefix="starvit-demo-") as folder:
        display.step(
            "starting Pub/Sub, Medplum, BigQuery, TigerGraph and the token issuer of this machine, and the service"
        )
        async with embedded(Path(folder), faults=plan, observe=demo.observe) as stack:
            summary = await demo.run(stack)
            _report(display, summary, plant)
            text = json.dumps(_as_json(summary))
            print(text, flush=True)
            if json_file:
                json_file.write_text(text + "\n")
            if serve:
                await _leave_running(display, demo, stack)
        return summary


def _as_json(summary: Summary) -> dict[str, object]:
    return asdict(summary) | {"findings": list(summary.findings)}


def _report(display: Display, summary: Summary, plant: str | None) -> None:
    fresh = summary.freshness_ms
    rows = {
        "received": f"{summary.received} changes accepted by the webhook",
        "published": f"{summary.published} distinct events on fhir.changed",
        "rows": f"{summary.rows} rows that analysts see",
        "graph": f"{summary.vertices} vertices and {summary.edges} edges that it shows",
        "lost": str(summary.lost),
        "duplicated": str(summary.duplicated),
        "leaked": f"{summary.leaked} (of {summary.scanned['identifiers']} identifiers, in"
        f" {summary.scanned['channels']} channels, {summary.scanned['bytes'] / 1e6:.1f} MB)",
        "freshness": f"p50 {fresh.p50:.0f} ms, p95 {fresh.p95:.0f} ms, p99 {fresh.p99:.0f} ms from write to row",
        "speed": f"{summary.events_per_s:.0f} events/s over {summary.seconds:.1f} s",
        "audit": f"{summary.audit['written']} of {summary.audit['expected']} accesses written down in Medplum,"
        f" {summary.audit['waiting']} waiting for its quota",
        "faults": ", ".join(f"{count} {name}" for name, count in summary.faults.items()) or "none",
    }
    display.table("What came of it", rows)
    for finding in summary.findings[:20]:
        display.verdict(good=False, text=f"✗ {finding}")
    if summary.good:
        display.verdict(good=True, text="✓ nothing lost, nothing twice, no identifier anywhere but in Medplum")
    elif plant:
        display.verdict(good=False, text=f"✗ failed, as it must: {plant} was planted")
    else:
        display.verdict(good=False, text="✗ failed")


async def _leave_running(display: Display, demo: Demo, stack: Stack) -> None:
    """Until Ctrl-C, with one poisoned event to find, and the way to reach the parts for `./dev dlq`."""
    display.step("granting what a deployment has, for ./dev doctor to find it in good order")
    async with operated(stack), beside(stack) as page:
        await demo.poison(stack)
        display.table("Running until Ctrl-C", {**stack.addresses, "a resource beside its row": page})
        for who, link in _logins(stack).items():
            print(f"console, {who}, once:\n  {link}", file=sys.stderr, flush=True)  # no table may wrap a link
        await _watch(display, stack)


def _logins(stack: Stack) -> dict[str, str]:
    """A link for each person: good once, for an hour."""
    page = f"{stack.settings.console_origin}/ops/login"
    return {who: f"{page}?token={stack.issuer.token(who, page)}" for who in CONSOLE}


async def _watch(display: Display, stack: Stack) -> None:
    """Until the service ends."""
    display.step(
        "one event was poisoned for you to find:  ./dev dlq list  ·  ./dev dlq show ID  ·  ./dev dlq replay ID"
    )
    waiting = 0
    while stack.service.running:
        await asyncio.sleep(SHOWN_EVERY)
        before, waiting = waiting, stack.pubsub.stats()[AUDIT].backlog
        if waiting or before:
            display.step(f"audit: {len(stack.medplum.audit_events(PROJECT))} accesses written down, {waiting} waiting")
    print("the service has ended", file=sys.stderr)
