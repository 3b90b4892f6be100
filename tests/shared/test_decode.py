"""An event's data, read in one go: what is taken and what is refused is the same as if it were checked first and then read."""

import json
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from handlers.examples import DATA_EXAMPLES
from shared.errors import Problem
from shared.events.data import DATA, Changed, Data, Quarantined
from shared.events.decode import _data, decode
from shared.events.envelope import SOURCE
from shared.events.push import Push
from shared.strict_json import MAX_DEPTH, NotStrictJson, parse_object
from shared.telemetry.trace import fresh

_LEAVES = st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | st.text(max_size=5)
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
_WRITERS = (
    lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
    lambda value: json.dumps(value, separators=(",", ":")),
    json.dumps,
)


def _body(event: object, writer: int) -> bytes:
    said = {"handler": "h", "topic": "t", "code": "c", "at": "a", "eventId": None, "eventType": None, "event": event}
    return _WRITERS[writer](said).encode("utf-8", "surrogatepass")


def _checked_first(model: type[Data], body: bytes) -> Data | None:
    try:
        parse_object(body)
        return model.model_validate_json(body)
    except (NotStrictJson, ValidationError):
        return None


def _read(model: type[Data], body: bytes) -> Data | None:
    try:
        return _data(model, body)[0]
    except Problem:
        return None


@given(st.none() | st.dictionaries(st.text(max_size=3), _TREES, max_size=3), st.integers(0, 2))
def test_what_is_read_at_once_is_what_was_checked_first_and_then_read(event: object, writer: int) -> None:
    body = _body(event, writer)
    assert _read(Quarantined, body) == _checked_first(Quarantined, body)


@given(st.dictionaries(st.text(max_size=3), _TREES, max_size=3), st.integers(0, 2), st.data())
def test_so_it_is_with_a_body_that_somebody_has_spoilt(event: object, writer: int, data: st.DataObject) -> None:
    body = bytearray(_body(event, writer))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at:at] = data.draw(
            st.sampled_from([b'"a":1,', b"1", b"e999", b"\x00", b"\xff", b'\\ud800"', b"[", b"}", b" "])
        )
    assert _read(Quarantined, bytes(body)) == _checked_first(Quarantined, bytes(body))


@pytest.mark.parametrize(
    "inside",
    ['{"a":1,"a":1}', '{"a":NaN}', '{"a":1e400}', '{"a":"\\ud800"}', '{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}"],
    ids=["a key twice", "NaN", "a number beyond a double", "half a character", "too deep"],
)
def test_what_two_readers_could_understand_in_two_ways_is_refused_in_whatever_form_it_is_written(inside: str) -> None:
    body = _body({}, 0).replace(b"{}", inside.encode())
    with pytest.raises(Problem) as refused:
        _data(Quarantined, body)
    assert refused.value.at == "data"


def test_a_key_twice_is_refused_though_both_say_the_same() -> None:
    body = Changed(project="p", type="Patient", id="i", version="v", last_updated="2026-11-23T10:41:55Z", generation=1)
    once = body.model_dump_json()
    assert _data(Changed, once.encode()) == (body, once)
    with pytest.raises(Problem):
        _data(Changed, once.replace('"id":"i"', '"id":"i","id":"i"').encode())


@pytest.mark.parametrize("name", DATA)
def test_an_event_that_was_read_is_the_same_to_an_older_release_which_writes_its_text_by_itself(name: str) -> None:
    body = orjson.dumps(DATA_EXAMPLES[DATA[name].__name__])
    attributes = {"specversion": "1.0", "id": "a" * 64, "source": f"{SOURCE}:webhook", "type": name}
    attributes |= {"time": "2026-11-23T10:41:55Z", "correlationid": str(UUID(int=1)), "traceparent": fresh()}
    event = decode(Push("unwrapped", attributes, "application/json", body))
    assert event.identity() == event.data.identity()
