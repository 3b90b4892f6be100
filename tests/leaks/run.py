"""A run of the canary: so many fuzzed requests, and what was heard; with a plant, until it is heard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.telemetry.spans import start_spans, stop_spans
from tests.leaks.canary import Fuzz, Leak, leaks
from tests.leaks.plants import PLANTS
from tests.leaks.rig import Rig, rig
from tests.tenant import settings

CHUNK = 250  # requests between two looks
GLANCE = 60  # the same where a plant is looked for, which is mostly heard at once


@asynccontextmanager
async def counted(
    seed: int, requests: int, **changed: object
) -> AsyncIterator[tuple[Rig, InMemorySpanExporter, list[Leak]]]:
    """The rig after a run, its spans of the last chunk, and the leaks of the whole run."""
    spans = InMemorySpanExporter()
    start_spans(settings(trace_exporter="gcp", trace_ratio=1), spans)
    try:
        async with rig(**changed) as here:
            fuzz, found = Fuzz(here, seed), set[Leak]()
            while here.requests < requests:
                here.forget()
                spans.clear()
                await fuzz.run(min(CHUNK, requests - here.requests))
                found |= set(leaks(here, spans))
            yield here, spans, sorted(found, key=lambda leak: leak.channel)
    finally:
        stop_spans(1)


async def caught(plant: str, *, within: int, seed: int = 1) -> list[Leak]:
    """The channels in which a planted leak was heard; empty if it was not heard within so many requests."""
    spans = InMemorySpanExporter()
    with PLANTS[plant]():
        start_spans(settings(trace_exporter="gcp", trace_ratio=1), spans)
        try:
            async with rig() as here:
                fuzz = Fuzz(here, seed)
                while here.requests < within:
                    here.forget()
                    spans.clear()
                    await fuzz.run(GLANCE)
                    if found := leaks(here, spans):
                        return found
        finally:
            stop_spans(1)
    return []
