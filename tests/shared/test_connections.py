"""A connection is believed for one answer at a time: whatever a peer adds, leaves out or splits, no answer becomes another's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from shared.connections import Broken, Connections, Headers, Place

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(slots=True)
class Site:
    """A peer that answers the n-th request, of all its connections, with the n-th script: parts, and `None` hangs up."""

    scripts: Sequence[Sequence[bytes | None]]
    asked: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.asked.append(await reader.readuntil(b"\r\n\r\n"))
                for part in self.scripts[min(len(self.asked), len(self.scripts)) - 1]:
                    if part is None:
                        writer.close()
                        return
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        writer.close()


@asynccontextmanager
async def peer(*scripts: Sequence[bytes | None]) -> AsyncIterator[tuple[Site, Connections]]:
    async def resolve(host: str, port: int) -> str:
        return "127.0.0.1"

    site = Site(scripts)
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    connections = Connections(resolve, most=4)
    try:
        yield site, connections
    finally:
        await connections.aclose()
        server.close()


async def get(
    site: Site, connections: Connections, *, method: bytes = b"GET", headers: Headers = ()
) -> tuple[int, bytes]:
    answer = await connections.send(Place("peer.example", site.port, False), method, b"/", headers, b"")
    try:
        body = b""
        while (part := await answer.part()) is not None:
            body += part
        return answer.status, body
    finally:
        await answer.close()


@pytest.mark.parametrize(
    ("what", "script", "body"),
    [
        ("byte by byte", [_OK[i : i + 1] for i in range(len(_OK))], b"ok"),
        (
            "in chunks",
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\n", b"k\r\n0\r\n\r\n"],
            b"ok",
        ),
        ("until it hangs up", [b"HTTP/1.1 200 OK\r\n\r\no", b"k", None], b"ok"),
        ("after an interim answer", [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", _OK], b"ok"),
        ("without a body", [b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
    ],
)
async def test_an_answer_is_whole_however_it_comes(what: str, script: Sequence[bytes | None], body: bytes) -> None:
    async with peer(script) as (site, connections):
        for _ in range(2):
            assert (await get(site, connections))[1] == body


@pytest.mark.parametrize(
    ("what", "script"),
    [
        ("hangs up at once", [None]),
        ("hangs up in the head", [b"HTTP/1.1 200 OK\r\ncontent-le", None]),
        ("hangs up in the body", [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok", None]),
        ("hangs up between chunks", [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", None]),
        ("speaks something else", [b"220 mail.example ESMTP\r\n"]),
        (
            "changes the protocol",
            [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", None],
        ),
        ("says two lengths", [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"]),
        ("says a length and chunks", [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok"]),
        (
            "never ends its head",
            [b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 8000 + b"\r\n"] + [b"x: " + b"y" * 8000 + b"\r\n"] * 9,
        ),
    ],
)
async def test_what_is_no_whole_answer_is_a_connection_that_failed(what: str, script: Sequence[bytes | None]) -> None:
    async with peer(script) as (site, connections):
        for _ in range(5):  # more than there is room for: each gives its place back
            with pytest.raises(Broken):
                await get(site, connections)


async def test_bytes_that_nobody_asked_for_are_no_answer_to_the_next_request() -> None:
    """Response smuggling: a second answer behind the first would be taken for another patient's."""
    forged = b"HTTP/1.1 200 OK\r\nx-forged: 1\r\ncontent-length: 6\r\n\r\nforged"
    for script in ([_OK + forged], [_OK, forged], [_OK + b"\r\nrubbish"]):
        async with peer(script, [_OK]) as (site, connections):
            assert await get(site, connections) == (200, b"ok")
            await asyncio.sleep(0.03)
            assert await get(site, connections) == (200, b"ok")
            assert site.connections == 2


async def test_an_answer_that_was_not_read_to_its_end_is_not_left_to_the_next() -> None:
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nhalf"
    async with peer([long], [_OK]) as (site, connections):
        answer = await connections.send(Place("peer.example", site.port, False), b"GET", b"/", (), b"")
        assert await answer.part() == b"half"
        await answer.close()
        assert await get(site, connections) == (200, b"ok")
        assert site.connections == 2


async def test_an_answer_that_came_whole_and_was_not_taken_is_not_the_next_ones_body() -> None:
    """A body over its limit is left where it is: it would be read as that of the next patient."""
    async with peer([b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nanother"], [_OK]) as (site, connections):
        answer = await connections.send(Place("peer.example", site.port, False), b"GET", b"/", (), b"")
        await asyncio.sleep(0.05)
        await answer.close()
        assert await get(site, connections) == (200, b"ok")
        assert site.connections == 2


async def test_a_body_that_nobody_takes_is_not_read_from_the_wire() -> None:
    size = 8_000_000
    async with peer([b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, b"x" * size]) as (site, connections):
        answer = await connections.send(Place("peer.example", site.port, False), b"GET", b"/", (), b"")
        await asyncio.sleep(0.2)
        assert answer.waiting < 1_000_000
        taken = 0
        while (part := await answer.part()) is not None:
            taken += len(part)
        await answer.close()
        assert taken == size


async def test_a_read_on_a_kept_connection_that_its_peer_had_closed_is_sent_again_and_a_write_is_not() -> None:
    for method, ends in ((b"GET", True), (b"POST", False)):
        async with peer([_OK], [None], [_OK]) as (site, connections):
            assert await get(site, connections) == (200, b"ok")
            if ends:
                assert await get(site, connections, method=method) == (200, b"ok")
            else:
                with pytest.raises(Broken):
                    await get(site, connections, method=method)
            assert len(site.asked) == (3 if ends else 2)


@pytest.mark.parametrize("header", [(b"x", b"1\r\nx-second: 1"), (b"x", b"1\n"), (b"x: 1\r\ny", b"2"), (b"x", b"\0")])
async def test_a_header_that_would_be_two_is_not_sent(header: tuple[bytes, bytes]) -> None:
    async with peer([_OK]) as (site, connections):
        with pytest.raises(ValueError, match="not a header"):
            await get(site, connections, headers=[header])
        assert not site.asked
        assert await get(site, connections) == (200, b"ok")


async def test_a_caller_that_gives_up_takes_its_connection_with_it() -> None:
    late = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate"
    async with peer([b"", b"", b"", b"", b"", late], [_OK]) as (site, connections):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await get(site, connections)
        assert await get(site, connections) == (200, b"ok")
