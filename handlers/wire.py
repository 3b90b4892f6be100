"""HTTP off the wire, within bounds: a head of so many bytes in so many seconds, and then a body in so many more.

    connection ─► head: 10 s, 32 KiB ─► body: 60 s, bytes by endpoint ─► answer ─► idle: 75 s ─► closed

Uvicorn alone bounds only the pause between two requests: who sends a head one byte a minute, a header that never ends, or
a body that nobody reads any more, would hold a connection and its memory for ever. Gunicorn's own limits are those of its
own parsers, and do not count under this worker. What the parser refuses gets the one error model, and none of the input.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.errors import Code

HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 10.0
BODY_SECONDS = 60.0


class Bounded(HttpToolsProtocol):
    """A connection. Times run on the loop's clock, one timer at a time, and none for what came in one piece.

    A head's bytes are counted as they come: to count each header as it is understood was a fifth of the server's own work.
    """

    head_seconds, body_seconds = HEAD_SECONDS, BODY_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _seconds: float | None = None  # for what is being received now
    _timed = True  # whether the timer is that one's
    _in_head = False
    _piece = 0  # bytes of what came last, as long as no request has ended in it
    _loose = 0  # bytes since the request began or its body went on
    _whole = True  # none of this head came behind another request's end, where its bytes are not told apart
    _large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(self.head_seconds)
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        self._time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._piece = len(data)
        self._loose += self._piece
        super().data_received(data)
        if self._loose > HEAD_BYTES and not self.transport.is_closing():
            if self._in_head:
                self._refuse(Code.HEAD_TOO_LARGE)
            elif self._loose > 2 * HEAD_BYTES:  # of a trailer, behind a body
                self._late()
        if not self._timed:
            self._time()

    def on_message_begin(self) -> None:
        self._in_head, self._loose, self._whole = True, self._piece, self._piece > 0
        self._within(self.head_seconds)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if (self._loose > HEAD_BYTES or not self._whole) and self._understood() > HEAD_BYTES:
            self._large = True
            raise ValueError  # the parser stops, and the refusal below is sent
        self._in_head = False
        self._within(self.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._loose = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._piece = 0
        self._within(None)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Code.HEAD_TOO_LARGE if self._large else Code.BAD_REQUEST)

    def _understood(self) -> int:
        """Bytes of this head, without its first line's version."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _within(self, seconds: float | None) -> None:
        self._seconds, self._timed = seconds, False

    def _time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._seconds is None else self.loop.call_later(self._seconds, self._late)
        self._timed = True

    def _late(self) -> None:
        self.transport.abort()

    def _refuse(self, code: Code) -> None:
        self._within(None)
        self._time()
        body = json.dumps(document(code)).encode()
        self.transport.write(
            f"HTTP/1.1 {code.status} X\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        self.transport.close()


def document(code: Code, request: str = "") -> dict[str, Any]:
    """A problem document (RFC 9457)."""
    return {
        "type": f"urn:starvit:problem:{code.slug}",
        "title": code.value.text,
        "status": code.status,
        "code": code.slug,
        "instance": f"urn:starvit:request:{request}",
    }
