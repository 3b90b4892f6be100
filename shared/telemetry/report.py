"""What the service says of its work: one line for each message, one for each failure that nobody foresaw."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

from shared.deadletters.port import Entry, Plan, Stage, State
from shared.errors import Code, End
from shared.events.envelope import Event
from shared.settings import Settings
from shared.subscriber import Subscription
from shared.telemetry.logs import THREAD, Severity, log, start_logging, where
from shared.telemetry.metrics import EVENT_AGE, MESSAGE_SECONDS, MESSAGES, WEBHOOKS
from shared.telemetry.spans import start_spans, trace_in_hand

_HEADERS = ((b"x-request-id", "request_id"), (b"x-correlation-id", "correlation_id"), (b"x-trace-id", "trace"))


def start_telemetry(settings: Settings) -> None:
    """Logs and, where the settings say so, traces."""
    start_logging(settings.log_level, settings.gcp_project)
    if settings.trace_exporter != "none":
        start_spans(settings)


def started(settings: Settings) -> None:
    """The process is ready."""
    log("started", zone=str(settings.zone), count=len(settings.tenants))


def refused_to_start(settings_at_fault: Iterable[str]) -> None:
    """Why it did not start: names of settings, never values."""
    for setting in settings_at_fault:
        log("will not start", "CRITICAL", setting=setting)


def could_not_start(error: Exception) -> None:
    """Something that the process needs from its first moment is not there."""
    log("could not start", "CRITICAL", exception=type(error).__name__, where=where(error))


def bind_request() -> None:
    """A request begins: its id is in every line and every answer from here on."""
    THREAD.set({"request_id": random.randbytes(16).hex()})  # noqa: S311 - a name, no secret: no call of the system


def current_request_id() -> str:
    """The id of the request in hand; empty outside of one."""
    return THREAD.get().get("request_id", "")


def follow(event: Event[Any]) -> None:
    """From here on every line, and the answer, carry the event's thread."""
    thread, trace = THREAD.get(), trace_in_hand(event.traceparent)
    if thread.get("trace") != trace or thread.get("event_id") != event.id:
        THREAD.set({**thread, "event_id": event.id, "correlation_id": event.correlation, "trace": trace})


def thread_headers() -> list[tuple[bytes, bytes]]:
    """The thread, for an answer: which request this was, and what it belongs to."""
    thread = THREAD.get()
    return [(header, thread[field].encode()) for header, field in _HEADERS if field in thread]


def finished(
    on: Subscription,
    *,
    status: int,
    code: Code | None,
    duplicate: bool,
    seconds: float,
    age: float | None,
    shape: str | None,
    attempt: int | None,
) -> None:
    """How a message ended. `age`: of its event, in seconds, if it was one."""
    outcome = "duplicate" if duplicate else code.end.name.lower() if code else "done"
    severity: Severity = "WARNING" if code and code.end in (End.SET_ASIDE, End.REFUSED) else "INFO"
    MESSAGES.add(1, on.handler, outcome, code.slug if code else "none")
    MESSAGE_SECONDS.observe(seconds, on.handler)
    if age is not None and outcome == "done":
        EVENT_AGE.observe(age, on.handler)
    log(
        "message",
        severity,
        handler=on.handler,
        subscription=on.name,
        outcome=outcome,
        status=status,
        code=code.slug if code else None,
        duration_ms=round(seconds * 10_000) / 10,
        shape=shape,
        delivery_attempt=attempt,
    )


def received(code: Code | None = None) -> None:
    """How a webhook ended: published, or refused under a code."""
    outcome = code.end.name.lower() if code else "done"
    status = code.status if code else 204
    WEBHOOKS.add(1, outcome, code.slug if code else "none")
    log("webhook", "WARNING" if code else "INFO", outcome=outcome, status=status, code=code.slug if code else None)


def failed(on: Subscription, error: Exception) -> None:
    """A handler failed in a way that nobody foresaw: the class and the place, never the text."""
    log("handler failed", "ERROR", handler=on.handler, exception=type(error).__name__, where=where(error))


def stopped(on: Subscription, code: Code) -> None:
    """A handler has stopped: nearly all that comes would be set aside under `code`. Wakes an operator."""
    log("handler stopped", "CRITICAL", handler=on.handler, code=code.slug)


def view_failed(view: str, resource_type: str, code: Code | None, error: Exception | None = None) -> None:
    """A view could not be evaluated on a resource, whose row is stored all the same. Which resource is not said."""
    log(
        "view failed",
        "ERROR",
        view=view,
        resource_type=resource_type,
        code=code.slug if code else None,
        exception=type(error).__name__ if error else None,
        where=where(error) if error else None,
    )


def reconciled(found: Mapping[str, object]) -> None:
    """What a sweep found, if anything; and louder if somebody has to look before it goes on."""
    told = {name: found[name] for name in ("missing", "stale", "extra", "versions", "hidden", "published")}
    if any(told.values()) or found["failed"]:
        severity: Severity = "CRITICAL" if found["stopped"] else "WARNING" if found["failed"] else "INFO"
        code = found["failed"] or None
        log(
            "reconciled",
            severity,
            handler="reconcile",
            tenant=found["project"],
            resource_type=found["type"],
            code=code,
            **told,
        )


def indexed(entry: Entry) -> None:
    """Something was set aside or dead-lettered. Louder if it came back after a replay."""
    log(
        "dead letter",
        "ERROR" if entry.state is State.LOOPING else "WARNING",
        handler=entry.handler,
        topic=entry.topic,
        code=entry.code,
        rule=entry.rule or None,
        outcome=entry.state.value,
        event_id=entry.event,
        tenant=entry.project,
        resource_type=entry.resource_type,
        count=entry.replays,
    )


def moved(plan: Plan) -> None:
    """A plan was begun or has ended, as far as it got."""
    log(
        "dead letters moved",
        "WARNING" if plan.stage is Stage.STOPPED else "INFO",
        outcome=plan.stage.value,
        plan=plan.id,
        count=plan.done,
    )


def crashed(error: Exception) -> None:
    """An endpoint failed in a way that nobody foresaw."""
    log("endpoint failed", "ERROR", exception=type(error).__name__, where=where(error))
