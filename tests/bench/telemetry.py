"""`./dev bench telemetry`: what a message costs in CPU time with nothing told, with metrics and logs, and with spans.

The same messages through the same application (webhook, validation, deid, analytics, audit), its dependencies in this
process, so that what is compared is the service's own work. Each way is measured in turns with the others: this machine's
noise falls on all alike. Figures are medians, in microseconds of CPU for a request.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from shared.telemetry import metrics, report
from shared.telemetry.spans import client_span, start_spans, stop_spans
from tests.leaks.rig import rig
from tests.tenant import settings

ROUNDS, CHANGES = 7, 30
CALLS = 200_000


class Nowhere(SpanExporter):
    """Takes spans and does nothing: what is left is the cost of recording them."""

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS


@contextmanager
def silent() -> Iterator[None]:
    """No metrics, no log lines: what the work alone costs."""
    with ExitStack() as stack:
        for owner, name in (
            (metrics.Counter, "add"),
            (metrics.Gauge, "move"),
            (metrics.Gauge, "set"),
            (metrics.Distribution, "observe"),
            (report, "log"),
        ):
            stack.enter_context(patch.object(owner, name, lambda *_, **__: None))
        yield


@contextmanager
def plain() -> Iterator[None]:
    """As it runs by default: metrics and logs, no spans."""
    yield


@contextmanager
def spans(ratio: float) -> Iterator[None]:
    """With spans of this share of threads."""
    start_spans(settings(trace_exporter="gcp", trace_ratio=ratio), Nowhere())
    try:
        yield
    finally:
        stop_spans(1)


WAYS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "nothing told": silent,
    "metrics and logs": plain,
    "and spans of 1 in 10 threads": partial(spans, 0.1),
    "and spans of all": partial(spans, 1.0),
}


def run(*, as_json: bool) -> int:
    """Measure and print; 0."""
    figures = asyncio.run(_measured())
    off = _off()
    if as_json:
        print(json.dumps({"us_per_request": figures, "us_per_span_that_is_off": off}))
        return 0
    least = figures["nothing told"]
    print(f"CPU for a request, medians of {ROUNDS} rounds of {CHANGES} changes from webhook to row and AuditEvent")
    for name, figure in figures.items():
        print(f"  {name:<30} {figure:7.0f} µs   {100 * (figure / least - 1):+5.1f} %")
    print(f"  a span where none is recorded  {off:7.2f} µs")
    return 0


async def _measured() -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    async with rig() as here:
        number = 0
        for turn in range(ROUNDS + 1):
            for name, way in WAYS.items():
                here.forget()
                with way():
                    before, begun = time.process_time(), here.requests
                    for _ in range(CHANGES):
                        number += 1
                        await here.patient(f"p{number}", "v1")
                        await here.flow()
                    if turn:  # the first warms up
                        taken[name].append((time.process_time() - before) / (here.requests - begun) * 1e6)
    return {name: statistics.median(values) for name, values in taken.items()}


def _off() -> float:
    before = time.process_time()
    for _ in range(CALLS):
        with client_span("ledger claim"):
            pass
    return (time.process_time() - before) / CALLS * 1e6
