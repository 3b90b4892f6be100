"""Areas one after another: planned, mended if asked, and what could not be done told in its place."""

from collections.abc import AsyncIterator, Collection, Iterable
from copy import replace

from handlers.provisioning.changes import Act, Area, Change, Refusal
from shared.errors import Problem

_DOWN = "it does not answer: try again when it does"


async def run(areas: Iterable[Area], *, apply: bool = False, delete: Collection[str] = ()) -> AsyncIterator[Change]:
    """Every change, applied if asked. `delete`: names of what may go, and only with `apply`. Raises nothing of Google's."""
    for area in areas:
        changes = await _planned(area)
        if apply:
            doomed = [change for change in changes if _may_go(change, delete)]
            for change in doomed:
                yield await _done(area, change, area.delete)
            if doomed:
                gone = {(change.kind, change.name) for change in doomed if change.act is Act.EXTRA}
                changes = [one for one in await _planned(area) if (one.kind, one.name) not in gone]
        for change in changes:
            wanted = change.act in (Act.CREATE, Act.CHANGE)
            yield await _done(area, change, area.apply) if apply and wanted else change


async def _planned(area: Area) -> list[Change]:
    try:
        return await area.plan()
    except Refusal as refusal:
        return [Change(area.name, "area", area.name, Act.UNSEEN if refusal.unseen else Act.REFUSED, how=refusal.how)]
    except Problem:
        return [Change(area.name, "area", area.name, Act.REFUSED, how=_DOWN)]


def _may_go(change: Change, named: Collection[str]) -> bool:
    """Only what was named, and only what nobody wants, or what stands in the way of what is wanted."""
    return change.name in named and change.act in (Act.EXTRA, Act.REFUSED) and change.kind != "area"


async def _done(area: Area, change: Change, action: object) -> Change:
    assert callable(action)
    try:
        await action(change)
    except Refusal as refusal:
        act = Act.UNSEEN if refusal.unseen else Act.REFUSED
        return replace(change, act=act, how=refusal.how)
    except Problem:
        return replace(change, act=Act.REFUSED, how=_DOWN)
    return replace(change, done=True)
