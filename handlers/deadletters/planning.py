"""A plan: exactly which messages are to be moved, and nothing is moved without one.

    filter ─► the entries that it meets ─► a hash over them all, in their order ─► each entry bears the hash

The hash is the plan's name. Before a plan is carried out the hash is taken again: if one entry is not as it was, or a newer
plan has taken it, it is another selection, and is refused. Two walks over the index, so that no plan is too large for
memory; a message that comes in between makes them differ, and they are made again.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from copy import replace

from msgspec import Struct, field

from handlers.deadletters.accounts import Accounts
from handlers.deadletters.choosing import Filter, each, instant
from shared.deadletters.port import ASIDE, Entry, Index, Plan, Stage, State
from shared.errors import Code, Problem
from shared.settings import Settings

SCHEDULER = "scheduler"  # who replays what a dependency's outage has dead-lettered; needs nobody's approval
_TRIES = 5
_BY = re.compile(r"[A-Za-z0-9._@+\-]{1,80}")
_REASON = re.compile(r"[A-Za-z0-9 ,.:;#/()_'\-]{3,200}")
# A reason says what was mended. What looks like a number of somebody's, a mail address or an id has no place in it.
_IDENTIFIER = re.compile(r"\d{6,}|\d{3}-\d{2}-\d{4}|\d{4}-\d\d-\d\d|[0-9a-f]{8}-[0-9a-f]{4}-|@")


class _Sum(Struct):
    """What a walk has seen. The hash is of text that no field can imitate: JSON, one line for each message."""

    hash: "hashlib._Hash"
    messages: int = 0
    events: set[tuple[str, str | None]] = field(default_factory=set)
    twins: set[tuple[str, str | None]] = field(default_factory=set)
    projects: set[str] = field(default_factory=set)

    def add(self, one: Entry) -> None:
        self.hash.update(json.dumps([one.topic, one.message, one.handler, one.event, one.origin]).encode() + b"\n")
        self.messages += 1
        name = (one.handler, one.event)
        if name in self.events and one.event:
            self.twins.add(name)
        self.events.add(name)
        self.projects.add(one.project)

    @property
    def id(self) -> str:
        return self.hash.hexdigest()[:32]


class Planning(Struct, frozen=True):
    """`now` is seconds since the epoch."""

    index: Index
    settings: Settings
    accounts: Accounts
    now: Callable[[], float]

    async def plan(
        self, chosen: Filter, reason: str, by: str, *, action: str = "replay", limit: int = 0, force: bool = False
    ) -> Plan:
        """Select what meets the filter, oldest first; nothing is moved. `force`: what is looping, too.

        Raises Problem(PLAN_REFUSED): `nothing` to move, `reason` or `by` of another form, `running`; `again`, when what
        lies aside changes faster than it can be read.
        """
        refuse_unfit(reason, by)
        for attempt in range(_TRIES):
            if attempt == _TRIES // 2:  # much comes in: leave out what is newer than this
                chosen = replace(chosen, until=chosen.until or instant(self.now()))
            seen = _sum(action)
            async for page in self._selected(chosen, action, limit, force):
                for one in page:
                    seen.add(one)
            _refuse_unless(seen.messages > 0, "nothing")
            await self._assign(seen, chosen, action, limit, force)
            if (await self.digest(seen.id, action)) == seen.id:
                return await self._keep(seen, chosen, reason, by, action, force)
        raise Problem(Code.PLAN_REFUSED, "again")

    async def find(self, id: str) -> Plan:
        """The plan, by its id or the beginning of it. Raises Problem(PLAN_REFUSED): unknown."""
        if (plan := await self.index.plan(id)) is not None:
            return plan
        found = [plan for plan in await self.index.plans() if plan.id.startswith(id)] if len(id) >= 6 else []
        if len(found) != 1:
            raise Problem(Code.PLAN_REFUSED, "unknown")
        return found[0]

    async def digest(self, id: str, action: str) -> str:
        """The hash over what bears the plan's name today."""
        seen = _sum(action)
        async for page in each(self.index, plan=id):
            for one in page:
                seen.add(one)
        return seen.id

    async def approve(self, id: str, by: str) -> Plan:
        """A second person says yes. Raises Problem(PLAN_REFUSED): `by` whoever made it, or a plan that is under way."""
        plan = await self.find(id)
        _refuse_unless(bool(_BY.fullmatch(by)) and by != plan.by, "by")
        _refuse_unless(plan.stage in (Stage.PLANNED, Stage.APPROVED), plan.stage.value)
        await self.accounts.tell(plan, "approve", by=by)
        return await self._put(replace(plan, stage=Stage.APPROVED, approved_by=by))

    async def cancel(self, id: str, by: str) -> Plan:
        """Give the plan up. One that is running stops at its next message, and gives back what is left by itself."""
        plan = await self.find(id)
        _refuse_unless(plan.stage not in (Stage.DONE, Stage.CANCELLED), plan.stage.value)
        await self.accounts.tell(plan, "cancel", by=by)
        live = plan.stage is Stage.RUNNING and plan.until > self.now()
        for _ in range(_TRIES):
            plan = await self.find(plan.id)
            if await self.index.put_plan(
                cancelled := replace(plan, stage=Stage.CANCELLED, why=f"by {by}", revision=plan.revision + 1)
            ):
                break
        else:
            raise Problem(Code.PLAN_REFUSED, "again")
        if not live:
            await self.release(cancelled)
        return cancelled

    async def release(self, plan: Plan) -> None:
        """What the plan has not moved is in no plan again."""
        async for page in each(self.index, plan=plan.id, aside=True):
            await self.index.change([self._free(one) for one in page])

    def _free(self, one: Entry) -> Entry:
        looping = one.replays >= self.settings.replay_limit
        state = State.LOOPING if looping else State.AGAIN if one.replays else State.OPEN
        return replace(one, state=state, plan="", twin=False, revision=one.revision + 1)

    async def _selected(self, chosen: Filter, action: str, limit: int, force: bool) -> AsyncIterator[list[Entry]]:
        live = {p.id for p in await self.index.plans() if p.stage is Stage.RUNNING and p.until > self.now()}
        left = limit or -1
        async for page in each(self.index, aside=True):
            found = [one for one in page if chosen.matches(one) and self._may(one, action, force, live)]
            found = found if left < 0 else found[:left]
            left = left if left < 0 else left - len(found)
            if found:
                yield found
            if left == 0:
                return

    def _may(self, one: Entry, action: str, force: bool, live: set[str]) -> bool:
        looping = one.replays >= self.settings.replay_limit
        fit = action == "purge" or (one.replayable and (force or not looping))
        return fit and one.state in ASIDE and one.plan not in live

    async def _assign(self, seen: _Sum, chosen: Filter, action: str, limit: int, force: bool) -> None:
        """Write the plan's name on each entry. What an earlier plan of the same name has moved stays as it is."""
        async for page in self._selected(chosen, action, limit, force):
            await self.index.change(
                [
                    replace(
                        one,
                        state=State.PLANNED,
                        plan=seen.id,
                        twin=(one.handler, one.event) in seen.twins,
                        revision=one.revision + 1,
                    )
                    for one in page
                ]
            )

    async def _keep(self, seen: _Sum, chosen: Filter, reason: str, by: str, action: str, force: bool) -> Plan:
        known = await self.index.plan(seen.id)
        _refuse_unless(known is None or known.stage is not Stage.RUNNING or known.until <= self.now(), "running")
        plan = Plan(
            id=seen.id,
            action=action,
            messages=seen.messages,
            events=len(seen.events),
            filter=chosen.given(),
            projects=tuple(sorted(seen.projects)),
            reason=reason,
            by=by,
            made=instant(self.now()),
            forced=force,
            revision=known.revision if known else 0,
        )
        return await self._put(plan)

    async def _put(self, plan: Plan) -> Plan:
        after = replace(plan, revision=plan.revision + 1)
        if not await self.index.put_plan(after):
            raise Problem(Code.PLAN_REFUSED, "again")
        return after


def refuse_unfit(reason: str, by: str) -> None:
    """Raises Problem(PLAN_REFUSED) for a `reason` that could name somebody, or a `by` of another form."""
    _refuse_unless(bool(_REASON.fullmatch(reason)) and not _IDENTIFIER.search(reason), "reason")
    _refuse_unless(bool(_BY.fullmatch(by)), "by")


def _sum(action: str) -> _Sum:
    return _Sum(hashlib.sha256(action.encode() + b"\n"))


def _refuse_unless(good: bool, why: str) -> None:
    if not good:
        raise Problem(Code.PLAN_REFUSED, why)
