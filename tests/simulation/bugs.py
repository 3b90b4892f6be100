"""Bugs to be planted, to see that the simulation finds them: each is a mistake that somebody makes sooner or later.

    with BUGS["drop the fence"]():  …the product is broken in one place…

A bug replaces one function of the product, or of a sink's twin where the mistake would be the sink's.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import replace
from typing import Any
from unittest.mock import patch

from handlers import audit, deid
from handlers.webhook import Webhooks
from shared.acting import Sinks
from shared.deid import door
from shared.effects import Record
from shared.errors import Code, End, Problem
from shared.fhir import memory as fhir
from shared.identity.event_ids import EventIds
from shared.ledger import memo, transitions
from shared.ledger import memory as ledger
from shared.ledger.port import State
from shared.pipeline import Answer, Pipeline, _answer
from shared.sinks import memory_warehouse
from shared.telemetry import report

type Bug = Callable[[], AbstractContextManager[None]]

BUGS: dict[str, Bug] = {}


def _bug(name: str, owner: Any, attribute: str) -> Callable[[Callable[[Any], Any]], None]:
    """Plant what the decorated function makes of the original."""

    def plant(broken: Callable[[Any], Any]) -> None:
        @contextmanager
        def planted() -> Iterator[None]:
            with patch.object(owner, attribute, broken(getattr(owner, attribute))):
                yield

        BUGS[name] = planted

    return plant


@_bug("drop the fence: a zombie's write is taken", transitions, "_held")
def _(original: Any) -> Any:
    return lambda found, lease, now: found or original(found, lease, now)


@_bug("forget the sequence: the last write wins", memory_warehouse, "padded")
def _(original: Any) -> Any:
    return lambda sequence: ""


@_bug("acknowledge before the commit", Pipeline, "_work")
def _(original: Any) -> Any:
    started = set()

    async def work(self: Pipeline, route: Any, event: Any) -> None:
        async def later() -> None:
            try:
                await original(self, route, event)
            except Problem:
                return

        started.add(asyncio.create_task(later()))

    return work


@_bug("key on the message's id instead of the event's", Pipeline, "_claim")
def _(original: Any) -> Any:
    async def claim(self: Pipeline, route: Any, event: Any, give_up: float) -> Any:
        return await original(self, route, replace(event, id=event.id + secrets.token_hex(4)), give_up)

    return claim


@_bug("done before the effect", Pipeline, "_once")
def _(original: Any) -> Any:
    async def once(self: Pipeline, route: Any, event: Any, give_up: float) -> Answer:
        lease = await self._claim(route, event, give_up)
        if isinstance(lease, Answer):
            return lease
        await self._finish(event, lease, State.DONE)
        try:
            await self._work(route, event)
        except Problem as problem:
            return _answer(problem)
        return Answer()

    return once


@_bug("a lease that never ends", ledger, "claimed")
def _(original: Any) -> Any:
    def claimed(found: Any, *args: Any, **options: Any) -> Any:
        return None if found and found.state is State.LEASED else original(found, *args, **options)

    return claimed


@_bug("a lease that is taken while another holds it", ledger, "claimed")
def _(original: Any) -> Any:
    def claimed(found: Any, *args: Any, **options: Any) -> Any:
        return original(found and replace(found, until=0.0), *args, **options)

    return claimed


@_bug("an outage counts as poison", Pipeline, "_end")
def _(original: Any) -> Any:
    async def end(self: Pipeline, route: Any, event: Any, lease: Any, problem: Problem) -> Answer:
        if problem.code.end is End.TRY_AGAIN and lease.token >= 5:
            problem = Problem(Code.HANDLER_FAILED)
        answer: Answer = await original(self, route, event, lease, problem)
        return answer

    return end


@_bug("a tombstone that deletes the row", memory_warehouse.MemoryWarehouse, "write")
def _(original: Any) -> Any:
    async def write(self: Any, row: Any) -> None:
        await original(self, row)
        if row.deleted:
            self.current.pop((row.project, row.resource_type, row.key), None)

    return write


@_bug("a deletion that does not outrank its version", door, "sequence")
def _(original: Any) -> Any:
    return lambda at, rank, version, generation, offset: original(at, 0, version, generation, offset)


@_bug("the generation is no part of the sequence", door, "sequence")
def _(original: Any) -> Any:
    return lambda at, rank, version, generation, offset: original(at, rank, version, 0, offset)


@_bug("the time of the work is the sequence", door, "sequence")
def _(original: Any) -> Any:
    def sequence(at: str, rank: int, version: str, generation: int, offset: int) -> Any:
        return original(at, rank, version, generation, offset + int(1000 * asyncio.get_running_loop().time()))

    return lambda *args: sequence(*args) if asyncio._get_running_loop() else original(*args)


@_bug("the generation is no part of the event's id", EventIds, "change")
def _(original: Any) -> Any:
    return lambda self, project, type, id, version, generation: original(self, project, type, id, version, 0)


@_bug("an error of a publish is swallowed", Sinks, "apply")
def _(original: Any) -> Any:
    async def apply(self: Sinks, effect: Any, on: Any, event: Any) -> None:
        try:
            await original(self, effect, on, event)
        except Problem:
            return

    return apply


@_bug("an event id made anew each time", deid, "_published")
def _(original: Any) -> Any:
    return lambda door, event, row: replace(original(door, event, row), id=secrets.token_hex(32))


@_bug("a deletion is believed without a look", fhir.MemoryFhir, "deletion")
def _(original: Any) -> Any:
    async def deletion(self: Any, claim: Any) -> Any:
        return self._kept[claim.project, claim.type, claim.id].last

    return deletion


@_bug("an AuditEvent under a random tag", audit, "Record")
def _(original: Any) -> Any:
    return lambda project, tag, record: Record(project, secrets.token_hex(8), record)


@_bug("an exception's text in a log line", report, "log")
def _(original: Any) -> Any:
    def log(message: str, *severity: Any, **fields: Any) -> None:
        original(message, *severity, **fields, text="Zaqcanary" if "exception" in fields else "")

    return log


@_bug("a webhook is answered before its event is published", Webhooks, "receive")
def _(original: Any) -> Any:
    async def receive(self: Any, *args: Any, **options: Any) -> str:
        try:
            return str(await original(self, *args, **options))
        except Problem:
            return ""

    return receive


@_bug("the memo remembers poison", memo, "_LAST_WORDS")
def _(original: Any) -> Any:
    return original | {State.POISON}


@_bug("a message that is to be tried again is acknowledged", Pipeline, "run")
def _(original: Any) -> Any:
    async def run(self: Any, *args: Any) -> Answer:
        answer: Answer = await original(self, *args)
        return Answer() if answer.code in (Code.BUSY, Code.LEASE_LOST) else answer

    return run


@_bug("quarantine is published after poison is written down", Pipeline, "_end")
def _(original: Any) -> Any:
    async def end(self: Any, route: Any, event: Any, lease: Any, problem: Problem) -> Answer:
        if problem.code.end is not End.SET_ASIDE:
            answer: Answer = await original(self, route, event, lease, problem)
            return answer
        await self._finish(event, lease, State.POISON, problem.code)
        return _answer(await self._set_aside(problem, route.on, event))

    return end


@_bug("a subscriber's copy is taken for sent when Pub/Sub is down", Sinks, "_publish")
def _(original: Any) -> Any:
    async def publish(self: Sinks, topic: str, *args: Any, **options: Any) -> None:
        try:
            await original(self, topic, *args, **options)
        except Problem:
            if not topic.startswith("fhir.deidentified."):
                raise

    return publish
