"""Spans to Cloud Trace, where the settings ask for them: the SDK and its exporter are loaded only then.

One span for each message, named after its handler; attributes are the log's own listed fields. The parent is the message's
trace context, so that a thread can be followed from the webhook to the door, where it ends (design §1).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from shared.settings import Settings


def start_spans(settings: Settings) -> None:
    """Send spans to Cloud Trace, batched, off the hot path."""
    from opentelemetry.exporter.cloud_trace import CloudTraceSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource({"service.name": f"starvit-{settings.zone}"}))
    exporter = CloudTraceSpanExporter(project_id=settings.gcp_project)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@contextmanager
def message_span(handler: str, subscription: str, traceparent: str) -> Iterator[None]:
    """A span for one message (OpenTelemetry messaging conventions); costs next to nothing where nobody listens."""
    context = SpanContext(
        int(traceparent[3:35], 16), int(traceparent[36:52], 16), is_remote=True, trace_flags=TraceFlags(1)
    )
    parent = set_span_in_context(NonRecordingSpan(context))
    attributes = {
        "messaging.system": "gcp_pubsub",
        "messaging.operation.type": "process",
        "messaging.destination.subscription.name": subscription,
    }
    # An exception's text may hold PHI: neither the event nor the status text is recorded.
    with trace.get_tracer("starvit").start_as_current_span(
        f"process {handler}",
        parent,
        SpanKind.CONSUMER,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ):
        yield
