"""Processes that die, stand still and wake too late, and the wire between them and everything outside.

    handler ─► port ─► [wire: latency, fault before] ─► effect ─► [fault after, latency] ─► handler

All that a process awaits goes through `call` or `nap`, so a crash or a pause can fall on every await of the code under
test. A dead process's tasks wait for ever, cancelled or not: nobody cleans up after a kill -9. A paused one learns
of what was cancelled meanwhile when it wakes, and what it had already sent then arrives late: a zombie's write.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from shared.errors import Code, Problem
from tests.simulation.chance import Chance
from tests.simulation.loop import EPOCH
from tests.simulation.plan import Crash, Plan, Port

FAILS_AS: dict[Port, Code] = {
    "ledger": Code.LEDGER_DOWN,
    "fhir": Code.MEDPLUM_DOWN,
    "audit": Code.MEDPLUM_DOWN,
    "dlp": Code.DLP_DOWN,
    "warehouse": Code.WAREHOUSE_DOWN,
    "pubsub": Code.PUBSUB_DOWN,
}


@dataclass(slots=True)
class Weather:
    """What a call meets: it knows the plan and the time. `calm`: the day is over, and nothing fails any more."""

    plan: Plan
    dice: Chance
    calm: bool = False
    over: bool = False
    hung: set[asyncio.Task[object] | None] = field(default_factory=set)  # of the dead; asyncio itself holds no task

    def fault(self, port: Port, die: str) -> str:
        """How a call fails: before its effect, after it, or not ("")."""
        now = asyncio.get_running_loop().time()
        if self.calm:
            return ""
        for outage in self.plan.outages:
            if outage.port == port and outage.at <= now < outage.at + outage.seconds:
                return outage.when if outage.when != "either" else self.dice.one_of(f"{die} when", ("before", "after"))
        if self.dice.happens(f"{die} fault", self.plan.faults):
            return self.dice.one_of(f"{die} when", ("before", "after"))
        return ""

    def latency(self, die: str) -> float:
        """Seconds on the wire."""
        if not self.calm and self.dice.happens(f"{die} slow", self.plan.slow):
            return self.dice.between(f"{die} how slow", 20, 120)
        return self.dice.between(f"{die} latency", 0.001, 0.05)


class Process:
    """One life of a machine's process."""

    def __init__(self, weather: Weather, skew: float, crashes: Sequence[Crash], died: Callable[[Crash], None]) -> None:
        self._weather, self._skew, self._crashes, self._died = weather, skew, crashes, died
        self._calls = 0
        self.paused_until = 0.0
        self.dead = False

    def now(self) -> float:
        """Seconds since 1970 by this process's clock."""
        return EPOCH + asyncio.get_running_loop().time() + self._skew

    async def call[T](self, port: Port, what: str, effect: Callable[[], Awaitable[T]]) -> T:
        """An effect behind a port, over the wire. Raises Problem as a port that is down does."""
        die = f"{port} {what}"
        self._calls += 1
        crash = next((crash for crash in self._crashes if crash.call == self._calls), None)
        if crash and not crash.after_effect:
            self._die(crash)
        cancelled = await self._sleep(self._weather.latency(die))
        if cancelled and not self._weather.dice.happens(f"{die} sent", 0.5):
            raise asyncio.CancelledError
        fault = self._weather.fault(port, die)
        if fault == "before":
            raise Problem(FAILS_AS[port], port)
        result = await effect()
        if crash and crash.after_effect:
            self._die(crash)
        cancelled = await self._sleep(self._weather.latency(die)) or cancelled
        if cancelled:
            raise asyncio.CancelledError
        if fault:
            raise Problem(FAILS_AS[port], port)
        return result

    async def nap(self, seconds: float) -> None:
        """What the process sleeps of its own will."""
        if await self._sleep(seconds):
            raise asyncio.CancelledError

    def _die(self, crash: Crash) -> None:
        if not self.dead:
            self.dead = True
            self._died(crash)

    async def _sleep(self, seconds: float) -> bool:
        """Let time pass; whether the task was cancelled while the process stood still."""
        loop, cancelled = asyncio.get_running_loop(), False
        end = loop.time() + seconds
        while self.dead or loop.time() < max(end, self.paused_until):
            try:
                if self.dead:
                    self._weather.hung.add(asyncio.current_task())
                    await loop.create_future()
                await asyncio.sleep(max(end, self.paused_until) - loop.time())
            except asyncio.CancelledError:
                if self._weather.over:
                    raise
                if not self.dead:
                    if loop.time() >= self.paused_until:
                        raise
                    cancelled = True
        return cancelled
