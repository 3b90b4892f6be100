"""The head of a request: what is there once, several times, or not at all."""

from shared.head import Head

PAIRS = [(b"ce-id", b"1"), (b"authorization", b"Bearer a"), (b"accept", b"x"), (b"authorization", b"Bearer b")]


def test_a_header_that_was_sent_once_is_its_value() -> None:
    assert Head(PAIRS[:3]).one(b"authorization") == "Bearer a"
    assert Head(PAIRS).one(b"ce-id") == "1"


def test_of_a_header_that_was_sent_twice_nobody_is_given_one_value() -> None:
    assert Head(PAIRS).one(b"authorization") is None
    assert Head(PAIRS).all(b"authorization") == ["Bearer a", "Bearer b"]
    assert Head([PAIRS[0], PAIRS[0]]).all(b"ce-id") == ["1", "1"]


def test_a_header_that_was_not_sent_has_no_value() -> None:
    for head in (Head(()), Head(PAIRS[:1]), Head(PAIRS)):
        assert head.one(b"traceparent") is None
        assert head.all(b"traceparent") == []


def test_a_value_is_text_whatever_its_bytes() -> None:
    assert Head([(b"x-trace-id", bytes(range(256)))]).one(b"x-trace-id") == bytes(range(256)).decode("latin-1")
