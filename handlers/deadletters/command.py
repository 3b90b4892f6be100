"""`./dev dlq list|show|replay`: NDJSON out, no PHI in it.

list                     each message that lies aside: code, handler, event id, keyed hash of the resource, times
show EVENT               the same for one event, with what its code means and what the ledger knows of it
replay EVENT… | --code | --handler     back to the topic of origin: POISON → RETRY first, then publish, then take away
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time

from handlers.deadletters.holding import Held, Holding, holding
from handlers.deadletters.records import Record, meaning, origin_of, record_of
from shared.errors import Problem
from shared.ledger.opening import open_ledger
from shared.ledger.port import Ledger
from shared.settings import Settings
from shared.sinks.channels import subscriber_client
from shared.sinks.port import Publisher
from shared.sinks.pubsub import PubSubPublisher

# Where a demo that was left running says how to reach its parts.
RUNNING_DEMO = Path(__file__).resolve().parents[2] / ".starvit" / "demo.json"


@dataclass(frozen=True, slots=True)
class Desk:
    """What an operator works with."""

    holding: Holding
    ledger: Ledger
    publisher: Publisher


def run(options: argparse.Namespace) -> int:
    """Run one verb; 0 = done, 1 = nothing found or something refused, 2 = wrong usage."""
    verbs = {"list": _list, "show": _show, "replay": _replay}
    try:
        return asyncio.run(_at_the_desk(verbs[options.verb], options))
    except Problem as problem:
        _say({"error": {"code": problem.code.slug, "text": problem.code.value.text}})
        return 1


async def _at_the_desk(verb: Callable[..., object], options: argparse.Namespace) -> int:
    async with desk(settings()) as opened:
        return int(await verb(opened, options))  # type: ignore[misc]


@asynccontextmanager
async def desk(using: Settings) -> AsyncIterator[Desk]:
    """Connect to Pub/Sub and the ledger."""
    ledger = open_ledger(using.ledger, project=using.gcp_project, retention=using.retention)
    publisher = PubSubPublisher(using.gcp_project, using.pubsub_endpoint)
    try:
        async with subscriber_client(using.pubsub_endpoint) as client, holding(client, using.gcp_project) as held:
            yield Desk(held, ledger, publisher)
    finally:
        await publisher.close()
        await ledger.close()


def settings() -> Settings:
    """The environment's settings; or those of the demo that was left running on this machine."""
    if "STARVIT_LEDGER" not in os.environ and RUNNING_DEMO.exists():
        for name, value in json.loads(RUNNING_DEMO.read_text()).items():
            os.environ.setdefault(name, value)
    return Settings()


async def _list(desk: Desk, _: argparse.Namespace) -> int:
    async for held in desk.holding.messages():
        _say(asdict(_record(held)))
    return 0


async def _show(desk: Desk, options: argparse.Namespace) -> int:
    found = False
    async for held in desk.holding.messages():
        record = _record(held)
        if record.event != options.event:
            continue
        found = True
        known = await desk.ledger.get(record.key)
        ledger = known and {
            "state": known.state,
            "leases": known.token,
            "code": known.code,
            "at": known.until,
            "attempts": [asdict(attempt) for attempt in known.attempts],
        }
        _say(asdict(record) | {"meaning": meaning(record.code), "ledger": ledger})
    return 0 if found else 1


async def _replay(desk: Desk, options: argparse.Namespace) -> int:
    if not (options.event or options.code or options.handler):
        print("./dev dlq replay: name events, or --code, or --handler", file=sys.stderr)
        return 2
    outcomes = []
    async for held in desk.holding.messages():
        record = _record(held)
        if _chosen(record, options):
            outcomes.append(await replay(desk, held, record))
            _say({"event": record.event, "handler": record.handler, "topic": record.origin, "outcome": outcomes[-1]})
    return 0 if outcomes and all(outcome == "replayed" for outcome in outcomes) else 1


async def replay(desk: Desk, held: Held, record: Record) -> str:
    """Send one message back to where it came from: "replayed", or why not. A DONE event is never worked on again."""
    message = origin_of(held.topic, held.message)
    if message is None or not record.replayable:
        return "not replayable: it never parsed"
    await desk.ledger.reopen(record.key, now=time())
    await desk.publisher.publish(record.origin, message)
    await desk.holding.done(held)
    return "replayed"


def _record(held: Held) -> Record:
    return record_of(held.topic, held.message, held.published)


def _chosen(record: Record, options: argparse.Namespace) -> bool:
    if options.event:
        return record.event in options.event
    return (not options.code or record.code == options.code) and (
        not options.handler or record.handler == options.handler
    )


def _say(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)
