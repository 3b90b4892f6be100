"""A body has one meaning for every reader, or it is refused without a word of what it says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.strict_json import MAX_DEPTH, NotStrictJson, parse, parse_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(VALUES)
def test_what_json_can_say_is_read_as_it_was_said(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(VALUES)
def test_what_is_written_without_a_space_is_read_to_the_same_types(value: object) -> None:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert repr(parse(body)) == repr(json.loads(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":1}{"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":[{"c":1,"\\u0063":2}]}}',
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e400]",
        b"[01]",
        b"['a']",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xff"',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(NotStrictJson) as raised:
        parse(body)
    assert str(raised.value) == "not strict JSON"
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None


def test_a_hundred_levels_are_not_too_deep() -> None:
    body = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert json.dumps(parse(body)).encode() == body


def test_many_brackets_side_by_side_are_not_deep() -> None:
    body = json.dumps([{"a": ["{" * 5]}] * 500).encode()
    assert parse(body) == [{"a": ["{{{{{"]}] * 500


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"1", b"null"])
def test_an_object_is_wanted_and_nothing_else(body: bytes) -> None:
    parse(body)
    with pytest.raises(NotStrictJson):
        parse_object(body)
