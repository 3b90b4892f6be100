"""A lean HTTP/1.1 client for pushes: bytes out, a status back, over connections that are kept and used again.

A push is answered by its status alone, so the body is parsed to know where it ends, and dropped. Redirects are not
followed and nothing is retried, except on a connection that the receiver had closed while it was idle.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpResponseParser

type Place = tuple[str, int, bool]  # host, port, TLS

_CONNECT = 5.0  # seconds for a connection to come about
_INTERIM = (100, 103)  # 1xx answers that another one follows; 102 counts as an answer


class _ClosedUnused(ConnectionError):
    """The connection ended before the first byte of an answer."""


class Wire:
    """Idle connections, by place."""

    def __init__(self) -> None:
        self._idle: defaultdict[Place, list[_Connection]] = defaultdict(list)
        self._open: set[_Connection] = set()

    async def send(self, place: Place, request: bytes) -> int:
        """The status of the answer. Raises OSError; cancelled, it closes the connection it used."""
        idle = self._idle[place]
        while idle:
            connection = idle.pop()
            if connection.closed:
                continue
            try:
                return await self._over(connection, idle, request)
            except _ClosedUnused:
                continue  # the receiver closed it while it was idle, and has not read this request
        host, port, secure = place
        async with asyncio.timeout(_CONNECT):
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_Connection, host, port, ssl=secure or None)
        self._open.add(connection)
        connection.when_closed = self._open.discard
        return await self._over(connection, idle, request)

    def close(self) -> None:
        """Close all connections."""
        for connection in tuple(self._open):
            connection.close()
        self._idle.clear()

    async def _over(self, connection: "_Connection", idle: "list[_Connection]", request: bytes) -> int:
        try:
            status = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            idle.append(connection)
        else:
            connection.close()
        return status


class _Connection(asyncio.Protocol):
    """One connection; one exchange at a time."""

    def __init__(self) -> None:
        self.closed = False
        self.reusable = False
        self.when_closed: Callable[[_Connection], None] = lambda connection: None
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._parser = HttpResponseParser(self)
        self._heard = False

    async def exchange(self, request: bytes) -> int:
        assert self._transport is not None
        self._heard = self.reusable = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by their class

    def data_received(self, data: bytes) -> None:
        self._heard = True
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self._fail(ConnectionError("not HTTP"))
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.when_closed(self)
        self._fail(ConnectionError("closed") if self._heard else _ClosedUnused("closed"))

    # httptools calls this

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status in _INTERIM or self._answer is None or self._answer.done():
            return
        self.reusable = status >= 200 and self._parser.should_keep_alive()
        self._answer.set_result(status)

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
