"""Requests to feed parsers with: recorded ones and grammar-made ones, bent in all the ways that a byte or a header can be.

Seeded: the same number makes the same request. Made with nothing but a random generator, for a million of them in minutes.
"""

import base64
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from handlers.examples import DATA_EXAMPLES
from shared.events.data import DATA
from tests.attacks.target import CE, CHANGED, SIGNED

type Pairs = list[tuple[bytes, bytes]]
type Request = tuple[Pairs, bytes]

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
_TOKENS: tuple[bytes, ...] = (
    *(b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"NaN", b"Infinity", b"-0", b"1e999", b"9" * 40),
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"\\u0000",
        b"\r\n",
        b"=",
        b"ce-",
        b"../",
        b"{}",
        b"[[[[" * 60,
    ),
    *(b"message", b"attributes", b"subscription", b"data", b"data_base64", b"specversion", b"meta", b"project", b"id"),
)
_VALUES: tuple[object, ...] = (
    *(None, True, 0, -1, 2**31, 2**64, 1e308, "", " ", "x" * 2000, "\u0000", "é", "𝔘", [], {}, [[]], {"": {}}),
    *("2026-02-30T00:00:00Z", "9999-12-31T23:59:59+14:00", "0000-01-01T00:00:00Z", "..", "https://evil.example/"),
)
_TYPES: tuple[bytes, ...] = (
    *(b"application/json", b"application/cloudevents+json", b"application/cloudevents-batch+json", b"text/html", b""),
    *(b"application/json; charset=utf-16", b'application/cloudevents+json; charset="utf-8"', b"\xff", b";;;"),
)


def seeds(kind: str) -> list[Request]:
    """What is bent: every recorded request that is beside this checkout, and the examples of the contract."""
    return [*_recorded(kind), *(_webhooks() if kind == "webhook" else _pushes())]


def bent(request: Request, chance: random.Random) -> Request:
    """The request with one to four things changed."""
    headers, body = list(request[0]), request[1]
    for _ in range(chance.randint(1, 4)):
        if headers and chance.random() < 0.35:
            chance.choice(_ON_HEADERS)(headers, chance)
        elif chance.random() < 0.5:
            body = _restructured(body, chance)
        else:
            body = chance.choice(_ON_BYTES)(body, chance)
    return headers, body[:200_000]


def _recorded(kind: str) -> list[Request]:
    found: list[Request] = []
    if kind == "webhook":
        path = RECORDED / "medplum" / "golden-webhooks.json"
        for one in json.loads(path.read_text()) if path.exists() else []:
            found.append((_lower(one["raw_headers"]), base64.b64decode(one["body_b64"])))
        return found
    for path in sorted((RECORDED / "pubsub").glob("*.json")):
        recorded = json.loads(path.read_text())
        for one in recorded.get("requests", []):
            if isinstance(one.get("body"), str):
                found.append((_lower(one["headers"]), one["body"].encode()))
    return found


def _lower(headers: Sequence[Sequence[str]]) -> Pairs:
    return [(name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]


def _pushes() -> list[Request]:
    made: list[Request] = []
    for model in DATA.values():
        data = json.dumps(DATA_EXAMPLES.get(model.__name__, CHANGED)).encode()
        attributes = CE | {"ce-type": model.TYPE}
        event: dict[str, Any] = {name[3:]: value for name, value in attributes.items() if name.startswith("ce-")}
        message = {"attributes": attributes, "data": base64.b64encode(data).decode(), "messageId": "1"}
        wrapped = json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()
        published = CE | {"ce-type": "google.cloud.pubsub.topic.v1.messagePublished"}
        structured = json.dumps(event | {"data": json.loads(data)}).encode()
        made += [
            (_lower(list(attributes.items())), data),
            (_lower([("content-type", "application/json")]), wrapped),
            (_lower(list(published.items())), wrapped),
            (_lower([("content-type", "application/cloudevents+json")]), structured),
        ]
    return made


def _webhooks() -> list[Request]:
    head = _lower([("content-type", "application/fhir+json"), ("x-trace-id", CE["ce-correlationid"])])
    return [(head, SIGNED), ([*head, (b"x-medplum-deleted-resource", b"Patient/1")], b"{}")]


def _restructured(body: bytes, chance: random.Random) -> bytes:
    """One place in the JSON changed: its value, its name, its presence, or its depth."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    places: list[tuple[Any, Any]] = []
    todo: list[Any] = [value]
    while todo and len(places) < 500:
        one = todo.pop()
        keys: Any = one.keys() if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            places.append((one, key))
            todo.append(one[key])
    if not places:
        return json.dumps(chance.choice(_VALUES)).encode()
    holder, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            del holder[key]
        case 1:
            holder[key] = chance.choice(_VALUES)
        case 2:
            holder[key] = [holder[key]]
        case 3:
            deep: object = holder[key]
            for _ in range(chance.choice((1, 90, 110, 600))):
                deep = {"x": deep}
            holder[key] = deep
        case _ if isinstance(holder, dict):
            holder[chance.choice(("", "x", "CE-ID", "data_base64", "id", key.upper()))] = holder[key]
    return json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def _at(body: bytes, chance: random.Random) -> int:
    return chance.randint(0, len(body))


def _flip(body: bytes, chance: random.Random) -> bytes:
    at = _at(body, chance)
    return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]


def _insert(body: bytes, chance: random.Random) -> bytes:
    at = _at(body, chance)
    return body[:at] + chance.choice(_TOKENS) + body[at:]


def _cut(body: bytes, chance: random.Random) -> bytes:
    at, to = sorted((_at(body, chance), _at(body, chance)))
    return body[:at] + body[to:]


def _double(body: bytes, chance: random.Random) -> bytes:
    at, to = sorted((_at(body, chance), _at(body, chance)))
    return body[:to] + body[at:to] + body[to:]


def _value(headers: Pairs, chance: random.Random) -> None:
    at = chance.randrange(len(headers))
    headers[at] = (headers[at][0], chance.choice((_flip, _insert, _cut, _double))(headers[at][1], chance))


def _kind(headers: Pairs, chance: random.Random) -> None:
    headers.append((b"content-type", chance.choice(_TYPES)))


def _again(headers: Pairs, chance: random.Random) -> None:
    headers.append(chance.choice(headers))


def _gone(headers: Pairs, chance: random.Random) -> None:
    headers.pop(chance.randrange(len(headers)))


def _named(headers: Pairs, chance: random.Random) -> None:
    names = (b"ce-id", b"ce-\xff", b"ce-type", b"x-goog-pubsub-message-id", b"x-goog-ordering-key", b"ce-" + b"x" * 300)
    headers.append((chance.choice(names), chance.choice(_TOKENS)))


_ON_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _insert, _cut, _double)
_ON_HEADERS: tuple[Callable[[Pairs, random.Random], None], ...] = (_value, _kind, _again, _gone, _named)
