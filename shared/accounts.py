"""Account for what was done with PHI: the acts of the requests in flight share one event (design §4.3, §4.9).

    note(act), note(act) ─► the work's end ─┐
    note(act)            ─► the work's end ─┴─► [this] ─► fhir.accessed: (act, act, act) of one project ─► audit
                                                  └─► each waits in `accounted` until Pub/Sub has confirmed its own

No message ends before its acts are published: not done, not superseded, not set aside. They wait for the end of its work,
so that a message costs one publish for all of them, and the row that it publishes waits for none. What is given up at the
deadline is published all the same, by nobody's wait; the retry repeats the act under the same id. A process that dies
first leaves a message that was not done, which comes again.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from msgspec import Struct

from shared.batching import Batcher
from shared.events.data import Accounted, Act
from shared.events.envelope import Event
from shared.sinks.port import Publisher
from shared.telemetry.metrics import BATCH_ITEMS, BATCHES
from shared.telemetry.spans import onward, send_span

TOPIC = "fhir.accessed"
MOST = 100  # acts of an event: as many as Medplum is asked to write in one batch; each is less than a kilobyte

# Of the message in hand: an event may be in work twice in one process, as a zombie and as its successor.
_NOTED: ContextVar[list["_Noted"]] = ContextVar("noted")


class _Noted(Struct, frozen=True):
    act: Act
    project: str
    traceparent: str


class Accounts:
    """For one process. `now` is seconds since the epoch; `linger`: seconds for which an act waits for company."""

    def __init__(self, publisher: Publisher, now: Callable[[], float], *, linger: float = 0.0) -> None:
        self._publisher, self._now, self._linger = publisher, now, linger
        self._projects: dict[str, Batcher[_Noted, None]] = {}

    def accounted(self) -> "_Work":
        """A context that ends when all that was noted within is published, however it ends. Its end raises
        Problem(PUBSUB_DOWN) if something is not."""
        return _Work(self)

    def note(self, act: Act, event: Event[Any]) -> None:
        """Account for an act that the event in hand led to; within `accounted`."""
        _NOTED.get().append(_Noted(act, event.data.project, event.traceparent))

    def put(self, noted: Sequence[_Noted]) -> list[asyncio.Future[None]]:
        """Publish these; when each is."""
        told = [self._batcher(one.project).put(one) for one in noted]
        for one in told:
            one.add_done_callback(_seen)
        return told

    def _batcher(self, project: str) -> Batcher[_Noted, None]:
        batcher = self._projects.get(project)
        if batcher is None:
            send = partial(self._send, project)
            batcher = Batcher(send, max_items=MOST, max_wait=self._linger, linger=self._linger)
            self._projects[project] = batcher
        return batcher

    async def drain(self) -> None:
        """Publish what waits: for a graceful stop."""
        for batcher in self._projects.values():
            await batcher.drain()

    async def _send(self, project: str, noted: Sequence[_Noted]) -> Sequence[None]:
        BATCHES.add(1, "accounts")
        BATCH_ITEMS.add(len(noted), "accounts")
        acts = tuple(one.act for one in noted)
        threads = {act.correlation for act in acts}
        correlation = threads.pop() if len(threads) == 1 else str(uuid4())  # each act has its own beside it
        with send_span(TOPIC, onward(noted[0].traceparent)) as traceparent:
            time = datetime.fromtimestamp(self._now(), UTC)
            event = Event(
                name_of(acts), Accounted(project=project, acts=acts), time, "accounts", correlation, traceparent
            )
            await self._publisher.publish(TOPIC, event.message())
        return [None] * len(acts)


class _Work:
    """The work on one message. What it noted is published at its end: once in most cases."""

    __slots__ = ("_accounts", "_before", "_noted")

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._noted: list[_Noted] = []

    async def __aenter__(self) -> None:
        self._before = _NOTED.set(self._noted)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _NOTED.reset(self._before)
        told = self._accounts.put(self._noted)
        if kind is None or not issubclass(kind, asyncio.CancelledError):  # else there is no time left to wait
            await _all(told)


def name_of(acts: Sequence[Act]) -> str:
    """The event id of acts that travel together: the act's own if it is alone. It is made of keyed hashes, and is one."""
    if len(acts) == 1:
        return acts[0].event
    return hashlib.sha256(" ".join(act.event for act in acts).encode()).hexdigest()


async def _all(told: Sequence[asyncio.Future[None]]) -> None:
    """Wait for each, and raise what one of them raised. Being cancelled cancels none of them."""
    if told:
        await asyncio.wait(told)
        for one in told:
            one.result()


def _seen(told: asyncio.Future[None]) -> None:
    """Whoever gave up waiting does not ask how it ended; nor shall asyncio, in a log of its own."""
    if not told.cancelled():
        told.exception()
