"""What the processes of all zones have counted, for the log and for whoever looks at them: ops, a console.

    SERIES of this process ─ every `metrics_every` seconds ─► snapshot ─┬─► log lines "metric" ─► Cloud Monitoring
                                                                        └─► MetricsStore (beside the ledger) ─► ops

A snapshot holds numbers, and labels from closed sets; nothing else has a place in it. A process replaces its own one; a
snapshot that was not replaced for three rounds is of a process that has gone, and is not read.

Left out: history, which Cloud Monitoring keeps. And ingress in the cloud: that zone reaches no ledger, so its numbers are
in the log alone.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from msgspec import Struct, json

from shared.errors import Problem
from shared.telemetry.logs import log
from shared.telemetry.metrics import METRICS, SERIES, Key, Kind, Series, Spread
from shared.telemetry.metrics_store import MetricsStore

_STALE = 3  # rounds


class Number(Struct, frozen=True):
    """One series. `value`: a gauge's, or a counter's since the start. `window`: what came since the last snapshot.

    For a distribution `window` is how many values came, `p50` to `p99` are theirs, and `value` is how many in all.
    """

    name: str
    kind: Kind
    labels: dict[str, str]
    value: float
    window: float
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


class Snapshot(Struct, frozen=True):
    """What one process had counted `at` (seconds since the epoch); `seconds`: since its snapshot before."""

    process: str
    zone: str
    at: float
    seconds: float
    every: float
    numbers: tuple[Number, ...]


class Snapshots:
    """Makes this process's snapshots. `process` tells it from others; `now` is seconds since the epoch."""

    def __init__(
        self, process: str, zone: str, every: float, *, now: Callable[[], float] = time.time, series: Series = SERIES
    ) -> None:
        self._process, self._zone, self._every, self._now, self._series = process, zone, every, now, series
        self._last_at = now()
        self._last: dict[Key, float] = {}
        self._last_spreads: dict[Key, Spread] = {}

    def take(self) -> Snapshot:
        """What has been counted until now, and since the last time."""
        now = self._now()
        numbers = (*self._numbers(), *self._spreads())
        taken = Snapshot(self._process, self._zone, now, now - self._last_at, self._every, numbers)
        self._last_at = now
        self._last = dict(self._series.numbers)
        self._last_spreads = {key: Spread(list(one.counts), one.total) for key, one in self._series.spreads.items()}
        return taken

    async def run(self, store: MetricsStore) -> None:
        """Tell, again and again, until cancelled. A store that is down keeps nobody from working."""
        while True:
            await asyncio.sleep(self._every)
            await self.tell(store)

    async def tell(self, store: MetricsStore) -> None:
        """One snapshot, to the log and to the store."""
        taken = self.take()
        tell(taken)
        with suppress(Problem):  # the log has it
            await store.put(self._process, encode(taken), expires=taken.at + _STALE * self._every)

    def _numbers(self) -> Iterator[Number]:
        for key, value in list(self._series.numbers.items()):
            metric = _METRICS[key[0]]
            labels: dict[str, str] = dict(zip(metric.labels, key[1:], strict=True))
            yield Number(metric.name, metric.kind, labels, value, value - self._last.get(key, 0))

    def _spreads(self) -> Iterator[Number]:
        for key, spread in list(self._series.spreads.items()):
            metric, before = _METRICS[key[0]], self._last_spreads.get(key, Spread())
            labels: dict[str, str] = dict(zip(metric.labels, key[1:], strict=True))
            new = Spread([now - then for now, then in zip(spread.counts, before.counts, strict=True)])
            yield Number(
                metric.name,
                metric.kind,
                labels,
                sum(spread.counts),
                sum(new.counts),
                *(new.quantile(share) for share in (0.5, 0.95, 0.99)),
            )


_METRICS = {metric.name: metric for metric in METRICS}


def tell(snapshot: Snapshot) -> None:
    """The snapshot as log lines: a counter's increase, a gauge, a distribution's quantiles. What stands still is not told."""
    for one in snapshot.numbers:
        match one.kind:
            case "gauge":
                log("metric", "INFO", metric=one.name, value=one.value, **one.labels)
            case "counter" if one.window:
                log("metric", "INFO", metric=one.name, value=one.window, **one.labels)
            case "distribution" if one.window:
                for quantile in ("p50", "p95", "p99"):
                    log(
                        "metric", "INFO", metric=one.name, quantile=quantile, value=getattr(one, quantile), **one.labels
                    )


async def read(store: MetricsStore, *, now: float) -> tuple[Snapshot, ...]:
    """The newest snapshot of each process that lives. Raises Problem(LEDGER_DOWN)."""
    snapshots = [decode(text) for text in await store.all(now=now)]
    return tuple(one for one in snapshots if now - one.at <= _STALE * one.every)


def encode(snapshot: Snapshot) -> str:
    """The snapshot as JSON."""
    return json.encode(snapshot).decode()


def decode(text: str) -> Snapshot:
    """A snapshot from its JSON, which only this code writes."""
    return json.decode(text, type=Snapshot)
