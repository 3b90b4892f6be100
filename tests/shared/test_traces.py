"""From webhook to warehouse: what a trace shows, where it ends, and what a replay looks like. Real handlers, real codes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from shared.telemetry.spans import start_spans, stop_spans
from tests.leaks.rig import Rig, rig
from tests.tenant import settings

HOP = f"00-{'5' * 32}-{'6' * 16}-00"


@asynccontextmanager
async def traced(ratio: float = 1) -> AsyncIterator[tuple[Rig, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    start_spans(settings(trace_exporter="gcp", trace_ratio=ratio), exporter)
    try:
        async with rig() as here:
            yield here, exporter
    finally:
        stop_spans(1)


async def test_each_step_is_a_trace_of_its_own_and_links_to_the_publish_that_caused_it() -> None:
    async with traced() as (here, exporter):
        await here.patient("p1", "v1")
        await here.flow()
        by_name = _by_name(exporter)
        for topic in ("fhir.changed", "fhir.validated", "fhir.deidentified", "fhir.accessed"):
            sent = {span.context.span_id for span in by_name[f"send {topic}"]}
            for step in by_name[f"process {topic}"]:
                assert step.parent is None
                assert step.kind is SpanKind.CONSUMER
                [link] = step.links
                if topic != "fhir.deidentified":
                    assert link.context.span_id in sent


async def test_the_calls_of_a_step_are_its_children() -> None:
    async with traced() as (here, exporter):
        await here.patient("p1", "v1")
        await here.flow()
        by_name = _by_name(exporter)
        [deid] = by_name["process fhir.validated"]
        children = {span.name for spans in by_name.values() for span in spans if _parent(span) == deid.context.span_id}
        assert {
            "ledger claim",
            "medplum read",
            "send fhir.accessed",
            "send fhir.deidentified",
            "ledger finish",
        } <= children
        [analytics] = by_name["process fhir.deidentified"]
        children = {
            span.name for spans in by_name.values() for span in spans if _parent(span) == analytics.context.span_id
        }
        sent = {"send analytics.committed", "send fhir.deidentified.clinic"}
        assert children == {"ledger claim", "bigquery append", "ledger finish"} | sent


async def test_a_trace_ends_at_the_door_and_only_the_clinical_side_knows_how_it_goes_on() -> None:
    async with traced() as (here, exporter):
        await here.patient("p1", "v1")
        await here.flow()
        by_name = _by_name(exporter)
        [door] = by_name["send fhir.deidentified"]
        clinical = {
            span.context.trace_id
            for name, spans in by_name.items()
            for span in spans
            if name not in ("process fhir.deidentified", "send analytics.committed", "bigquery append")
            and not _within(span, by_name["process fhir.deidentified"])
        }
        [analytics] = by_name["process fhir.deidentified"]
        beyond = [
            span for spans in by_name.values() for span in spans if span.context.trace_id == analytics.context.trace_id
        ]
        told = {span.context.trace_id for span in beyond} | {
            link.context.trace_id for span in beyond for link in span.links
        }
        assert not told & clinical, "nothing beyond the door carries the clinical trace"
        assert door.links[0].context.trace_id == analytics.links[0].context.trace_id, "the clinical side links across"
        [message] = [message for topic, message in here.published if topic == "fhir.deidentified"]
        assert not any(f"{trace:032x}" in str(message.attributes) + message.data.decode() for trace in clinical)


async def test_a_hop_is_the_parent_and_the_message_is_the_link() -> None:
    async with traced() as (here, exporter):
        await here.patient("p1", "v1", traceparent=HOP)
        [hook] = _by_name(exporter)["POST /v1/webhooks/medplum/{subscription}"]
        assert (f"{hook.context.trace_id:032x}", f"{_parent(hook):016x}") == ("5" * 32, "6" * 16)
        await here.flow(traceparent=f"00-{'7' * 32}-{'8' * 16}-00")
        [step] = _by_name(exporter)["process fhir.changed"]
        assert (f"{step.context.trace_id:032x}", f"{_parent(step):016x}") == ("7" * 32, "8" * 16)
        [sent] = _by_name(exporter)["send fhir.changed"]
        assert step.links[0].context.span_id == sent.context.span_id


async def test_a_replayed_event_is_a_new_root_with_a_link_to_the_same_publish() -> None:
    async with traced() as (here, exporter):
        await here.patient("p1", "v1")
        [(topic, message)] = [one for one in here.published if one[0] == "fhir.changed"]
        await here.deliver(topic, message)
        await here.deliver(topic, message)
        first, again = _by_name(exporter)["process fhir.changed"]
        assert first.context.trace_id != again.context.trace_id
        assert first.parent is again.parent is None
        assert first.links[0].context == again.links[0].context


async def test_a_thread_that_is_not_sampled_at_the_webhook_is_recorded_nowhere() -> None:
    async with traced(0) as (here, exporter):
        await here.patient("p1", "v1", traceparent=f"00-{'5' * 32}-{'6' * 16}-01")
        await here.flow()
        assert {message.attributes["ce-traceparent"][-2:] for _, message in here.published} == {"00"}
        assert exporter.get_finished_spans() == ()


async def test_the_log_and_the_ledger_name_the_trace_that_was_recorded() -> None:
    async with traced() as (here, exporter):
        await here.patient("p1", "v1")
        await here.flow()
        [step] = _by_name(exporter)["process fhir.changed"]
        [message] = [message for topic, message in here.published if topic == "fhir.changed"]
        record = await here.ledger.get(f"validation:{message.attributes['ce-id']}")
        assert record is not None
        assert record.attempts[-1].trace == f"{step.context.trace_id:032x}"
        assert f"traces/{step.context.trace_id:032x}" in here.stdout.getvalue().decode()


def _by_name(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def _within(span: ReadableSpan, roots: list[ReadableSpan]) -> bool:
    return span.context.trace_id in {root.context.trace_id for root in roots}
