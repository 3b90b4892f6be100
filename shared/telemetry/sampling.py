"""Which spans are recorded: whole threads, a share of them.

    a webhook      ─► by its trace id, so that nobody outside can ask for it to be recorded or not
    a message      ─► as the publish was that it links to: the flag travels with the event
    all within     ─► as the span around it

A sampler that asked each hop's flag would record a step here and a step there: Google's front end samples a request every
ten seconds.
"""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes


class Threads(Sampler):
    """`ratio`: the share of threads, 0 to 1."""

    def __init__(self, ratio: float) -> None:
        self._roots = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = get_current_span(parent_context).get_span_context()
        if parent.is_valid and not parent.is_remote:
            chosen: Sampler = ALWAYS_ON if parent.trace_flags.sampled else ALWAYS_OFF
        elif links:
            chosen = ALWAYS_ON if links[0].context.trace_flags.sampled else ALWAYS_OFF
        else:
            chosen = self._roots
        return chosen.should_sample(parent_context, trace_id, name, kind, attributes)

    def get_description(self) -> str:
        return f"Threads{{{self._roots.rate}}}"
