"""The connections to our hosts: HTTP/1.1 over TCP or TLS, so many requests at once, each connection kept for the next one.

    send ─► room? ─► an idle connection to the place, or a new one ─► the answer's head ─► its body ─► idle again, or gone

httptools (llhttp, which Node and Uvicorn read with) parses what comes; we write the request, hold the connections, and bound
what a peer can make us keep: a head of 64 KiB, and of a body what its reader has not taken yet. httpx's own way, httpcore and
h11, parses in Python and asks every connection's socket about every request that waits: at load it took a third of a worker.
What a connection can not be trusted with any more is closed: an answer that was not read to its end, bytes that nobody
asked for, a protocol that is not HTTP/1.1. Nothing is sent twice, but for a read on a kept connection that its peer had closed
meanwhile.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from msgspec import Struct

KEPT = 30.0  # seconds that an idle connection is kept
_HEAD = 64 * 1024  # bytes of an answer before its body
_AHEAD = 256 * 1024  # bytes of a body that wait for their reader

type Headers = Sequence[tuple[bytes, bytes]]
type Resolve = Callable[[str, int], Awaitable[str]]  # the address to connect to


class Place(Struct, frozen=True):
    """Where a request goes: the name, which TLS holds the certificate against, and the port."""

    host: str
    port: int
    secure: bool


class Broken(ConnectionError):
    """No connection, or one that ended; or what came over it was no answer. Its text is ours."""


class _Unheard(Broken):
    """A kept connection that ended before a byte of the answer."""


class Connections:
    """`resolve` says which address a name is to be connected at; `most` requests are under way at once, further ones wait."""

    def __init__(self, resolve: Resolve, *, most: int) -> None:
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None
        self._room = asyncio.Semaphore(most)
        self._idle: dict[Place, deque[_Connection]] = {}
        self._closed = False

    async def send(self, place: Place, method: bytes, target: bytes, headers: Headers, content: bytes) -> "Answer":
        """The answer, whose `close` has to be called. Raises OSError, and what `resolve` raises."""
        request = _written(method, target, headers, content)
        await self._room.acquire()
        try:
            return await self._answered(place, request, again=method == b"GET")
        except BaseException:
            self._room.release()
            raise

    async def aclose(self) -> None:
        """Close what is idle; what is under way closes when it ends."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def back(self, place: Place, connection: "_Connection") -> None:
        """A request has ended: its connection can be used again, unless it has to be closed."""
        self._room.release()
        idle = self._idle.setdefault(place, deque())
        if self._closed or not connection.reusable:
            connection.close()
        else:
            connection.idle_since = asyncio.get_running_loop().time()
            idle.append(connection)
        if idle and not self._good(idle[0]):  # the one that has waited longest
            idle.popleft().close()

    async def _answered(self, place: Place, request: bytes, *, again: bool) -> "Answer":
        kept = self._kept(place)
        connection = kept or await self._made(place)
        try:
            await connection.exchange(request)
        except _Unheard:
            if kept is None or not again:
                raise
            connection = await self._made(place)
            await connection.exchange(request)
        return Answer(self, place, connection)

    def _kept(self, place: Place) -> "_Connection | None":
        """The connection that became idle last."""
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            if self._good(connection):
                return connection
            connection.close()
        return None

    def _good(self, connection: "_Connection") -> bool:
        return connection.reusable and asyncio.get_running_loop().time() - connection.idle_since < KEPT

    async def _made(self, place: Place) -> "_Connection":
        address = await self._resolve(place.host, place.port)
        if place.secure and self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection,
            address,
            place.port,
            ssl=self._tls if place.secure else None,
            server_hostname=place.host if place.secure else None,
        )
        return connection


class Answer:
    """A status, headers, and a body that is read as it comes."""

    def __init__(self, home: Connections, place: Place, connection: "_Connection") -> None:
        self._home, self._place, self._connection = home, place, connection
        self.status, self.headers = connection.status, connection.headers
        self._closed = False

    async def part(self, until: float | None = None) -> bytes | None:
        """The next of the body, or None after its end. Raises Broken; TimeoutError when there is none by then (loop's clock)."""
        return await self._connection.part(until)

    @property
    def waiting(self) -> int:
        """Bytes of the body that have come and that nobody has taken yet."""
        return self._connection.waiting

    async def close(self) -> None:
        """Let go of the connection; what is left of the body is not waited for."""
        if not self._closed:
            self._closed = True
            self._home.back(self._place, self._connection)


def _written(method: bytes, target: bytes, headers: Headers, content: bytes) -> bytes:
    """The request as it goes out. Raises ValueError for a line break in it: who set a header must not write another one."""
    lines = [b"%s %s HTTP/1.1" % (method, target), *(b"%s: %s" % header for header in headers), b"", b""]
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head or b" " in target:
        raise ValueError("not a header")
    return head + content


class _Connection(asyncio.Protocol):
    """One connection; one exchange at a time."""

    def __init__(self) -> None:
        self.status, self.headers = 0, cast(list[tuple[bytes, bytes]], [])
        self._sound, self.idle_since = False, 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._head: asyncio.Future[None] | None = None
        self._news: asyncio.Future[None] | None = None
        self._body: deque[bytes] = deque()
        self._size, self.waiting = 0, 0  # bytes of the head so far; bytes of the body that wait
        self._used, self._complete, self._paused = False, True, False
        self._failure: Broken | None = None

    @property
    def reusable(self) -> bool:
        """The last exchange ended well, its body was taken to the end, and nothing has come since."""
        return self._sound and not self._body

    async def exchange(self, request: bytes) -> None:
        """Send it; returns with the answer's head. Cancelled, or failed, it has closed itself. Raises Broken."""
        if self._failure is not None:
            raise self._failure
        assert self._transport is not None
        self._sound = self._complete = False
        self.headers, self._size = [], 0
        self._head = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            await self._head
        except BaseException:
            self.close()
            raise

    async def part(self, until: float | None) -> bytes | None:
        """What has come of the body, or None after its end; what nobody takes is soon not read any more.

        A small body has come with its head, and needs no timer. Raises Broken, TimeoutError.
        """
        while not self._body:
            if self._complete:
                return None
            if self._failure is not None:
                raise self._failure
            self._news = asyncio.get_running_loop().create_future()
            async with asyncio.timeout_at(until):
                await self._news
        part = self._body.popleft()
        self.waiting -= len(part)
        if self._paused and self.waiting < _AHEAD:
            self._pause(False)
        return part

    def close(self) -> None:
        """Hang up."""
        self._sound = False
        if self._transport is not None:
            self._transport.abort()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by their class

    def data_received(self, data: bytes) -> None:
        if self._complete:  # nobody asked
            self._fail(Broken("unasked"))
            return
        if self._head is not None:
            self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(Broken("not HTTP/1.1"))
        else:
            if self._head is not None and self._size > _HEAD:
                self._fail(Broken("head"))

    def eof_received(self) -> None:
        self._ended()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended()

    # httptools calls these; what they raise comes out of feed_data as an HttpParserError

    def on_message_begin(self) -> None:
        if self._complete:
            raise Broken("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer; the true one follows
            self.headers = []
        elif self._head is not None:
            self.status = status
            head, self._head = self._head, None
            if not head.done():
                head.set_result(None)

    def on_body(self, part: bytes) -> None:
        self._body.append(part)
        self.waiting += len(part)
        if self.waiting >= _AHEAD and not self._paused:
            self._pause(True)
        self._wake()

    def on_message_complete(self) -> None:
        if self._head is None:  # of the true answer
            self._complete, self._used = True, True
            self._sound = self._parser.should_keep_alive() and self._failure is None
            self._wake()

    def _ended(self) -> None:
        """The peer has closed. A body whose length nobody said is complete with that: only then does llhttp call it so."""
        self._sound = False
        if self._complete:
            self._failure = self._failure or _Unheard("closed")
            return
        ends_here = self._head is None and not any(
            name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers
        )
        if ends_here:
            self._complete = True
            self._wake()
        else:
            unheard = self._used and self._size == 0 and self._head is not None
            self._fail(_Unheard("closed") if unheard else Broken("closed"))

    def _fail(self, failure: Broken) -> None:
        self._failure = self._failure or failure
        head, self._head = self._head, None
        if head is not None and not head.done():
            head.set_exception(self._failure)
        self._wake()
        self.close()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _pause(self, still: bool) -> None:
        self._paused = still
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.pause_reading if still else self._transport.resume_reading)()
