"""Delivery of rest-hooks as Medplum's worker does it: soon, again if need be, in no certain order, and not for ever.

    change ─► queue ─► one of 20 workers ─► 200-399: accepted
                 ▲                        └► anything else: again after 20 s × 2^n, ±10 %, up to the fifth attempt
                 └───────────────────────────┘ then the event is gone, and nobody is told

A retry of a version that is no longer the newest is dropped in silence; so is any hook of a resource that is deleted by
now, except the deletion's own. Twenty receivers that hang stop everybody else's hooks.

`Faults` decides for each attempt what the network does to it.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from shared.local.medplum.hooks import Hook, Request
from shared.local.medplum.wire import Wire

WORKERS = 20
FIRST_DELAY = 20.0

type Fate = Literal["deliver", "drop", "twice"] | float


class Faults(Protocol):
    """What the network does. A number holds the attempt back for so many seconds; `drop` fails it."""

    def on_hook(self, hook: Hook) -> Fate: ...


@dataclass(slots=True)
class Stats:
    """`sent` counts requests, the others hooks: `failed` attempts, `stale` dropped retries, `given_up` lost events."""

    fired: int = 0
    sent: int = 0
    accepted: int = 0
    failed: int = 0
    stale: int = 0
    given_up: int = 0


class Delivery:
    """The queue and its workers. `make` gives the request of a hook, or None when the hook is stale by now."""

    def __init__(
        self,
        make: Callable[[Hook], Request | None],
        *,
        faults: Faults | None = None,
        time_scale: float = 1.0,
        timeout: float = 120.0,
        seed: int | None = None,
    ) -> None:
        self.stats = Stats()
        self._make, self._faults, self._time_scale = make, faults, time_scale
        self._random = random.Random(seed)
        self._wire = Wire(timeout)
        self._queue: asyncio.Queue[Hook] = asyncio.Queue()
        self._later: set[asyncio.TimerHandle] = set()
        self._pending = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._workers: list[asyncio.Task[None]] = []
        self._late: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to deliver."""
        self._workers = [asyncio.create_task(self._work(), name=f"hooks-{n}") for n in range(WORKERS)]

    async def stop(self) -> None:
        """End at once. What is pending is lost, as with a Redis that keeps nothing."""
        for timer in self._later:
            timer.cancel()
        tasks = [*self._workers, *self._late]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._wire.close()

    def fire(self, hook: Hook) -> None:
        """Deliver a hook, sooner or later."""
        self.stats.fired += 1
        self._pending += 1
        self._quiet.clear()
        self._queue.put_nowait(hook)

    async def idle(self) -> None:
        """Return when no hook is on its way or waits for another attempt. Raises what a worker died of."""
        quiet = asyncio.create_task(self._quiet.wait())
        done, _ = await asyncio.wait([quiet, *self._workers], return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        for task in done - {quiet}:
            task.result()

    async def _work(self) -> None:
        while True:
            hook = await self._queue.get()
            fate: Fate = "deliver" if self._faults is None else self._faults.on_hook(hook)
            if isinstance(fate, (int, float)):
                self._after(float(fate), hook, self._held)
            else:
                await self._attempt(hook, fate)

    def _held(self, hook: Hook) -> None:
        """A hook that was held back goes out now, past the faults. It takes no worker's place."""
        task = asyncio.create_task(self._attempt(hook, "deliver"))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _attempt(self, hook: Hook, fate: Fate) -> None:
        request = self._make(hook)
        if request is None:
            self.stats.stale += 1
            self._done()
            return
        status = 0
        if fate != "drop":
            status = await self._send(request)
            if fate == "twice":
                await self._send(request)
        if 200 <= status < 400:
            self.stats.accepted += 1
            self._done()
            return
        self.stats.failed += 1
        if hook.attempt >= hook.subscription.retries:
            self.stats.given_up += 1
            self._done()
            return
        jitter = self._random.uniform(0.9, 1.1)
        self._after(FIRST_DELAY * 2**hook.attempt * jitter * self._time_scale, hook.again(), self._queue.put_nowait)

    async def _send(self, request: Request) -> int:
        """The status, or 0 for a network that failed."""
        self.stats.sent += 1
        try:
            return await self._wire.send(request)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            return 0

    def _after(self, delay: float, hook: Hook, then: Callable[[Hook], None]) -> None:
        def now() -> None:
            self._later.discard(timer)
            then(hook)

        timer = asyncio.get_running_loop().call_later(delay, now)
        self._later.add(timer)

    def _done(self) -> None:
        self._pending -= 1
        if not self._pending:
            self._quiet.set()
