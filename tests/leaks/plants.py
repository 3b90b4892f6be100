"""Leaks made on purpose: each changes one place of the product as somebody in a hurry might. The canary must find them.

A plant is a context in which the application is started; what it plants is a value where none may be.
"""

import logging
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import replace
from functools import wraps
from typing import Any
from unittest.mock import patch

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from opentelemetry.trace import TracerProvider, get_current_span
from starlette.exceptions import HTTPException

from handlers import http
from shared import pipeline
from shared.deid.door import Door
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.text.dlp import Dlp
from shared.deid.text.local import Local
from shared.errors import Code, Problem
from shared.events import decode
from shared.events.envelope import Event, Message
from shared.fhir import answers
from shared.fhir.account import Account
from shared.identity.event_ids import EventIds
from shared.pipeline import Pipeline
from shared.telemetry import metrics, spans
from shared.telemetry.logs import _Stripped, log
from shared.telemetry.trace import Trace, fresh

type Plant = Callable[[], AbstractContextManager[object]]

PLANTS: dict[str, Plant] = {}


def plant(name: str) -> Callable[[Callable[[], Iterator[None]]], None]:
    """List a plant under its name."""

    def listed(make: Callable[[], Iterator[None]]) -> None:
        PLANTS[name] = contextmanager(make)

    return listed


def after(owner: Any, method: str, more: Callable[..., Any]) -> Any:
    """`more` is called with the method's arguments before the method is."""
    original = getattr(owner, method)

    @wraps(original)
    def changed(*args: Any, **options: Any) -> Any:
        more(*args, **options)
        return original(*args, **options)

    return patch.object(owner, method, changed)


def instead(owner: Any, method: str, make: Callable[[Any], Any]) -> Any:
    """The method, replaced by what is made of it."""
    return patch.object(owner, method, make(getattr(owner, method)))


def _phrase(value: object) -> str:
    """As the log's freest field takes it."""
    return "".join(letter for letter in str(value) if letter.isalnum() or letter in " ./-")[:190]


@plant("the log has an exception's text")
def _() -> Iterator[None]:
    with after(pipeline, "failed", lambda on, error: log("handler failed", setting=_phrase(error))):
        yield


@plant("the log has a resource id")
def _() -> Iterator[None]:
    with after(Pipeline, "_once", lambda _, route, event, __: log("message", setting=getattr(event.data, "id", ""))):
        yield


@plant("the log has a reference among its fields' forms")
def _() -> Iterator[None]:
    with after(
        Pipeline, "_once", lambda _, route, event, __: log("message", exception=event.data.id.replace("-", "_"))
    ):
        yield


@plant("libraries' lines keep their text")
def _() -> Iterator[None]:
    def emit(_: Any, record: logging.LogRecord) -> None:
        print(record.getMessage())

    def warned(*_: Any, **options: Any) -> None:
        logging.getLogger("httpx").warning("asked %s", options.get("params") or _[2])

    with patch.object(_Stripped, "emit", emit), after(Account, "request", warned):
        yield


@plant("a span's name has a resource id")
def _() -> Iterator[None]:
    def named(_: Any, route: Any, event: Any, __: Any) -> None:
        get_current_span().update_name(f"process {event.data.id}")

    with patch.object(spans, "listed", lambda _: True), after(Pipeline, "_once", named):
        yield


@plant("a span has a resource id among its attributes")
def _() -> Iterator[None]:
    def set(_: Any, route: Any, event: Any, __: Any) -> None:
        get_current_span().set_attribute("fhir.id", event.data.id)

    with patch.object(spans, "listed", lambda _: True), after(Pipeline, "_once", set):
        yield


@plant("a span records an exception")
def _() -> Iterator[None]:
    def record(on: Any, error: Exception) -> None:
        get_current_span().record_exception(error)

    with patch.object(spans, "listed", lambda _: True), after(pipeline, "failed", record):
        yield


@plant("problem details have a detail")
def _() -> Iterator[None]:
    from handlers.webhook import Webhooks

    def reads(reference: Any) -> Any:
        def read(self: Any, subscription: Any, hook: Any, headers: Any, body: Any, correlation: Any) -> Any:
            try:
                return reference(self, subscription, hook, headers, body, correlation)
            except Problem as problem:
                raise problem from ValueError(repr(body.reveal()))

        return read

    def detailed(problem: Any) -> Any:
        def made(code: Code, **options: Any) -> Any:
            answer, error = problem(code, **options), sys.exc_info()[1]
            detail = str(error.__cause__) if error is not None and error.__cause__ is not None else ""
            return Response(answer.body[:-1] + b',"detail":"' + detail.encode() + b'"}', answer.status_code)

        return made

    with instead(Webhooks, "_reference", reads), instead(http, "problem", detailed):
        yield


@plant("x-trace-id is believed and echoed")
def _() -> Iterator[None]:
    def believe(x_trace_id: str | None, traceparent: str | None) -> Trace:
        return Trace(x_trace_id or fresh(), fresh())

    with patch("handlers.webhook.accept_trace", believe):
        yield


@plant("the 404 names the path")
def _() -> Iterator[None]:
    def install(app: Any) -> None:
        async def refused(request: Request, _: Exception) -> JSONResponse:
            return JSONResponse({"detail": f"no such path: {request.url.path}"}, 404)

        app.add_exception_handler(HTTPException, refused)

    with patch("handlers.app.install_errors", install):
        yield


@plant("FastAPI records spans of its own")
def _() -> Iterator[None]:
    telemetry = {"tracing": True, "tracer_provider": Later(), "metrics": False, "logs": False}
    with patch.object(spans, "listed", lambda _: True), patch("handlers.app.NO_TELEMETRY", telemetry):
        yield


@plant("an exception reaches the server")
def _() -> Iterator[None]:
    def trusting(headers: Any) -> None:
        for name, value in headers:
            if name == b"x-forwarded-for" and b"." not in value:
                raise ValueError(f"not an address: {value!r}")

    with (
        after(Pipeline, "run", lambda _, __, head, ___: trusting(head.pairs)),
        patch("handlers.endpoints.guarded", lambda endpoint: endpoint),
    ):
        yield


@plant("quarantine has the id among its attributes")
def _() -> Iterator[None]:
    def attributes(message: Any) -> Any:
        def made(self: Event[Any]) -> Message:
            plain: Message = message(self)
            subject = (getattr(self.data, "event", None) or {}).get("id", "")
            return replace(plain, attributes={**plain.attributes, "ce-subject": str(subject)})

        return made

    with instead(Event, "message", attributes):
        yield


@plant("events have the reference as ce-subject")
def _() -> Iterator[None]:
    def attributes(message: Any) -> Any:
        def made(self: Event[Any]) -> Message:
            plain: Message = message(self)
            return replace(plain, attributes={**plain.attributes, "ce-subject": str(getattr(self.data, "id", ""))})

        return made

    with instead(Event, "message", attributes):
        yield


@plant("the ordering key is the reference")
def _() -> Iterator[None]:
    with patch.object(EventIds, "ordering", lambda _, type, id: f"{type}/{id}"):
        yield


@plant("an ordering key is passed on as it came")
def _() -> Iterator[None]:
    def whole(made: Any) -> Any:
        def decoded(push: Any) -> Any:
            return replace(made(push), ordering_key=push.ordering_key)

        return decoded

    with instead(pipeline, "decode", whole):
        yield


@plant("quarantine's place holds the value")
def _() -> Iterator[None]:
    def matching(value: str | None, form: Any, place: str) -> str:
        if value is None or not form.fullmatch(value):
            raise Problem(Code.MALFORMED_EVENT, f"{place}={value}")
        return value

    with patch.object(decode, "_matching", matching):
        yield


@plant("quarantine's place holds an unknown field's name")
def _() -> Iterator[None]:
    def data(model: Any, body: bytes) -> Any:
        try:
            return model.model_validate_json(body)
        except ValueError as error:
            raise Problem(Code.MALFORMED_DATA, str(error.errors()[0]["loc"])) from None  # type: ignore[attr-defined]

    with patch.object(decode, "_data", data):
        yield


@plant("quarantine keeps what did not parse")
def _() -> Iterator[None]:
    def parse(original: Any) -> Any:
        def parsed(headers: Any, body: bytes) -> Any:
            try:
                return original(headers, body)
            except Problem as problem:
                raise Problem(problem.code, repr(body)) from None

        return parsed

    with instead(pipeline, "parse", parse):
        yield


@plant("the ledger's code holds a value")
def _() -> Iterator[None]:
    async def finish(self: Any, event: Any, lease: Any, state: Any, code: Any = None) -> None:
        await self._ledger.finish(lease, state, code=str(getattr(event.data, "id", "")), now=self._now())

    with patch.object(Pipeline, "_finish", finish):
        yield


@plant("the ledger's fingerprint is no hash")
def _() -> Iterator[None]:
    with patch.object(pipeline, "_fingerprint", lambda event: repr(event.data.identity())):
        yield


@plant("a metric's label is a resource id")
def _() -> Iterator[None]:
    def count(_: Any, route: Any, event: Any, __: Any) -> None:
        metrics.QUARANTINED.add(1, route.on.handler, str(getattr(event.data, "id", "")))

    with (
        patch.object(metrics.Metric, "key", lambda self, *values: (self.name, *values)),
        after(Pipeline, "_once", count),
    ):
        yield


@plant("a snapshot of the metrics names the last event's resource")
def _() -> Iterator[None]:
    from shared.telemetry import snapshots

    last: list[str] = []

    def encode(original: Any) -> Any:
        return lambda snapshot: original(replace(snapshot, zone=last[-1] if last else ""))

    with (
        after(
            Pipeline,
            "_once",
            lambda _, route, event, __: last.extend([event.data.id] if hasattr(event.data, "id") else []),
        ),
        instead(snapshots, "encode", encode),
    ):
        yield


@plant("a body is kept in a temporary file")
def _() -> Iterator[None]:
    def keep(body: bytes) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(body)

    with after(answers, "parse_object", keep):
        yield


@plant("a value is printed to stderr")
def _() -> Iterator[None]:
    with after(answers, "parse_object", lambda body: print(body, file=sys.stderr)):
        yield


@plant("a traceback is printed")
def _() -> Iterator[None]:
    with after(pipeline, "failed", lambda on, error: traceback.print_exception(error)):
        yield


@plant("a warning has the value, and is written as Python writes it")
def _() -> Iterator[None]:
    def warn(body: bytes) -> None:
        sys.stderr.write(warnings.formatwarning(f"large: {body!r}", UserWarning, "answers.py", 1))

    with after(answers, "parse_object", warn):
        yield


@plant("another handler of the root logger writes texts")
def _() -> Iterator[None]:
    from shared.telemetry import report

    class Late(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            sys.stderr.write(f"{record.getMessage()}\n")

    def more(*_: Any) -> None:
        logging.getLogger("shared").addHandler(Late())

    def told(on: Any, error: Exception) -> None:
        logging.getLogger("shared").error("handler failed: %s", error)

    with after(report, "start_logging", more), after(pipeline, "failed", told):
        yield


@plant("the pseudonym of a resource is its id")
def _() -> Iterator[None]:
    with patch.object(Pseudonyms, "resource", lambda _, type, id: f"{type}/{id}"):
        yield


@plant("a name goes through the door")
def _() -> Iterator[None]:
    with instead(Door, "deidentify", _with_family):
        yield


@plant("a text that nobody masked is printed when DLP refuses it")
def _() -> Iterator[None]:
    def send(original: Any) -> Any:
        async def sent(self: Any, cells: Any) -> Any:
            try:
                return await original(self, cells)
            except Problem:
                print("DLP refused", cells)
                raise

        return sent

    with patch.object(Local, "scrub", lambda _, text, __: text), instead(Dlp, "_scrubbed", send):
        yield


@plant("a message that could not be published is printed")
def _() -> Iterator[None]:
    from shared.sinks.pubsub import PubSubPublisher

    def send(original: Any) -> Any:
        async def sent(self: Any, *given: Any) -> Any:
            ends = await original(self, *given)
            if ends[0] is not None:
                print("not confirmed", given[-1][0])
            return ends

        return sent

    with instead(PubSubPublisher, "_send", send):
        yield


@plant("Medplum's refusal is kept in the answer's header")
def _() -> Iterator[None]:
    last = {"text": ""}

    def headers(original: Any) -> Any:
        def made() -> list[tuple[bytes, bytes]]:
            return [*original(), (b"x-last-error", last["text"].encode())]

        return made

    def keep(original: Any) -> Any:
        async def exchange(self: Any, request: Any, limit: int) -> Any:
            answer = await original(self, request, limit)
            if answer.status >= 400:
                last["text"] = _phrase(answer.body.decode("utf-8", "replace")).encode("ascii", "ignore").decode()
            return answer

        return exchange

    with instead(http, "thread_headers", headers), instead(Account, "_exchange", keep):
        yield


class Later(TracerProvider):
    """The provider that will be there when a span is asked for."""

    def get_tracer(self, *_: Any, **__: Any) -> Any:
        assert spans._provider is not None
        return spans._provider.get_tracer("fastapi")


def _with_family(deidentify: Any) -> Any:
    """The door, with the identifiers of the resource in the safe one."""

    def safe(self: Any, resource: Any, *more: Any, **options: Any) -> Any:
        return {**deidentify(self, resource, *more, **options), "note": str(resource.get("identifier"))}

    return safe
