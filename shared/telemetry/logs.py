"""Logs: JSON lines for Cloud Logging, from an allow-list of messages and of fields, each with its form.

An allow-list, for a list of forbidden words always lacks one. A message that is not listed loses its text; a field that is
not listed, or has another type or form, is dropped; both are counted. Whatever a library logs through `logging` keeps its
logger's name, its level and its exception's class, and loses its text: texts quote values (URLs, rows, tokens), and
nobody reviews them for us.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
import structlog

from shared.deadletters.port import Stage, State
from shared.telemetry.metrics import DROPPED, METRICS, VALUES

type Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

type Line = Literal[
    "started", "will not start", "could not start", "message", "webhook", "handler failed", "handler stopped",
    "endpoint failed", "reconciled", "view failed", "dead letter", "dead letters moved", "keys not fetched", "metric",
    "uncaught", "printed", "library",
]  # fmt: skip
LINES: frozenset[str] = frozenset(get_args(Line.__value__))
_UNLISTED = "unlisted"

_SLUG = re.compile(r"[a-z0-9][a-z0-9\-]{0,40}")
_TOPIC = re.compile(r"[a-z]+[a-z.\-]{0,60}")
_HEX = re.compile(r"[0-9a-f]{16,64}|")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,80}")
_PLACE = re.compile(r"[A-Za-z0-9_./<>\- ]{1,120}:\d{1,6}|")
_MODULE = re.compile(r"[A-Za-z0-9_.]{1,100}")
_VERSION = re.compile(r"[0-9][0-9a-z.\-]{0,30}")
_PHRASE = re.compile(r"[A-Za-z0-9_.:/@#=,' -]{0,200}")  # our own words, and the names of settings and tenants
_SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_SERVERS = ("uvicorn", "uvicorn.error", "gunicorn.error", "py.warnings")
# The request and the event in hand, for every line and answer: one variable, since structlog's own are one for each name.
THREAD: ContextVar[Mapping[str, str]] = ContextVar("thread", default={})  # noqa: B039 - nobody writes into it
_tell: Callable[[Severity, dict[str, object]], None] | None = None
_HOUSE = Path(__file__).resolve().parents[2]

# field → a number's type, a text's form, or all the words that it may be. Low cardinality or keyed hashes; nothing that
# a caller outside can fill with text of its own.
FIELDS: Mapping[str, type[int] | type[float] | re.Pattern[str] | frozenset[str]] = {
    "zone": frozenset({"ingress", "clinical", "analytics", "ops", "all"}),
    "version": _VERSION,
    "handler": VALUES["handler"],
    "topic": _TOPIC,
    "subscription": _TOPIC,
    "code": VALUES["code"] | {"dead-letter"},
    "rule": VALUES["rule"],
    "outcome": VALUES["outcome"] | set(State) | set(Stage),
    "status": int,
    "duration_ms": float,
    "delivery_attempt": int,
    "shape": frozenset({"wrapped", "unwrapped", "eventarc", "structured"}),
    "event_id": _HEX,
    "correlation_id": _UUID,
    "request_id": _HEX,
    "trace": _HEX,
    "exception": _CLASS,
    "where": _PLACE,
    "logger": _MODULE,
    "count": int,
    "age_s": float,
    "setting": _PHRASE,
    "tenant": _SLUG,  # the public name
    "resource_type": _CLASS,
    "metric": frozenset({metric.name for metric in METRICS}),
    "value": float,
    "quantile": frozenset({"p50", "p95", "p99", "count"}),
    "dependency": VALUES["dependency"],
    "operation": VALUES["operation"],
    "client": VALUES["client"],
    "answer": VALUES["answer"],
    "what": VALUES["what"],
    "view": _CLASS,  # of schemas/views
    "missing": int,
    "stale": int,
    "extra": int,
    "versions": int,
    "hidden": int,
    "published": int,
    "plan": _HEX,
}


def log(message: Line, severity: Severity = "INFO", **fields: object) -> None:
    """One line. Fields that are not listed are dropped and counted."""
    global _tell
    if _tell is None:
        logger = structlog.get_logger().bind()
        _tell = logger.tell if isinstance(logger, _Lines) else _as_it_comes
    fields["event"] = message
    _tell(severity, fields)


def _as_it_comes(_: Severity, line: dict[str, object]) -> None:
    """Before `start_logging`."""
    structlog.get_logger().msg(**line)


def look_again() -> None:
    """The next line looks structlog's logger up: it was configured otherwise. To look for each line costs a fifth of it."""
    global _tell
    _tell = None


def start_logging(level: Severity = "INFO", gcp_project: str = "") -> None:
    """Send everything that this process logs to stdout as JSON, the libraries' own lines stripped of their text."""
    structlog.configure(
        processors=[partial(_written, _SEVERITIES.index(level), gcp_project)],
        wrapper_class=_Lines,
        logger_factory=structlog.BytesLoggerFactory(getattr(sys.stdout, "beneath", None) or sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    look_again()
    # gRPC's core writes to the process's stderr by itself, with addresses and what a peer said.
    os.environ["GRPC_VERBOSITY"] = "NONE"
    os.environ.pop("GRPC_TRACE", None)
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [_Stripped()]
    root.setLevel(logging.WARNING)  # below that a library's line is its text, which is dropped
    for name in (*_SERVERS, "httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.WARNING)
    for name in ("uvicorn.access", "gunicorn.access"):  # paths are others' text
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], False


def where(error: BaseException) -> str:
    """file:line of the innermost frame that is ours; of the innermost of all if none is."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_HOUSE / "shared") or _handlers(frame)]
    if not frames:
        return ""
    frame = (ours or frames)[-1]
    path = Path(frame.filename)
    return f"{path.relative_to(_HOUSE) if path.is_relative_to(_HOUSE) else path.name}:{frame.lineno}"


def _handlers(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).is_relative_to(_HOUSE / "handlers")


class _Stripped(logging.Handler):
    """A library's line: who, how bad, and which class of exception."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"logger": _known(record.name)}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= {"exception": type(record.exc_info[1]).__name__, "where": where(record.exc_info[1])}
        severity: Any = record.levelname if record.levelname in ("DEBUG", "WARNING", "ERROR", "CRITICAL") else "INFO"
        log("library", severity, **fields)


def _known(logger: str) -> str:
    """A logger's name, if it is a module's: one made of something else could be made of anything."""
    root = logger.partition(".")[0]
    if logger in sys.modules or logger in _SERVERS:
        return logger
    return root if root in sys.modules else "other"


class _Lines(structlog.make_filtering_bound_logger(logging.NOTSET)):  # type: ignore[misc]  # made at run time
    """structlog's own logger, with a short way for a whole line: its own goes through five calls, each with a copy of it."""

    def tell(self, severity: Severity, line: Any) -> None:
        try:
            for process in self._processors:
                line = process(self._logger, severity, line)
        except structlog.DropEvent:
            return
        self._logger.msg(line)


def _written(least: int, gcp_project: str, _: object, severity: str, event: MutableMapping[str, Any]) -> bytes:
    """A line as it is written, unless it is less severe than the settings ask for: with what is in hand, and only what is
    listed. One processor for all of it: four would each make a line of their own."""
    message, severity = event.pop("event"), severity.upper()  # structlog's own methods have small letters
    if severity in _SEVERITIES and _SEVERITIES.index(severity) < least:
        raise structlog.DropEvent
    if message not in LINES:
        message = _UNLISTED
        DROPPED.add(1, "message")
    line: dict[str, Any] = {"message": message, "severity": severity if severity in _SEVERITIES else "ERROR"}
    dropped = 0
    for name, value in {**THREAD.get(), **event}.items():  # what the line itself says goes first
        if value is None:
            continue
        kind, fits = _FORMS.get(name, _NO_FORM)
        if type(value) is kind and (fits is None or fits(value)):
            line[name] = value
        elif kind is float and type(value) is int:
            line[name] = float(value)
        else:
            dropped += 1
    if dropped:
        line["dropped_fields"] = dropped
        DROPPED.add(dropped, "field")
    return _rendered(line, gcp_project)


def _form(form: type | re.Pattern[str] | frozenset[str]) -> tuple[type, Callable[[Any], object] | None]:
    """An entry of FIELDS as the type that a value must have, and what is true of a value that fits, if not all do."""
    match form:
        case re.Pattern():
            return str, form.fullmatch
        case frozenset():
            return str, form.__contains__
    return form, None


_FORMS = {name: _form(form) for name, form in FIELDS.items()}
_NO_FORM = _form(frozenset())


def _rendered(line: dict[str, Any], gcp_project: str) -> bytes:
    """Cloud Logging's special fields (structured logging): time, severity, message, trace."""
    if trace := line.pop("trace", None):
        line["logging.googleapis.com/trace"] = f"projects/{gcp_project}/traces/{trace}"
    line["time"] = datetime.now(UTC)
    return orjson.dumps(line, option=orjson.OPT_UTC_Z)
