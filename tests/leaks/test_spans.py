"""A span says which handler worked on which subscription, and nothing of what it worked on."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.telemetry.spans import message_span

TRACE = f"00-{'1' * 32}-{'2' * 16}-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def test_a_span_belongs_to_the_messages_trace(spans: InMemorySpanExporter) -> None:
    with message_span("deid", "fhir.validated--deid", TRACE):
        pass
    [span] = spans.get_finished_spans()
    assert span.name == "process deid"
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == "1" * 32
    assert f"{span.parent.span_id:016x}" == "2" * 16
    assert dict(span.attributes or {}) == {
        "messaging.system": "gcp_pubsub",
        "messaging.operation.type": "process",
        "messaging.destination.subscription.name": "fhir.validated--deid",
    }


def test_a_failure_leaves_no_text_in_its_span(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="Canary"), message_span("deid", "fhir.validated--deid", TRACE):
        raise ValueError("Canaryfamily")
    [span] = spans.get_finished_spans()
    assert "Canary" not in str(span.to_json())
    assert not span.events
    assert span.status.description is None
