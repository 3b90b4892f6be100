"""The path as it is now: for each handler how much, how fresh, and whether a gate is shut."""

import math
import time
from collections.abc import Sequence

from msgspec import Struct

from handlers.console.pages import View
from shared.telemetry.live import Live, live
from shared.telemetry.metrics_store import MetricsStore
from shared.telemetry.snapshots import Snapshot, read

PATH = ("validation", "deid", "analytics", "graph")  # the way of a change; the others stand beside it
_LEAST, _MOST = 0.01, 1000.0  # seconds: the ends of the bars' scale, which is logarithmic


class Station(Struct, frozen=True):
    """One handler. `bar` is its freshness on the common scale, 0 to 100."""

    live: Live
    state: str
    bar: float


async def numbers(stores: Sequence[MetricsStore], now: float) -> list[Snapshot]:
    """The snapshots of all zones. Raises Problem(LEDGER_DOWN)."""
    return [snapshot for store in stores for snapshot in await read(store, now=now)]


async def shown(stores: Sequence[MetricsStore], template: str) -> View:
    """The page, or the part of it that is polled."""
    now = time.time()
    snapshots = await numbers(stores, now)
    found = {one.handler: one for one in live(snapshots)}
    path = [_station(found[name]) for name in PATH if name in found]
    beside = [_station(one) for name, one in found.items() if name not in PATH]
    every = max((snapshot.every for snapshot in snapshots), default=0.0)
    return View(
        template,
        {
            "nav": "live",
            "path": path,
            "stations": [*path, *beside],
            "now": now,
            "every": every,
            "processes": len({snapshot.process for snapshot in snapshots}),
        },
    )


def _station(one: Live) -> Station:
    state = "shut" if one.gates_shut else "aside" if one.set_aside_per_s else "flowing" if one.events_per_s else "idle"
    return Station(one, state, _bar(one.age_p95))


def _bar(age: float) -> float:
    if age <= 0:
        return 0.0
    share = math.log(min(_MOST, max(_LEAST, age)) / _LEAST) / math.log(_MOST / _LEAST)
    return round(max(2.0, 100 * share), 1)
