"""Sweep after sweep: every type of every tenant in turn, from where the last one came to, one worker at a time.

    recent    each type from its mark, less an overlap for what Medplum committed late; who waited longest goes first
    whole     each type that is due, once a day
    backfill  everything that is not in the warehouse under today's generation, page by page, from its mark

A mark is set only when all before it was published, so whatever ends a round early, the next one goes on from there.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime

from msgspec import Struct

from handlers.reconcile.sweep import Findings, Sweep
from shared.errors import Problem
from shared.ledger.hold import held
from shared.ledger.port import Ledger
from shared.marks import Marks

OVERLAP = 600.0  # seconds: a slow transaction, a replica that lags, clocks that differ
FIRST = 86_400.0  # seconds that a first sweep looks back; what is older is the whole sweep's
DAY = 86_400.0
# No search lists a Binary, and Parameters and OperationOutcome are never stored. AuditEvents are what reading makes:
# a sweep over them would make more of them, for ever.
UNSWEPT = frozenset({"AuditEvent", "Binary", "OperationOutcome", "Parameters"})


class Rounds(Struct, frozen=True):
    """`sweeps`: one for each tenant. `now` is seconds since the epoch."""

    sweeps: Sequence[Sweep]
    marks: Marks
    ledger: Ledger
    owner: str
    now: Callable[[], float]

    def types(self, sweep: Sweep) -> tuple[str, ...]:
        """What is swept of a tenant."""
        return sweep.tenant.types or tuple(sorted(sweep.doors[0].types - UNSWEPT))

    async def scheduled(self, until: float) -> list[Findings]:
        """What a scheduler asks for: the recent changes and, if time is left, whole types that are due.

        Begins nothing after the second `until`. Raises Problem(BUSY) if another worker is at it.
        """
        found = []
        async with AsyncExitStack() as stack:
            for sweep in self.sweeps:
                await stack.enter_async_context(self._alone(sweep))
            for _, sweep, type in await self._waiting("recent"):
                if self.now() < until:
                    found.append(await self._recent(sweep, type))
            for mark, sweep, type in await self._waiting("whole"):
                if self.now() < until and (not mark or float(mark) + DAY <= self.now()):
                    found.append(await self._whole(sweep, type))
        return found

    async def recent(self, types: Iterable[str] = (), since: str | None = None) -> AsyncGenerator[Findings]:
        """The recent changes of all tenants, or of some types, from the marks or from an instant."""
        for sweep in self.sweeps:
            async with self._alone(sweep):
                for type in types or self.types(sweep):
                    yield await self._recent(sweep, type, since)

    async def whole(
        self, types: Iterable[str] = (), *, histories: bool = False, allow: bool = False
    ) -> AsyncGenerator[Findings]:
        """Everything of all tenants, or of some types."""
        for sweep in self.sweeps:
            async with self._alone(sweep):
                for type in types or self.types(sweep):
                    yield await self._whole(sweep, type, histories=histories, allow=allow)

    async def backfill(
        self, types: Iterable[str] = (), *, again: bool = False, histories: bool = False
    ) -> AsyncGenerator[Findings]:
        """Tell of everything that is not there under today's generation; findings so far after each page."""
        for sweep in self.sweeps:
            async with self._alone(sweep):
                for type in types or self.types(sweep):
                    name = f"backfill:{sweep.tenant.name}:{sweep.tenant.generation}:{type}"
                    since = None if again else await self.marks.get(name)
                    async for found, mark in sweep.backfill(type, since, histories=histories):
                        if mark and sweep.apply:
                            await self.marks.set(name, mark)
                        yield found

    async def _recent(self, sweep: Sweep, type: str, since: str | None = None) -> Findings:
        name, start = _name("recent", sweep, type), self.now()
        mark = since or await self.marks.get(name)
        begin = mark or _instant(start - FIRST)
        found = await _tried(sweep, type, sweep.recent(type, _instant(_seconds(begin) - OVERLAP)))
        if sweep.apply and not found.failed and since is None:
            await self.marks.set(name, _instant(start - sweep.settle))
        return found

    async def _whole(self, sweep: Sweep, type: str, *, histories: bool = False, allow: bool = False) -> Findings:
        start = self.now()
        found = await _tried(sweep, type, sweep.whole(type, histories=histories, allow=allow))
        if sweep.apply and not found.failed:
            await self.marks.set(_name("whole", sweep, type), str(int(start)))
        return found

    async def _waiting(self, kind: str) -> list[tuple[str, Sweep, str]]:
        """Every type of every tenant with its mark: those that have none first, then the oldest."""
        those = [(sweep, type) for sweep in self.sweeps for type in self.types(sweep)]
        marks = await asyncio.gather(*(self.marks.get(_name(kind, sweep, type)) for sweep, type in those))
        return sorted(((mark or "", *one) for mark, one in zip(marks, those, strict=True)), key=lambda one: one[0])

    def _alone(self, sweep: Sweep) -> AbstractAsyncContextManager[None]:
        return held(self.ledger, f"reconcile:{sweep.tenant.name}", owner=self.owner, now=self.now)


async def _tried(sweep: Sweep, type: str, work: Awaitable[Findings]) -> Findings:
    """What the work finds; or that it failed, for one type that can not be swept is no reason to leave out the rest."""
    try:
        return await work
    except Problem as problem:
        return Findings(sweep.tenant.name, type, failed=problem.code.slug)


def _name(kind: str, sweep: Sweep, type: str) -> str:
    return f"{kind}:{sweep.tenant.name}:{type}"


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()
