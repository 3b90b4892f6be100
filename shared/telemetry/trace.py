"""The thread to follow: W3C trace context, and the correlation id of the clinical side.

    Medplum's x-trace-id ─► correlation id ─► every event, log line and AuditEvent this side of the door

x-trace-id comes from outside and is not signed: only a UUID or a traceparent is believed, anything else is replaced, so
that nothing rides in it.
"""

import random
import re
from uuid import UUID, uuid4

from msgspec import Struct

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Trace(Struct, frozen=True):
    """`correlation` is a UUID, `traceparent` W3C trace context of version 00."""

    correlation: str
    traceparent: str


def fresh() -> str:
    """A traceparent of a new trace, sampled."""
    return f"00-{random.randbytes(16).hex()}-{_span()}-01"  # noqa: S311 - names, no secrets


def child(traceparent: str) -> str:
    """The same trace with a new span; a new trace if this is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return f"00-{found[1]}-{_span()}-{found[3]}" if found else fresh()


def _span() -> str:
    return random.randbytes(8).hex()  # noqa: S311 - as above


def is_traceparent(text: str) -> bool:
    """Whether it is W3C trace context of version 00."""
    return _TRACEPARENT.fullmatch(text) is not None


def is_correlation(text: str) -> bool:
    """Whether it is a UUID in its canonical form."""
    return _UUID.fullmatch(text) is not None


def trace_id(traceparent: str) -> str:
    """The trace's id: 32 hex digits."""
    return traceparent[3:35]


def accept_trace(x_trace_id: str | None, traceparent: str | None) -> Trace:
    """The thread that a webhook goes on with; a new one where what it brings is none."""
    given = (x_trace_id or "").strip().lower()
    parent = traceparent if traceparent and is_traceparent(traceparent) else None
    if is_correlation(given):
        return Trace(given, parent or fresh())
    if is_traceparent(given):
        return Trace(str(UUID(trace_id(given))), parent or given)
    return Trace(str(uuid4()), parent or fresh())
