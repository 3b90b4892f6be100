"""Logs: JSON lines for Cloud Logging, from an allow-list of typed fields.

An allow-list, for a list of forbidden words always lacks one. A field that is not listed, or has another type, is dropped and
counted. Whatever a library logs through `logging` keeps its logger's name, its level and its exception's class, and
loses its text: texts quote values (URLs, rows, tokens), and nobody reviews them for us.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import orjson
import structlog

type Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_WORD = re.compile(r"[A-Za-z0-9_.:/@#-]{0,160}")
_PHRASE = re.compile(r"[A-Za-z0-9_.:/@#=,' -]{0,200}")
_PHRASES = frozenset({"setting"})  # made of our own words and the names of settings and tenants
_SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_HOUSE = Path(__file__).resolve().parents[2]

# field → type. Low cardinality or keyed hashes; nothing that a caller outside can fill with text of its own.
FIELDS: Mapping[str, type] = {
    "zone": str,
    "version": str,
    "handler": str,
    "topic": str,
    "subscription": str,
    "code": str,
    "outcome": str,
    "status": int,
    "duration_ms": float,
    "delivery_attempt": int,
    "shape": str,
    "event_id": str,
    "correlation_id": str,
    "request_id": str,
    "trace": str,
    "exception": str,
    "where": str,
    "logger": str,
    "count": int,
    "age_s": float,
    "setting": str,
    "tenant": str,  # the public name
    "resource_type": str,
    "view": str,  # of schemas/views
    "missing": int,
    "stale": int,
    "extra": int,
    "versions": int,
    "hidden": int,
    "published": int,
}


def log(message: str, severity: Severity = "INFO", **fields: object) -> None:
    """One line. `message` is a constant of the code; fields that are not listed are dropped and counted."""
    structlog.get_logger().msg(message, severity=severity, **fields)


def start_logging(level: Severity = "INFO", gcp_project: str = "") -> None:
    """Send everything that this process logs to stdout as JSON, the libraries' own lines stripped of their text."""
    structlog.configure(
        processors=[
            partial(_only_from, _SEVERITIES.index(level)),
            structlog.contextvars.merge_contextvars,
            _only_listed,
            partial(_render, gcp_project),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [_Stripped()]
    root.setLevel(logging.WARNING)  # below that a library's line is its text, which is dropped
    for name in ("uvicorn", "uvicorn.error", "gunicorn.error", "httpx", "httpcore"):
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
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= {"exception": type(record.exc_info[1]).__name__, "where": where(record.exc_info[1])}
        severity: Any = record.levelname if record.levelname in ("DEBUG", "WARNING", "ERROR", "CRITICAL") else "INFO"
        log("library", severity, **fields)


def _only_from(least: int, _: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what is less severe than the settings ask for."""
    if _SEVERITIES.index(event.get("severity", "INFO")) < least:
        raise structlog.DropEvent
    return event


def _only_listed(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line: dict[str, Any] = {"message": event.pop("event"), "severity": event.pop("severity", "INFO")}
    dropped = 0
    for name, value in event.items():
        kind = FIELDS.get(name)
        if value is None:
            continue
        if kind is float and type(value) is int:
            value = float(value)
        if kind is None or type(value) is not kind or (isinstance(value, str) and not listed(name).fullmatch(value)):
            dropped += 1
        else:
            line[name] = value
    if dropped:
        line["dropped_fields"] = dropped
    return line


def listed(name: str) -> re.Pattern[str]:
    """The form that a listed field's text must have."""
    return _PHRASE if name in _PHRASES else _WORD


def _render(gcp_project: str, _: object, __: str, line: MutableMapping[str, Any]) -> bytes:
    """Cloud Logging's special fields (structured logging): time, severity, message, trace."""
    if trace := line.pop("trace", None):
        line["logging.googleapis.com/trace"] = f"projects/{gcp_project}/traces/{trace}"
    line["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return orjson.dumps(dict(line))
