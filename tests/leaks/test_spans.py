"""A span says which step worked on which subscription, and nothing of what it worked on; the exporter checks it again."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode, TraceFlags, get_tracer

from shared.errors import Code, Problem
from shared.head import Head
from shared.telemetry import spans as recording
from shared.telemetry.spans import (
    client_span,
    message_span,
    only_listed,
    send_span,
    start_spans,
    stop_spans,
    webhook_span,
)
from tests.tenant import settings

TRACE = f"00-{'1' * 32}-{'2' * 16}-01"
HOP = Head([(b"traceparent", TRACE.encode())])
CANARY = "Canaryfamily"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    start_spans(settings(trace_exporter="gcp", trace_ratio=1), exporter)
    yield exporter
    stop_spans(1)


def test_every_kind_of_span_has_a_form_that_may_leave(spans: InMemorySpanExporter) -> None:
    with webhook_span(HOP), send_span("fhir.changed", TRACE):
        pass
    with message_span("fhir.validated", "fhir.validated--deid", TRACE, Head(()), 3) as ended:
        for name in ("medplum read", "dlp deidentify", "bigquery append", "ledger claim"):
            with client_span(name):
                pass
        with send_span("fhir.deidentified", TRACE, door=True):
            pass
        ended(Code.DLP_DOWN)
    names = [span.name for span in spans.get_finished_spans()]
    assert names == [
        *("send fhir.changed", "POST /v1/webhooks/medplum/{subscription}"),
        *("medplum read", "dlp deidentify", "bigquery append", "ledger claim"),
        *("send fhir.deidentified", "process fhir.validated"),
    ]
    process = spans.get_finished_spans()[-1]
    assert dict(process.attributes or {}) == {
        "messaging.system": "gcp_pubsub",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "fhir.validated",
        "messaging.destination.subscription.name": "fhir.validated--deid",
        "messaging.gcp_pubsub.message.delivery_attempt": 3,
        "error.type": "dlp-down",
    }


@pytest.mark.parametrize(
    ("error", "type"),
    [(ValueError(CANARY), "unexpected"), (Problem(Code.BUSY, CANARY), "busy")],
    ids=["foreign", "ours"],
)
def test_a_failure_leaves_a_code_and_no_text_in_its_span(
    spans: InMemorySpanExporter, error: Exception, type: str
) -> None:
    with (
        pytest.raises(Exception, match="Canary"),
        message_span("fhir.validated", "fhir.validated--deid", TRACE, Head(()), 1),
    ):
        raise error
    [span] = spans.get_finished_spans()
    assert "Canary" not in str(span.to_json())
    assert (span.attributes or {})["error.type"] == type
    assert not span.events
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)


def _linked(provider: TracerProvider) -> None:
    context = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    with provider.get_tracer("starvit").start_as_current_span("ledger claim", links=[Link(context, {"id": CANARY})]):
        pass


def _span(name: str = "ledger claim", scope: str = "starvit") -> Callable[[Callable[[Span], object]], object]:
    def made(change: Callable[[Span], object]) -> Callable[[TracerProvider], None]:
        def make(provider: TracerProvider) -> None:
            with provider.get_tracer(scope).start_as_current_span(name) as span:
                change(span)

        return make

    return made


FOREIGN = {
    "a name with an id in it": _span(f"process Patient/{CANARY}")(lambda _: None),
    "an attribute that is not listed": _span()(lambda span: span.set_attribute("patient", CANARY)),
    "a listed attribute of another form": _span()(lambda span: span.set_attribute("error.type", CANARY)),
    "a listed attribute that is a list": _span()(lambda span: span.set_attribute("error.type", [CANARY])),
    "an event": _span()(lambda span: span.add_event("m", {"x": CANARY})),
    "an exception": _span()(lambda span: span.record_exception(ValueError(CANARY))),
    "a status text": _span()(lambda span: span.set_status(Status(StatusCode.ERROR, CANARY))),
    "another library's span": _span("BigQuery.query", "google.cloud.bigquery")(lambda _: None),
    "a link with an attribute": _linked,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_not_in_the_form_of_a_span_of_ours_is_not_exported(what: str) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(only_listed(exporter)))
    FOREIGN[what](provider)  # type: ignore[operator]
    assert exporter.get_finished_spans() == ()


def test_other_libraries_find_no_one_to_record_for(spans: InMemorySpanExporter) -> None:
    """google-cloud-bigquery records its paths and exceptions on whatever provider is the global one."""
    with get_tracer("google.cloud.bigquery").start_as_current_span(f"/jobs/{CANARY}") as span:
        assert not span.is_recording()
    assert spans.get_finished_spans() == ()


def test_the_resource_tells_neither_the_command_line_nor_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"patient={CANARY}")
    exporter = InMemorySpanExporter()
    start_spans(settings(trace_exporter="gcp", trace_ratio=1), exporter)
    try:
        with client_span("ledger claim"):
            pass
        [span] = exporter.get_finished_spans()
        assert dict(span.resource.attributes) == {"service.name": "starvit-all"}
    finally:
        stop_spans(1)


def test_nothing_is_loaded_or_recorded_where_the_settings_ask_for_none() -> None:
    assert recording._tracer is None
    with message_span("fhir.validated", "fhir.validated--deid", TRACE, HOP, 1) as ended, webhook_span(HOP):
        ended(Code.BUSY)
    with send_span("fhir.validated", TRACE) as traceparent:
        assert traceparent == TRACE


def test_an_exporter_that_hangs_does_not_hold_up_the_end() -> None:
    from threading import Event

    let_go = Event()

    class Hangs(InMemorySpanExporter):
        def shutdown(self) -> None:
            let_go.wait()

    start_spans(settings(trace_exporter="gcp"), Hangs())
    stop_spans(0.01)
    assert recording._tracer is None
    let_go.set()
