"""One strict reader for all that Pub/Sub and Eventarc push: four shapes in, one CloudEvent out.

    wrapped      {"message": {"attributes": {"ce-id": …}, "data": base64}, "subscription": …}
    unwrapped    a binary-mode CloudEvent over HTTP: attributes are headers, the body is the data   (ours, as provisioned)
    eventarc     google.cloud.pubsub.topic.v1.messagePublished around a wrapped push, binary or structured
    structured   application/cloudevents+json

Whatever could be understood in two ways is refused: a header twice, an attribute in two spellings, duplicate keys, data and
data_base64 at once. Only what the token vouched for gets here; still nothing is believed but its form.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from shared.errors import Code, Problem
from shared.head import Headers
from shared.strict_json import NotStrictJson, parse_object

MESSAGE_PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"

type Shape = Literal["wrapped", "unwrapped", "eventarc", "structured"]

_LONGEST = 1024  # of an attribute
_ATTRIBUTE = b"ce-"  # how an event's headers begin, and the others that say something of it
_OTHERS = (b"x-goog-pubsub-", b"x-goog-ordering-key")
_UNSET = ("", "application/x-www-form-urlencoded")  # what a pusher says that knows of no content type
_STRUCTURED = "application/cloudevents+json"
_UTF8 = re.compile(r"[^;]*(;\s*charset=\"?utf-8\"?\s*)?", re.IGNORECASE)  # JSON is nothing else (RFC 8259 §8.1)
_ATTEMPTS = 2**31


class Push(Struct, frozen=True):
    """A push request, taken apart. `attributes` are the event's, without their `ce-`.

    `data` is its JSON as it came; in structured mode it is written anew, so a decimal loses its trailing zeros.
    """

    shape: Shape
    attributes: Mapping[str, str]
    content_type: str
    data: bytes
    subscription: str | None = None
    message_id: str | None = None
    delivery_attempt: int | None = None
    ordering_key: str = ""


def parse(headers: Headers, body: bytes) -> Push:
    """The push in a request; header names in lower case. Raises Problem: MALFORMED_ENVELOPE, MALFORMED_EVENT."""
    attributes, others = _headers(headers)
    content_type = others.get("content-type", "")
    media = _media(content_type)
    if media == _STRUCTURED:
        if attributes:  # two events in one request: one for each reader
            raise Problem(Code.MALFORMED_ENVELOPE, "ce-*")
        return _structured(_object(content_type, body))
    if media.startswith("application/cloudevents"):  # a batch, or a format that nobody here reads
        raise Problem(Code.MALFORMED_ENVELOPE, "content-type")
    if attributes.get("type") == MESSAGE_PUBLISHED:
        return _eventarc(attributes.get("specversion"), _object(content_type, body))
    if attributes:
        return _unwrapped(attributes, others, body)
    if media not in (*_UNSET, "application/json"):
        raise Problem(Code.MALFORMED_ENVELOPE, "content-type")
    return _wrapped(_object(content_type, body), "wrapped")


def _headers(headers: Headers) -> tuple[dict[str, str], dict[str, str]]:
    """The event's attributes, without their `ce-`, and what else the headers say of it; each of them once."""
    attributes: dict[str, str] = {}
    others: dict[str, str] = {}
    number = 0
    for raw, value in headers:
        if raw.startswith(_ATTRIBUTE):
            attributes[raw[3:].decode("latin-1")] = value.decode("latin-1")
        elif raw == b"content-type" or raw.startswith(_OTHERS):
            others[raw.decode("latin-1")] = value.decode("latin-1")
        else:
            continue
        number += 1
    # Looked at together: in most heads all of it is shorter than one value may be.
    together = "".join((*attributes.values(), *others.values()))
    if len(attributes) + len(others) < number or not _printable(together):
        _each_good(headers)
    return attributes, others


def _each_good(headers: Headers) -> None:
    """Raises Problem(MALFORMED_EVENT) with the place of the first header that came before, or has no good value."""
    seen: set[bytes] = set()
    for raw, value in headers:
        if raw == b"content-type" or raw.startswith((_ATTRIBUTE, *_OTHERS)):
            if raw in seen or not _printable(value.decode("latin-1")):
                raise Problem(Code.MALFORMED_EVENT, _place(raw.decode("latin-1")))
            seen.add(raw)


def _printable(text: str) -> bool:
    """Whether it is ASCII without control characters, and not too long."""
    return text.isascii() and text.isprintable() and len(text) <= _LONGEST


def _unwrapped(attributes: Mapping[str, str], others: Mapping[str, str], body: bytes) -> Push:
    content_type = others.get("content-type", "")
    return Push(
        "unwrapped",
        attributes,
        "application/json" if _media(content_type) in _UNSET else content_type,
        body,
        others.get("x-goog-pubsub-subscription-name"),
        others.get("x-goog-pubsub-message-id"),
        None,
        others.get("x-goog-pubsub-ordering-key", others.get("x-goog-ordering-key", "")),
    )


def _eventarc(version: object, envelope: object) -> Push:
    if version != "1.0":
        raise Problem(Code.MALFORMED_EVENT, "ce-specversion")
    if not isinstance(envelope, dict):
        raise Problem(Code.MALFORMED_ENVELOPE, "data")
    return _wrapped(envelope, "eventarc")


def _wrapped(envelope: Mapping[str, object], shape: Literal["wrapped", "eventarc"]) -> Push:
    match envelope:
        case {"message": dict() as message, "subscription": str() as subscription} if _printable(subscription):
            pass
        case _:
            raise Problem(Code.MALFORMED_ENVELOPE, "message")
    attempt = envelope.get("deliveryAttempt")
    given: dict[str, str] = {}
    attributes = message.get("attributes", {})
    if not isinstance(attributes, dict):
        raise Problem(Code.MALFORMED_ENVELOPE, "message.attributes")
    for key, value in attributes.items():
        name = key.lower()
        if not name.startswith("ce-") and name != "content-type":
            continue
        if name in given or not isinstance(value, str) or not _printable(value):
            raise Problem(Code.MALFORMED_EVENT, _place(name))
        given[name] = value
    return Push(
        shape,
        {name[3:]: value for name, value in given.items() if name.startswith("ce-")},
        given.get("content-type", "application/json"),
        decoded(message.get("data", ""), "message.data"),
        subscription,
        _optional(message, "messageId"),
        attempt if type(attempt) is int and 0 < attempt < _ATTEMPTS else None,
        _optional(message, "orderingKey") or "",
    )


def _structured(event: Mapping[str, object]) -> Push:
    data, encoded = event.get("data"), event.get("data_base64")
    if data is not None and encoded is not None:
        raise Problem(Code.MALFORMED_EVENT, "data_base64")
    if event.get("type") == MESSAGE_PUBLISHED:
        return _eventarc(event.get("specversion"), data)
    attributes: dict[str, str] = {}
    for name, value in event.items():
        if name in ("data", "data_base64"):
            continue
        if not isinstance(value, str) or not _printable(value):
            raise Problem(Code.MALFORMED_EVENT, _place(f"ce-{name}"))
        attributes[name] = value
    content = attributes.pop("datacontenttype", "application/json")
    # The slow encoder: orjson raises on a number beyond 64 bits, which is for the data's model to refuse.
    body = decoded(encoded, "data_base64") if encoded is not None else json.dumps(data).encode()
    return Push("structured", attributes, content, body)


def _object(content_type: str, body: bytes) -> dict[str, object]:
    if not _UTF8.fullmatch(content_type):
        raise Problem(Code.MALFORMED_ENVELOPE, "content-type")
    try:
        return parse_object(body)
    except NotStrictJson:
        raise Problem(Code.MALFORMED_ENVELOPE, "body") from None


def decoded(text: object, place: str) -> bytes:
    """The bytes of strict base64. Raises Problem(MALFORMED_ENVELOPE)."""
    if not isinstance(text, str):
        raise Problem(Code.MALFORMED_ENVELOPE, place)
    try:
        return b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Problem(Code.MALFORMED_ENVELOPE, place) from None


def _optional(message: Mapping[str, object], name: str) -> str | None:
    value = message.get(name)
    if value is not None and not (isinstance(value, str) and _printable(value)):
        raise Problem(Code.MALFORMED_ENVELOPE, f"message.{name}")
    return value


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _place(name: str) -> str:
    """An attribute's name, if it is one of ours: others are text that somebody else chose."""
    known = ("id", "source", "type", "specversion", "time", "correlationid", "traceparent", "datacontenttype")
    return name if name.removeprefix("ce-") in known or name == "content-type" else "ce-*"
