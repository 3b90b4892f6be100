"""A head has its bound however it comes: in one piece with a body, cut anywhere, or behind another request's end."""

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState

from handlers.wire import HEAD_BYTES, Bounded
from tests.bench.push_app import bare

_AROUND = 100  # bytes of a head that are counted in one way and not in the other: its first line, its end


class _Wire(asyncio.Transport):
    """What was said back, and whether it is over."""

    def __init__(self) -> None:
        super().__init__()
        self.said, self.over = bytearray(), False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        if not self.over:
            self.said += data

    def is_closing(self) -> bool:
        return self.over

    def close(self) -> None:
        self.over = True

    abort = close

    def pause_reading(self) -> None:
        """Pieces come when the test says so."""

    resume_reading = pause_reading


def _request(head: int, body: int) -> bytes:
    """A request whose head has about so many bytes."""
    start = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\nx: " % body
    return start + b"a" * max(0, head - len(start) - 4) + b"\r\n\r\n" + b"b" * body


def _statuses(*pieces: bytes) -> list[int]:
    """What is answered to these pieces, by an application that answers 204 to anything."""

    async def answered() -> bytes:
        config = Config(bare, http=Bounded, lifespan="off", log_config=None, server_header=False, proxy_headers=False)
        config.load()
        wire = _Wire()
        connection = Bounded(config, ServerState(), {})
        connection.connection_made(wire)
        for piece in pieces:
            if not wire.over:
                connection.data_received(piece)
        for _ in range(20):
            await asyncio.sleep(0)
        connection.connection_lost(None)
        return bytes(wire.said)

    return [int(answer[:3]) for answer in asyncio.run(answered()).split(b"HTTP/1.1 ")[1:]]


def _cut(whole: bytes, places: list[float]) -> list[bytes]:
    at = sorted({0, len(whole), *(int(place * len(whole)) for place in places)})
    return [whole[start:end] for start, end in pairwise(at)]


@examples(max_examples=60, deadline=None)
@given(
    st.integers(60, 3 * HEAD_BYTES).filter(lambda head: abs(head - HEAD_BYTES) > _AROUND),
    st.integers(0, 3 * HEAD_BYTES),
    st.lists(st.floats(0, 1), max_size=4),
)
@example(HEAD_BYTES - 2 * _AROUND, 200_000, [])  # all in one piece
@example(HEAD_BYTES + 2 * _AROUND, 0, [])
@example(2 * HEAD_BYTES + 2 * _AROUND, 10, [0.4, 0.8])
def test_a_head_over_its_bound_is_refused_and_no_other_is(head: int, body: int, places: list[float]) -> None:
    wanted = [204] if head < HEAD_BYTES else [431]
    assert _statuses(*_cut(_request(head, body), places)) == wanted


@examples(max_examples=60, deadline=None)
@given(
    st.integers(60, 3 * HEAD_BYTES).filter(lambda head: abs(head - HEAD_BYTES) > _AROUND),
    st.integers(0, 3 * HEAD_BYTES),
    st.lists(st.floats(0, 1), max_size=4),
)
@example(HEAD_BYTES - 2 * _AROUND, 3 * HEAD_BYTES, [])
@example(HEAD_BYTES + 2 * _AROUND, 10, [])
def test_what_another_request_brought_counts_for_none_behind_it(head: int, body: int, places: list[float]) -> None:
    first, second = _request(80, body), _request(head, 0)
    statuses = _statuses(*_cut(first + second, places))
    assert statuses[-1] == (204 if head < HEAD_BYTES else 431)
    assert head > HEAD_BYTES or statuses == [204, 204]
