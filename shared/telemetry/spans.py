"""Spans, where the settings ask for them: the SDK and an exporter are loaded only then, after the fork.

    webhook ─ POST /v1/webhooks/… (SERVER)      parent: the hop, which is the request's own `traceparent`
      └ send fhir.changed (PRODUCER)            its context travels as ce-traceparent
    push ─ process fhir.changed (CONSUMER)      parent: the hop, if any; link: the message's ce-traceparent
      ├ ledger claim, medplum read … (CLIENT)
      └ send fhir.validated (PRODUCER)
    ═ the door ═ `send fhir.deidentified` links to a new trace; the new trace knows nothing of this one ═

So each delivery is a trace of its own: a second delivery, or an operator's replay, is a new root with a link to the same
publish, not a second child of something that ended last week. The hop is believed, for the caller's token was checked.

Nothing but words of our own is in a span: names and attributes have a closed form, which the one exporter checks again;
no exception, no event, no status text. The provider is ours alone and never the global one, so that Google's clients,
which record spans of their own with paths and exceptions' texts where there is one, find none. With no exporter
everything here is one comparison.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shared.errors import Code, Problem
from shared.head import Head
from shared.settings import Settings
from shared.telemetry.metrics import DROPPED
from shared.telemetry.trace import child, is_traceparent, trace_id

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

type Ended = Callable[[Code | None], None]
type Call = Literal[
    "medplum read", "medplum history", "medplum search", "medplum create", "medplum token",
    "dlp deidentify", "bigquery append", "ledger claim", "ledger finish",
]  # fmt: skip

_SCOPE = "starvit"
_HOOK = "POST /v1/webhooks/medplum/{subscription}"
_TOPIC = r"[a-z]+[a-z.\-]{0,60}"
_NAME = re.compile(rf"(send|process) {_TOPIC}|(medplum|dlp|bigquery|ledger) [a-z]{{1,16}}|{re.escape(_HOOK)}")
_SUBSCRIPTION = rf"{_TOPIC}--[a-z\-]{{1,30}}"
ATTRIBUTES: Mapping[str, re.Pattern[str] | frozenset[str] | type[int]] = {
    "messaging.system": frozenset({"gcp_pubsub"}),
    "messaging.operation.name": frozenset({"send", "process"}),
    "messaging.operation.type": frozenset({"send", "process"}),
    "messaging.destination.name": re.compile(_TOPIC),
    "messaging.destination.subscription.name": re.compile(_SUBSCRIPTION),
    "messaging.gcp_pubsub.message.delivery_attempt": int,
    "http.request.method": frozenset({"POST"}),
    "http.route": frozenset({_HOOK.partition(" ")[2]}),
    "error.type": frozenset(code.slug for code in Code),
}

_tracer: trace.Tracer | None = None
_provider: "TracerProvider | None" = None


def _nobody(_: Code | None) -> None:
    """Nobody listens."""


_OFF: AbstractContextManager[Ended] = nullcontext(_nobody)


def start_spans(settings: Settings, exporter: "SpanExporter | None" = None) -> None:
    """Record spans and send them where the settings say, batched, off the hot path. `exporter` is for tests."""
    global _tracer, _provider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    from shared.telemetry.sampling import Threads

    # Our own resource and sampler: the SDK's defaults read the environment, and would tell the command line.
    _provider = TracerProvider(
        sampler=Threads(settings.trace_ratio),
        resource=Resource({"service.name": f"starvit-{settings.zone}"}),
        shutdown_on_exit=False,
    )
    if exporter is not None:
        _provider.add_span_processor(SimpleSpanProcessor(only_listed(exporter)))
    else:
        _provider.add_span_processor(BatchSpanProcessor(only_listed(_exporter(settings))))
    _tracer = _provider.get_tracer(_SCOPE)


def stop_spans(within: float) -> None:
    """Send what waits, for `within` seconds at most: an exporter that hangs does not hold up the end."""
    global _tracer, _provider
    provider, _tracer, _provider = _provider, None, None
    if provider is not None:
        flush = Thread(target=provider.shutdown, daemon=True)
        flush.start()
        flush.join(within)


def recording() -> bool:
    """Whether spans are recorded."""
    return _tracer is not None


def message_span(
    topic: str, subscription: str, traceparent: str, head: Head, attempt: int | None
) -> AbstractContextManager[Ended]:
    """The span of one message in work. Call what it gives with the code under which the message ended."""
    if _tracer is None:
        return _OFF
    attributes = _messaging("process", topic) | {"messaging.destination.subscription.name": subscription}
    if attempt is not None:
        attributes["messaging.gcp_pubsub.message.delivery_attempt"] = attempt
    links = (Link(_context(traceparent)),)
    return _recorded(_tracer, f"process {topic}", SpanKind.CONSUMER, attributes, parent=_hop(head), links=links)


def webhook_span(head: Head) -> AbstractContextManager[Ended]:
    """The span of one webhook whose signature is good."""
    if _tracer is None:
        return _OFF
    attributes = {"http.request.method": "POST", "http.route": _HOOK.partition(" ")[2]}
    return _recorded(_tracer, _HOOK, SpanKind.SERVER, attributes, parent=_hop(head))


def send_span(topic: str, traceparent: str, *, door: bool = False) -> "AbstractContextManager[str]":
    """The span of one publish; gives the traceparent that the event is to carry.

    Where nothing is recorded that is `traceparent`, which the caller made. At the door it always is: a new trace's, which
    this span links to and which does not know of it.
    """
    return nullcontext(traceparent) if _tracer is None else _sending(_tracer, topic, traceparent, door)


def client_span(name: Call) -> AbstractContextManager[Ended]:
    """The span of one call to a dependency; waiting for others to share the call is a part of it."""
    return _OFF if _tracer is None else _recorded(_tracer, name, SpanKind.CLIENT, {})


def onward(traceparent: str) -> str:
    """The traceparent of what is caused by the event in hand: our span's if one is recorded, else the event's trace."""
    return _text(_here()) if _tracer is not None and _here().is_valid else child(traceparent)


def trace_in_hand(traceparent: str) -> str:
    """The trace id under which the work in hand is to be found: our span's if there is one, else the event's."""
    return f"{_here().trace_id:032x}" if _tracer is not None and _here().is_valid else trace_id(traceparent)


def only_listed(exporter: "SpanExporter") -> "SpanExporter":
    """An exporter that lets through spans of ours in their closed form, and drops and counts the rest."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class OnlyListed(SpanExporter):
        def export(self, spans: "Sequence[ReadableSpan]") -> SpanExportResult:
            kept = [span for span in spans if listed(span)]
            if len(kept) < len(spans):
                DROPPED.add(len(spans) - len(kept), "span")
            return exporter.export(kept) if kept else SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return exporter.force_flush(timeout_millis)

    return OnlyListed()


def listed(span: "ReadableSpan") -> bool:
    """Whether a span is in the form that may leave."""
    scope = span.instrumentation_scope
    return (
        scope is not None
        and scope.name == _SCOPE
        and _NAME.fullmatch(span.name) is not None
        and all(_fits(name, value) for name, value in (span.attributes or {}).items())
        and not span.events
        and span.status.description is None
        and not any(link.attributes or link.context.trace_state for link in span.links)
    )


def _fits(name: str, value: object) -> bool:
    form = ATTRIBUTES.get(name)
    if not isinstance(value, str):
        return form is int and type(value) is int
    if isinstance(form, frozenset):
        return value in form
    return isinstance(form, re.Pattern) and form.fullmatch(value) is not None


def _exporter(settings: Settings) -> "SpanExporter":
    if settings.trace_exporter == "gcp":
        from opentelemetry.exporter.cloud_trace import CloudTraceSpanExporter

        exporter: SpanExporter = CloudTraceSpanExporter(project_id=settings.gcp_project)
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=settings.trace_endpoint, headers={}, timeout=5)
    return exporter


@contextmanager
def _recorded(
    tracer: trace.Tracer,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any],
    parent: SpanContext | None = None,
    links: Sequence[Link] = (),
) -> Iterator[Ended]:
    """A child of the span in hand; a root, or a child of the hop, where a request comes in."""
    context = None
    if kind in (SpanKind.CONSUMER, SpanKind.SERVER):
        context = trace.set_span_in_context(NonRecordingSpan(parent or trace.INVALID_SPAN_CONTEXT))
    with tracer.start_as_current_span(
        name, context, kind, attributes, links, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield lambda code: _ended(span, code)
        except Problem as problem:
            _ended(span, problem.code)
            raise
        except Exception:
            _ended(span, Code.UNEXPECTED)
            raise


@contextmanager
def _sending(tracer: trace.Tracer, topic: str, traceparent: str, door: bool) -> Iterator[str]:
    links: tuple[Link, ...] = ()
    if door:
        flags = "01" if _here().trace_flags.sampled else "00"
        traceparent = f"{traceparent[:-2]}{flags}"
        links = (Link(_context(traceparent)),)
    with _recorded(tracer, f"send {topic}", SpanKind.PRODUCER, _messaging("send", topic), links=links):
        yield traceparent if door else _text(_here())


def _ended(span: Span, code: Code | None) -> None:
    if code is not None:
        span.set_attribute("error.type", code.slug)
        span.set_status(Status(StatusCode.ERROR))


def _messaging(operation: str, topic: str) -> dict[str, Any]:
    """OpenTelemetry's messaging conventions, as far as they hold no id: gcp_pubsub is in development there."""
    return {
        "messaging.system": "gcp_pubsub",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }


def _here() -> SpanContext:
    return trace.get_current_span().get_span_context()


def _hop(head: Head) -> SpanContext | None:
    """The trace context of the request itself: Google's front end writes it. The event's own is in ce-traceparent."""
    given = head.one(b"traceparent")
    return _context(given) if given is not None and is_traceparent(given) else None


def _context(traceparent: str) -> SpanContext:
    flags = TraceFlags(int(traceparent[53:], 16) & TraceFlags.SAMPLED)
    return SpanContext(int(traceparent[3:35], 16), int(traceparent[36:52], 16), is_remote=True, trace_flags=flags)


def _text(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & TraceFlags.SAMPLED:02x}"
