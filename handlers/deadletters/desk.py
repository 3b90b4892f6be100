"""The operators' desk: all that can be done with dead letters, for the command line and for a console.

    counts · records · event            what lies aside, and the life of one event
    plan · approve · cancel             what is to be moved, and who says so
    start_replay · run · progress       moving it: in the background of this process, or in the foreground
    recovered                           what a dependency's outage left, once it is over

None of these ever answers with a body or a reference. Refusals are Problem(PLAN_REFUSED), whose place says why.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from uuid import uuid4

from msgspec import Struct, field, structs

from handlers import catalog
from handlers.deadletters import choosing
from handlers.deadletters.accounts import Accounts
from handlers.deadletters.choosing import Filter, each
from handlers.deadletters.exporting import Export
from handlers.deadletters.holding import Holding
from handlers.deadletters.ledgers import Ledgers
from handlers.deadletters.planning import Planning
from handlers.deadletters.records import advice, meaning
from handlers.deadletters.recovery import Recovery
from handlers.deadletters.running import Pace, Run
from shared.deadletters.port import Entry, Index, Place, Plan
from shared.errors import Code, Problem
from shared.settings import Settings
from shared.sinks.port import Publisher

_ANY, _PACE = Filter(), Pace()
_LOOKS = 20  # pages of the index that one page of records may cost


class Page(Struct, frozen=True):
    """A page of records, oldest first; `next` is where the following one begins, or None."""

    entries: list[Entry]
    next: Place | None


class Life(Struct, frozen=True):
    """All that is known of an event: what lies or lay aside, and each handler's record of its attempts."""

    event: str
    entries: list[Entry]
    ledger: dict[str, dict[str, object]]
    meaning: str
    advice: str
    trace_url: str


class Desk(Struct):
    """`holding` opens the `--hold` subscriptions of a run. `now` is seconds since the epoch."""

    settings: Settings
    index: Index
    ledgers: Ledgers
    publisher: Publisher
    holding: Callable[[], AbstractAsyncContextManager[Holding]]
    now: Callable[[], float]
    told: Callable[[Plan], None] = lambda plan: None  # a log's way to hear of each run's begin and end
    _running: dict[str, asyncio.Task[Plan]] = field(default_factory=dict)

    @property
    def planning(self) -> Planning:
        """Makes and cancels plans."""
        return Planning(self.index, self.settings, self._accounts, self.now)

    @property
    def _accounts(self) -> Accounts:
        return Accounts(self.publisher, self.now)

    async def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many lie aside: by handler, code, cause, state, age, type and project."""
        return await choosing.count(self.index, self.now())

    async def records(
        self, chosen: Filter = _ANY, after: Place | None = None, *, limit: int = 100, every: bool = False
    ) -> Page:
        """A page of what lies aside; with `every`, of what was replayed or purged, too."""
        found: list[Entry] = []
        for _ in range(_LOOKS):
            page = await self.index.page(after, aside=not every)
            for one in page:
                if chosen.matches(one):
                    found.append(one)
                    if len(found) == limit:
                        return Page(found, one.place)
            if not page:
                return Page(found, None)
            after = page[-1].place
        return Page(found, after)

    def all_records(self, *, every: bool = False, plan: str = "") -> AsyncIterator[list[Entry]]:
        """Everything that lies aside, or that a plan has, page by page."""
        return each(self.index, plan=plan, aside=not every and not plan)

    def all_texts(self, *, every: bool = False) -> AsyncIterator[list[str]]:
        """The same of all, as JSON."""
        return choosing.texts(self.index, aside=not every)

    def export(self, chosen: Filter, by: str, reason: str) -> AsyncGenerator[list[Entry]]:
        """A copy of what the index has, moved messages too, told to the record of each tenant in it; closed by the caller."""
        return Export(self.index, self._accounts, self.now, by, reason).pages(chosen)

    async def event(self, event: str) -> Life | None:
        """The life of an event across all handlers; None if nobody knows it."""
        entries = await self.index.of_event(event)
        ledger: dict[str, dict[str, object]] = {}
        for on in catalog.subscriptions():
            if (known := await self.ledgers.get(on.handler, event)) is not None:
                ledger[on.handler] = {
                    "state": known.state,
                    "leases": known.token,
                    "code": known.code,
                    "at": choosing.instant(known.until) if known.until else None,
                    "attempts": [
                        structs.asdict(one) | {"at": choosing.instant(one.at), "trace_url": self._trace_url(one.trace)}
                        for one in known.attempts
                    ],
                }
        if not entries and not ledger:
            return None
        newest = entries[-1] if entries else None
        code = (newest.cause or newest.code) if newest else ""
        return Life(
            event,
            entries,
            ledger,
            meaning(newest.code, newest.rule) if newest else "",
            advice(code) if code else "",
            self._trace_url(newest.trace) if newest else "",
        )

    async def plan(
        self, chosen: Filter, reason: str, by: str, *, action: str = "replay", limit: int = 0, force: bool = False
    ) -> Plan:
        """A dry run: exactly what would be moved, under a hash."""
        return await self.planning.plan(chosen, reason, by, action=action, limit=limit, force=force)

    async def plans(self) -> list[Plan]:
        """All plans, newest first."""
        return await self.index.plans()

    async def approve(self, plan: str, by: str) -> Plan:
        """A second person says yes."""
        return await self.planning.approve(plan, by)

    async def cancel(self, plan: str, by: str) -> Plan:
        """Give it up, at its next message if it runs."""
        return await self.planning.cancel(plan, by)

    async def progress(self, plan: str) -> Plan:
        """The plan as it stands: `done` of `messages`, `failed`, `returned`, its stage."""
        return await self.planning.find(plan)

    async def start_replay(self, plan: str, pace: Pace = _PACE) -> Plan:
        """Begin in the background of this process. If the process goes, the scheduler's task goes on with it."""
        found = await self.planning.find(plan)
        if found.id not in self._running:
            task = asyncio.create_task(self.run(found.id, pace))
            self._running[found.id] = task
            task.add_done_callback(lambda ended: self._ended(found.id, ended))
        return found

    async def run(
        self,
        plan: str,
        pace: Pace = _PACE,
        *,
        stop: Callable[[], bool] = lambda: False,
        watch: Callable[[Plan], None] = lambda plan: None,
    ) -> Plan:
        """Carry it out, or go on with it; the plan as it stands afterwards."""
        found = await self.planning.find(plan)
        async with self.holding() as holding:
            return await Run(
                index=self.index,
                ledgers=self.ledgers,
                publisher=self.publisher,
                holding=holding,
                accounts=self._accounts,
                planning=self.planning,
                settings=self.settings,
                now=self.now,
                owner=f"{os.getpid()}/{uuid4().hex[:8]}",
                pace=pace,
                stop=stop,
                watch=watch,
                told=self.told,
            ).carry_out(found)

    async def recovered(self, pace: Pace = _PACE, *, stop: Callable[[], bool] = lambda: False) -> list[Plan]:
        """Go on with what was interrupted, and replay what a dependency's outage left, as far as it is over."""
        recovery, ended = Recovery(self.index, self.ledgers, self.planning, self.settings), list[Plan]()
        for find in (partial(recovery.unfinished, self.now()), recovery.due):
            for plan in [] if stop() else await find():
                try:
                    ended.append(await self.run(plan.id, pace, stop=stop))
                except Problem as problem:
                    if problem.code is not Code.PLAN_REFUSED:  # stale, or somebody was faster: no reason to stop here
                        raise
        return ended

    async def close(self) -> None:
        """Stop what runs in the background; its plans can be gone on with."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _ended(self, plan: str, task: asyncio.Task[Plan]) -> None:
        self._running.pop(plan, None)
        if not task.cancelled() and isinstance(task.exception(), Problem):
            return  # refused: the plan says so to whoever asks
        if not task.cancelled():
            task.result()

    def _trace_url(self, trace: str) -> str:
        if not trace:
            return ""
        return f"https://console.cloud.google.com/traces/list?project={self.settings.gcp_project}&tid={trace}"
