"""A replay, step by step: plan (a dry run) ─► approve, by somebody else ─► replay, in the background ─► how far it is.

Who does it is who is let in, never a field of a form. A plan is started by whoever made it, for the audit says so.
"""

import asyncio

from handlers.console.forms import FILTER, Fields, filter_of, number_of
from handlers.console.pages import View
from handlers.console.rights import Person
from handlers.deadletters.desk import Desk
from handlers.deadletters.running import Pace
from shared.deadletters.port import Plan, Stage
from shared.errors import Code, Problem

MAKE = FILTER | {"reason", "limit"}
START = frozenset({"per_second"})
_MOST, _FASTEST, _PACE = 1_000_000, 1000, 50
_ROWS = 50
_LOOKS, _LOOK = 20, 0.1  # seconds
_STARTS = (Stage.PLANNED, Stage.APPROVED, Stage.STOPPED)


async def listed(desk: Desk) -> View:
    """All plans, newest first."""
    return View("plans.html", {"nav": "plans", "plans": (await desk.plans())[:200]})


async def one(desk: Desk, person: Person, id: str, template: str) -> View:
    """A plan: what it would move, how far it is, what this person may do with it."""
    plan = await desk.progress(id)
    if plan.id != id:
        raise Problem(Code.UNKNOWN_ROUTE, "plan")
    waits = desk.settings.require_approval and not plan.approved_by
    begins = plan.stage in _STARTS or (plan.stage is Stage.RUNNING and plan.until <= desk.now())
    entries = await desk.index.page(plan=id, limit=_ROWS) if template == "plan.html" else []
    return View(
        template,
        {
            "nav": "plans",
            "plan": plan,
            "entries": entries,
            "share": round(100 * plan.done / plan.messages) if plan.messages else 100,
            "waits": waits,
            "running": plan.stage is Stage.RUNNING and plan.until > desk.now(),
            "may_start": person.may("plan") and person.email == plan.by and begins and not waits,
            "may_cancel": person.may("plan") and plan.stage not in (Stage.DONE, Stage.CANCELLED),
            "may_approve": person.may("approve") and person.email != plan.by and plan.stage is Stage.PLANNED,
        },
    )


async def make(desk: Desk, person: Person, fields: Fields) -> Plan:
    """Raises Problem: PLAN_REFUSED, BAD_BODY."""
    chosen = filter_of(fields, desk.settings, desk.now())
    limit = number_of(fields, "limit", most=_MOST, default=0)
    return await desk.plan(chosen, fields.get("reason", ""), person.email, limit=limit)


async def start(desk: Desk, person: Person, id: str, fields: Fields) -> None:
    """What a run would refuse is refused here, where somebody reads it. Raises Problem: PLAN_REFUSED, BAD_BODY."""
    pace = Pace(per_second=number_of(fields, "per_second", most=_FASTEST, default=_PACE))
    plan = await desk.progress(id)
    if person.email != plan.by:
        raise Problem(Code.PLAN_REFUSED, "another")
    if plan.stage in (Stage.DONE, Stage.CANCELLED):
        raise Problem(Code.PLAN_REFUSED, plan.stage.value)
    if plan.stage is Stage.RUNNING and plan.until > desk.now():
        raise Problem(Code.PLAN_REFUSED, "running")
    if desk.settings.require_approval and not plan.approved_by:
        raise Problem(Code.PLAN_REFUSED, "approval")
    if await desk.planning.digest(plan.id, plan.action) != plan.id:
        raise Problem(Code.PLAN_REFUSED, "stale")
    await desk.start_replay(plan.id, pace)
    for _ in range(_LOOKS):  # so that the page that follows shows it under way
        if (await desk.progress(plan.id)).runs > plan.runs:
            return
        await asyncio.sleep(_LOOK)
