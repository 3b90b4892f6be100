"""The connections to our hosts, so many at once: the last one that became idle is taken first.

    send ─► room? ─► an idle connection to the place, or a new one ─► the answer ─► its body's end: idle again, or gone

httpcore makes and speaks on each; its own pool is not used, for it asks every connection's socket about every request
that waits, which under load was a third of the time that a worker has.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

import httpcore

KEPT = 30.0  # seconds that an idle connection is kept


class Connections:
    """`most` requests are under way at once; further ones wait."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend, *, most: int) -> None:
        self._backend, self._tls = backend, ssl.create_default_context()
        self._room = asyncio.Semaphore(most)
        self._idle: dict[str, deque[httpcore.AsyncHTTPConnection]] = {}  # by origin
        self._closed = False

    async def send(self, request: httpcore.Request) -> "Answer":
        """The answer, whose `close` has to be called. Raises httpcore's exceptions, and what the backend raises."""
        await self._room.acquire()
        try:
            connection = await self._taken(request.url.origin)
            response = await connection.handle_async_request(request)
        except BaseException:
            self._room.release()  # what failed, or was cancelled, has closed itself
            raise
        return Answer(response, self, connection, request.url.origin)

    async def aclose(self) -> None:
        """Close what is idle; what is under way closes when it ends."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                await idle.pop().aclose()

    async def back(self, origin: httpcore.Origin, connection: httpcore.AsyncHTTPConnection) -> None:
        """A request has ended: its connection can be used again, unless it is closed by now."""
        self._room.release()
        idle = self._idle.setdefault(str(origin), deque())
        if self._closed or not connection.is_idle():
            await connection.aclose()
        else:
            idle.append(connection)
        if idle and idle[0].has_expired():  # the one that has waited longest
            await idle.popleft().aclose()

    async def _taken(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        idle = self._idle.get(str(origin))
        while idle:
            connection = idle.pop()
            if not connection.has_expired():  # which it is, too, if its peer has closed it
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._tls, keepalive_expiry=KEPT, network_backend=self._backend
        )


class Answer:
    """A status, headers, and a body that is read as it comes."""

    def __init__(
        self,
        response: httpcore.Response,
        home: Connections,
        connection: httpcore.AsyncHTTPConnection,
        origin: httpcore.Origin,
    ) -> None:
        self.status, self.headers, self.extensions = response.status, response.headers, response.extensions
        self._response, self._home, self._connection, self._origin = response, home, connection, origin
        self._closed = False

    def parts(self) -> AsyncIterator[bytes]:
        """The body, part by part."""
        return aiter(cast(AsyncIterator[bytes], self._response.stream))

    async def close(self) -> None:
        """Let go of the connection; what is left of the body is not waited for."""
        if not self._closed:
            self._closed = True
            try:
                await self._response.aclose()
            finally:
                await self._home.back(self._origin, self._connection)
