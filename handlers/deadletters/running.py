"""A plan is carried out: each message is looked up, published, written down and then taken away.

    pull ─► is it of the plan? ─► reopen (POISON → RETRY) ─► publish to its origin ─► write it down ─► acknowledge
                                                                    crash ─┴─ resume: published once more, no more

One message is on its way at a time, so that a crash can repeat one publish and no more, and its event's id makes that a
duplicate without effect. What was written down is acknowledged and never published again, whoever finds it. A plan has
one runner, by a lease in the index; whoever finds a lease that is over goes on. Slower than it could be, on purpose: the
rate begins at a tenth and grows within half a minute, and too many failures or returns end the run.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from copy import replace
from dataclasses import dataclass, field

from msgspec import Struct

from handlers.deadletters.accounts import Accounts, Action
from handlers.deadletters.choosing import each, instant
from handlers.deadletters.holding import PAGE, Held, Holding
from handlers.deadletters.ledgers import Ledgers
from handlers.deadletters.planning import SCHEDULER, Planning
from handlers.deadletters.records import origin_of
from handlers.provisioning import HOLD_DAYS
from shared.deadletters.port import Entry, Index, Plan, Stage, State
from shared.errors import Code, Problem
from shared.settings import Settings
from shared.sinks.port import Publisher

_RAMP = 30.0  # seconds until the full rate
_BEAT = 1.0  # seconds between two looks at the plan
_PAUSE = 0.2  # seconds between two pulls that bring nothing
_SPARE = 3.0  # seconds beyond a lease, for which a message that does not come is waited for
_MOVED = {"replay": State.REPLAYED, "purge": State.PURGED}


class Pace(Struct, frozen=True):
    """`per_second` 0 is as fast as it goes."""

    per_second: float = 0.0
    max_failures: int = 10


@dataclass(slots=True)
class Run:
    """One run of one plan. `stop` is asked between messages; `watch` is told of each beat, `told` of begin and end."""

    index: Index
    ledgers: Ledgers
    publisher: Publisher
    holding: Holding
    accounts: Accounts
    planning: Planning
    settings: Settings
    now: Callable[[], float]
    owner: str
    pace: Pace
    stop: Callable[[], bool] = lambda: False
    watch: Callable[[Plan], None] = lambda plan: None
    told: Callable[[Plan], None] = lambda plan: None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _plan: Plan = field(init=False)
    _done: int = 0
    _failed: int = 0
    _why: str = ""
    _begun: float = 0.0
    _next: float = 0.0
    _beaten: float = 0.0

    async def carry_out(self, plan: Plan) -> Plan:
        """Move the plan's messages; the plan as it stands afterwards. Raises Problem(PLAN_REFUSED), before anything."""
        left = await self._take(plan)
        try:
            for topic in sorted(left):
                if not self._why:
                    await self._topic(topic, left)
        except Problem as problem:
            self._why = self._why or problem.code.slug
        finally:
            await self.holding.close()
        return await self._end(sum(left.values()))

    async def _take(self, plan: Plan) -> Counter[str]:
        """Become the plan's runner; how many messages of each topic are left to be moved."""
        now = self.now()
        if plan.stage in (Stage.DONE, Stage.CANCELLED):
            raise Problem(Code.PLAN_REFUSED, plan.stage.value)
        if plan.stage is Stage.RUNNING and plan.until > now:
            raise Problem(Code.PLAN_REFUSED, "running")
        if self.settings.require_approval and not plan.approved_by and plan.by != SCHEDULER:
            raise Problem(Code.PLAN_REFUSED, "approval")
        if await self.planning.digest(plan.id, plan.action) != plan.id:
            raise Problem(Code.PLAN_REFUSED, "stale")
        left: Counter[str] = Counter()
        async for page in each(self.index, plan=plan.id):
            left.update(one.topic for one in page if one.state is State.PLANNED)
            self._done += sum(one.state is not State.PLANNED for one in page)
        running = replace(
            plan,
            stage=Stage.RUNNING,
            runs=plan.runs + 1,
            owner=self.owner,
            done=self._done,
            why="",
            failed=0,
            returned=0,
        )
        await self.accounts.tell(running, _action(plan), by=plan.by)
        self._plan = replace(running, until=self.now() + self.settings.replay_lease, revision=plan.revision + 1)
        if not await self.index.put_plan(self._plan):
            raise Problem(Code.PLAN_REFUSED, "running")
        self.told(self._plan)
        self._begun = self._next = self._beaten = self.now()
        return left

    async def _topic(self, topic: str, left: Counter[str]) -> None:
        """Until nothing of the plan is left in the topic, or what is left has not come for longer than a lease."""
        came = self.now()
        while left[topic] > 0 and not await self._stopped():
            page = await self.holding.pull(topic, PAGE)
            if page:
                moving = await self._page(topic, page, left)
                came = self.now() if moving else came
            elif self.now() - came > self.settings.replay_lease + _SPARE:
                left[topic] -= await self._gone(topic)
                return
            else:
                await self.sleep(_PAUSE)

    async def _page(self, topic: str, page: Sequence[Held], left: Counter[str]) -> bool:
        """Move what is of the plan, take away what was moved before, park the rest. Whether anything was of the plan."""
        known = {one.message: one for one in await self.index.get(topic, [held.delivered.id for held in page])}
        ours, over, others = [], [], []
        for held in page:
            entry = known.get(held.delivered.id)
            if entry is not None and entry.state in _MOVED.values():
                over.append(held)  # somebody's crash came between writing it down and taking it away
            elif entry is not None and entry.state is State.PLANNED and entry.plan == self._plan.id:
                ours.append((held, entry))
            else:
                others.append(held)
        await self.holding.take(topic, over)
        await self.holding.park(topic, others)
        await self._ours(topic, ours, left)
        return bool(ours)

    async def _ours(self, topic: str, ours: Sequence[tuple[Held, Entry]], left: Counter[str]) -> None:
        finished: list[Held] = []
        renewed = self.now()
        for number, (held, entry) in enumerate(ours):
            if await self._stopped():
                break
            await self._paced()
            if self.now() - renewed > self.settings.replay_lease / 3:
                await self.holding.take(topic, finished)
                finished, renewed = [], self.now()
                await self.holding.renew(topic, [one for one, _ in ours[number:]])
            try:
                await self._move(held, entry)
            except Problem as problem:
                await self._failure(problem)
            else:
                finished.append(held)
                left[topic] -= 1
                self._done += 1
        await self.holding.take(topic, finished)
        unmoved = {held.ack for held, _ in ours} - {held.ack for held in finished}
        await self.holding.give_back(topic, [held for held, _ in ours if held.ack in unmoved])

    async def _move(self, held: Held, entry: Entry) -> None:
        """Send it to where it came from, and write that down. Raises Problem."""
        if self._plan.action == "replay" and not (entry.twin and await self._sent(entry)):
            message = origin_of(entry.topic, held.delivered.message)
            if message is None or message.attributes.get("ce-id") != entry.event:
                raise Problem(Code.MALFORMED_EVENT, "hold")
            await self.ledgers.reopen(entry, self.now())
            await self.publisher.publish(entry.origin, message)
        await self._write_down(entry)

    async def _sent(self, entry: Entry) -> bool:
        """Whether this plan has published the event already, from another message of it."""
        same = [one for one in await self.index.of_event(entry.event or "") if one.key == entry.key]
        return any(one.plan == self._plan.id and one.state is State.REPLAYED for one in same)

    async def _write_down(self, entry: Entry) -> None:
        """Published is published: if somebody has changed the entry meanwhile, it is written over what they made of it."""
        found: Entry | None = entry
        while found is not None and found.state not in _MOVED.values():
            after = replace(
                found,
                state=_MOVED[self._plan.action],
                plan=self._plan.id,
                moved=instant(self.now()),
                revision=found.revision + 1,
            )
            if (await self.index.change([after]))[0]:
                return
            found = next(iter(await self.index.get(entry.topic, [entry.message])), None)

    async def _gone(self, topic: str) -> int:
        """What did not come and is older than Pub/Sub keeps anything is gone; so is what was to be thrown away anyhow."""
        oldest, number = instant(self.now() - HOLD_DAYS * 86_400), 0
        async for page in each(self.index, plan=self._plan.id, aside=True):
            gone = [
                replace(one, state=State.GONE, moved=instant(self.now()), revision=one.revision + 1)
                for one in page
                if one.topic == topic and (self._plan.action == "purge" or one.set_aside < oldest)
            ]
            number += sum(await self.index.change(gone))
        self._done += number
        return number

    async def _failure(self, problem: Problem) -> None:
        self._failed += 1
        if self._failed + self._plan.returned >= self.pace.max_failures:
            self._why = problem.code.slug
        elif problem.code in (Code.PUBSUB_DOWN, Code.LEDGER_DOWN):
            await self.sleep(min(5.0, 0.5 * self._failed))

    async def _paced(self) -> None:
        """Wait for this message's turn."""
        if not self.pace.per_second:
            return
        now = self.now()
        share = min(1.0, 0.1 + 0.9 * (now - self._begun) / _RAMP)
        self._next = max(self._next, now) + 1 / (self.pace.per_second * share)
        await self.sleep(max(0.0, self._next - 1 / (self.pace.per_second * share) - now))

    async def _stopped(self) -> bool:
        """Whether to go no further; the plan is written down on the way, so that others see how far it is."""
        if not self._why and self.stop():
            self._why = "stopped"
        if not self._why and self.now() - self._beaten >= min(_BEAT, self.settings.replay_lease / 4):
            await self._beat(Stage.RUNNING)
            if self._plan.returned and self._failed + self._plan.returned >= self.pace.max_failures:
                self._why = "they come back"
        return bool(self._why)

    async def _beat(self, stage: Stage) -> None:
        """Write down how far it is; take in what others wrote: returns, a cancellation, another runner."""
        self._beaten = self.now()
        while True:
            found = await self.index.plan(self._plan.id)
            if found is None or found.owner != self.owner or found.runs != self._plan.runs:
                self._why, self._plan = "another runner", found or self._plan
                return
            cancelled = found.stage is Stage.CANCELLED
            self._plan = replace(
                found,
                stage=Stage.CANCELLED if cancelled else stage,
                done=self._done,
                failed=self._failed,
                until=0.0 if cancelled or stage is not Stage.RUNNING else self.now() + self.settings.replay_lease,
                why=found.why if cancelled else self._why,
                revision=found.revision + 1,
            )
            if await self.index.put_plan(self._plan):
                break
        if cancelled:
            self._why = self._why or "cancelled"
        self.watch(self._plan)

    async def _end(self, left: int) -> Plan:
        """Done if nothing is left, else to be resumed; a cancelled plan gives back what is left."""
        if left and not self._why:
            self._why = "some did not come"
        await self._beat(Stage.STOPPED if left else Stage.DONE)
        if self._plan.stage is Stage.CANCELLED:
            await self.planning.release(self._plan)
        if self._plan.owner == self.owner:
            await self.accounts.tell(self._plan, _action(self._plan), by=self._plan.by, ended=True)
            self.told(self._plan)
        return self._plan


def _action(plan: Plan) -> Action:
    return "purge" if plan.action == "purge" else "replay"
