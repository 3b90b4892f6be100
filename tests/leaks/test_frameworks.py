"""FastAPI tells of requests by itself, with paths and exceptions' texts, where somebody has set a provider. Here it does not."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.leaks.rig import rig


async def test_fastapi_records_nothing_though_a_provider_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    async with rig(ledger="memory") as here:
        await here.patient("p1", "v1")
        await here.send("GET", "/Patient/Canaryfamily", (), b"")
    assert exporter.get_finished_spans() == ()
