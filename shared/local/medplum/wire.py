"""The HTTP/1.1 client of the hooks: request bytes as given, over connections that are kept and used again.

No library client keeps the order and the case of header names, and both are part of what a receiver may depend on.
Left out: everything that a rest-hook does not need (compression, cookies, proxies, HTTP/2).
"""

import asyncio
from collections import defaultdict
from urllib.parse import urljoin, urlsplit

from shared.local.medplum.hooks import Request

type _Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
type _Place = tuple[str, int, bool]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 20


class Wire:
    """A pool of connections, as many for each host as are needed at once."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._idle: defaultdict[_Place, list[_Connection]] = defaultdict(list)

    async def send(self, request: Request) -> int:
        """The status of the answer, after redirects. Raises OSError (TimeoutError too) and EOFError."""
        async with asyncio.timeout(self._timeout):
            for _ in range(_MOST_REDIRECTS):
                status, location = await self._exchange(request)
                if status not in _REDIRECTS or not location:
                    return status
                request = request.redirected(status, urljoin(request.url, location))
        raise ConnectionError("too many redirects")

    def close(self) -> None:
        """Drop all idle connections."""
        for connections in self._idle.values():
            for _, writer in connections:
                writer.close()
        self._idle.clear()

    async def _exchange(self, request: Request) -> tuple[int, str]:
        parts = urlsplit(request.url)
        secure = parts.scheme == "https"
        place = (parts.hostname or "", parts.port or (443 if secure else 80), secure)
        sent = request.head() + request.body
        while idle := self._idle[place]:
            reader, writer = idle.pop()
            if reader.at_eof() or writer.is_closing():
                writer.close()
                continue
            try:
                return await self._over(place, (reader, writer), sent)
            except _ClosedUnused:
                continue  # the server had closed it while it was idle: it has not seen this request
        reader, writer = await asyncio.open_connection(place[0], place[1], ssl=secure or None)
        return await self._over(place, (reader, writer), sent)

    async def _over(self, place: _Place, connection: _Connection, sent: bytes) -> tuple[int, str]:
        reader, writer = connection
        keep = False
        try:
            writer.write(sent)
            status, headers = await _head(reader)
            await _body(reader, status, headers)
            keep = headers.get("connection", "").lower() != "close"
            return status, headers.get("location", "")
        finally:
            if keep:
                self._idle[place].append(connection)
            else:
                writer.close()


class _ClosedUnused(ConnectionError):
    """The connection ended before the first byte of an answer."""


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        block = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError) as error:
        if getattr(error, "partial", b""):
            raise
        raise _ClosedUnused from None
    first, *lines = block.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(first.split(" ", 2)[1]), headers


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> None:
    """Read and drop the body: nothing in it matters to Medplum."""
    if status in (204, 304):
        return
    if "chunked" in headers.get("transfer-encoding", ""):
        while size := int((await reader.readline()).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        while (await reader.readline()).strip():
            continue
    elif "content-length" in headers:
        await reader.readexactly(int(headers["content-length"]))
    else:
        headers["connection"] = "close"
        await reader.read()
