"""From a push to an event with typed data: CloudEvents 1.0 §2, and the data's own closed model.

The cloudevents package builds the event from attributes that were checked before, for what it lets through is much: it
makes up a missing id, takes any spec version's absence, and raises five kinds of foreign exceptions, some with values.
"""

import re
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.v1.event import CloudEvent
from pydantic import ValidationError

from shared.errors import Code, Problem
from shared.events.data import DATA, Data
from shared.events.envelope import SOURCE, Event
from shared.events.push import Push
from shared.strict_json import is_strict
from shared.telemetry.trace import fresh, is_correlation, is_traceparent

_BY_TEXT = frozenset(model for model in DATA.values() if model.identity is Data.identity)
_ID = re.compile(r"[0-9a-f]{16,64}")
_SOURCE = re.compile(re.escape(SOURCE) + r":[a-z]{1,32}")
_TYPE = re.compile(r"[a-z0-9.\-]{1,128}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_JSON = re.compile(r"application/json(\s*;\s*charset=\"?utf-8\"?)?", re.IGNORECASE)


def decode(push: Push) -> Event[Any]:
    """The event. Raises Problem: MALFORMED_EVENT, UNKNOWN_TYPE, MALFORMED_DATA, each with its place."""
    given = push.attributes
    if given.get("specversion") != "1.0":
        raise Problem(Code.MALFORMED_EVENT, "ce-specversion")
    if not _JSON.fullmatch(push.content_type):
        raise Problem(Code.MALFORMED_EVENT, "content-type")
    type = _matching(given.get("type"), _TYPE, "ce-type")
    time = _time(given.get("time"))
    attributes = {
        "specversion": "1.0",
        "id": _matching(given.get("id"), _ID, "ce-id"),
        "source": _matching(given.get("source"), _SOURCE, "ce-source"),
        "type": type,
        "time": time,
    }
    correlation = given.get("correlationid", "")
    if not is_correlation(correlation):
        raise Problem(Code.MALFORMED_EVENT, "ce-correlationid")
    try:
        event = CloudEvent(attributes, push.data)
    except CloudEventValidationError:
        raise Problem(Code.MALFORMED_EVENT, "ce-*") from None
    if type not in DATA:
        raise Problem(Code.UNKNOWN_TYPE, "ce-type")
    trace = given.get("traceparent", "")
    data, text = _data(DATA[type], push.data)
    return Event(
        event.get_id(),
        data,
        time,
        event.get_source().rpartition(":")[2],
        correlation,
        trace if is_traceparent(trace) else fresh(),
        push.ordering_key if _ID.fullmatch(push.ordering_key) else "",  # ours are keyed hashes; else it could be a name
        text,
    )


def _data(model: type[Data], body: bytes) -> tuple[Data, str]:
    """The data; and its text, where that is its identity."""
    try:
        data = model.model_validate_json(body)
    except ValidationError as error:
        raise Problem(Code.MALFORMED_DATA, _at(error) if is_strict(body) else "data") from None
    text = data.model_dump_json() if model in _BY_TEXT else ""
    if not is_strict(body, text.encode()):
        raise Problem(Code.MALFORMED_DATA, "data")
    return data, text


def _at(error: ValidationError) -> str:
    place = error.errors(include_input=False, include_url=False, include_context=False)[0]
    # An unknown field's name is text that somebody else chose.
    known = [str(part) for part in place["loc"] if place["type"] != "extra_forbidden"]
    return ".".join(("data", *known))


def _matching(value: str | None, form: re.Pattern[str], place: str) -> str:
    if value is None or not form.fullmatch(value):
        raise Problem(Code.MALFORMED_EVENT, place)
    return value


def _time(text: str | None) -> datetime:
    try:
        return datetime.fromisoformat(_matching(text, _TIME, "ce-time")).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day; or none in UTC
        raise Problem(Code.MALFORMED_EVENT, "ce-time") from None
