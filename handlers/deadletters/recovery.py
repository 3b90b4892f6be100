"""What was dead-lettered because a dependency was down replays by itself once the dependency is back.

    dead letters whose last attempt ended with a dependency's code ─► one of them is sent back, as a probe
       the probe's work has ended ─► all that had been dead-lettered before then are sent back
       it has not                 ─► wait; its retries are Pub/Sub's

Ops does not see the clinical zone's circuits, and does not guess: the ledger says how the probe ended. A new outage needs a
new probe, for only what lies aside longer than the probe's success follows it. What comes back too often is left to people.
"""

from msgspec import Struct

from handlers.deadletters.choosing import Filter, each, instant
from handlers.deadletters.ledgers import Ledgers
from handlers.deadletters.planning import SCHEDULER, Planning
from shared.deadletters.port import Index, Plan, Stage, State
from shared.errors import Code, Problem
from shared.settings import Settings

REASON = "the dependency is back"
_PROBE = "probe of a dependency that was down"


class Recovery(Struct, frozen=True):
    """Decides; who runs the plans is desk.py."""

    index: Index
    ledgers: Ledgers
    planning: Planning
    settings: Settings

    async def unfinished(self, now: float) -> list[Plan]:
        """Plans that nobody is at work on: a console's whose instance went, and the scheduler's own that ran out of time."""
        return [
            plan
            for plan in await self.index.plans()
            if (plan.stage is Stage.RUNNING and plan.until <= now)
            or (plan.stage is Stage.STOPPED and plan.by == SCHEDULER and plan.why == "stopped")
        ]

    async def due(self) -> list[Plan]:
        """The plans to be run now: for each handler a probe, or the rest."""
        chosen, oldest = Filter(recoverable=True), dict[str, str]()
        async for page in each(self.index, aside=True):
            for one in page:
                if one.state in (State.OPEN, State.AGAIN) and chosen.matches(one):
                    oldest.setdefault(one.handler, one.set_aside)
        made = []
        for handler in sorted(oldest):
            try:
                plan = await self._for(handler, oldest[handler])
            except Problem as problem:
                if problem.code is not Code.PLAN_REFUSED:  # all of them are in somebody's plan that runs
                    raise
                continue
            if plan is not None:
                made.append(plan)
        return made

    async def _for(self, handler: str, oldest: str) -> Plan | None:
        waits, proof = await self._proof(handler)
        if waits:
            return None
        if proof is not None and (until := instant(proof)) > oldest:
            return await self.planning.plan(Filter(handler=handler, recoverable=True, until=until), REASON, SCHEDULER)
        return await self.planning.plan(Filter(handler=handler, recoverable=True), _PROBE, SCHEDULER, limit=1)

    async def _proof(self, handler: str) -> tuple[bool, float | None]:
        """Whether the last probe is still at it; and when the last that is not came to its end."""
        for plan in await self.index.plans():
            if plan.by != SCHEDULER or plan.filter.get("handler") != handler:
                continue
            sent = [one for one in await self.index.page(plan=plan.id, limit=1) if one.state is State.REPLAYED]
            if not sent:
                continue
            ended = await self.ledgers.ended(sent[0])
            return ended is None, ended
        return False, None
