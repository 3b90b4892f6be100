"""JSON as RFC 8259 has it and RFC 8785 wants it: one meaning for every reader, or none.

Two parsers that disagree about a body are a way around a check: one reads the first of two equal keys, the other the
last; one takes NaN, another half a surrogate pair, a third 1e400 as infinity. Whatever could be read in two ways is
refused: duplicate keys, NaN and Infinity, numbers beyond a double, lone surrogates, a byte order mark, bytes that are
not UTF-8, and nesting deeper than 100. Against: a signed or trusted body that says something else further on.

The error has no text of the input, and no foreign exception hangs on it: a JSONDecodeError carries the whole document.
Numbers become int and float, so a decimal's trailing zeros are lost; `exact` keeps them, as Decimal.
"""

import json
from decimal import Decimal
from typing import NoReturn

import orjson

MAX_DEPTH = 100


class NotStrictJson(ValueError):
    """The body is not strict JSON. Says nothing of what it is."""

    def __init__(self) -> None:
        super().__init__("not strict JSON")


def parse(body: bytes, *, exact: bool = False) -> object:
    """The value of a body. Raises NotStrictJson."""
    value = _read(body, exact=exact)
    if value is _UNREADABLE or not _shallow(body, value):
        raise NotStrictJson  # here and not where it was found: the foreign exception would become its context
    return value


def is_strict(body: bytes, again: bytes = b"") -> bool:
    """Whether a body is strict JSON. `again` is what another reader has written of the value that he read from it: if that is
    the very same bytes, the body had no second key and no number that could be read as another one, and is not read here."""
    if body == again and _few(body):
        return True
    value = _read(body, exact=False)
    return value is not _UNREADABLE and _shallow(body, value)


def parse_object(body: bytes, *, exact: bool = False) -> dict[str, object]:
    """The object that a body is. Raises NotStrictJson, also for any other JSON value."""
    value = parse(body, exact=exact)
    if not isinstance(value, dict):
        raise NotStrictJson
    return value


_UNREADABLE: object = object()


def _read(body: bytes, *, exact: bool) -> object:
    try:
        value = orjson.loads(body)  # strict about encoding, surrogates and numbers, but silent about duplicates
        # What is written again as the very same bytes had no second key, and no number that was read as another one.
        if not exact and orjson.dumps(value) == body:
            return value
        return (_EXACT if exact else _DECODER).decode(body.decode())
    except (ValueError, RecursionError, orjson.JSONEncodeError):  # the encoder's, as the recursion: nested far too deep
        return _UNREADABLE


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrictJson
    return found


def _no_constant(_: str) -> NoReturn:
    raise NotStrictJson


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
_EXACT = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant, parse_float=Decimal)


def _few(body: bytes) -> bool:
    """Whether there are no more brackets than may lie in each other: so it is in most bodies."""
    return body.count(b"{") + body.count(b"[") <= MAX_DEPTH


def _shallow(body: bytes, value: object) -> bool:
    """Whether no value lies deeper than MAX_DEPTH."""
    if _few(body):
        return True
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[object] = []
        for container in level:
            if isinstance(container, dict):
                deeper.extend(container.values())
            elif isinstance(container, list):
                deeper.extend(container)
        if not deeper:
            return True
        level = deeper
    return not any(isinstance(container, (dict, list)) for container in level)
