"""Bytes that are hardly HTTP, or come hardly at all: against the protocol that the workers run, on a real socket."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from uvicorn.config import Config
from uvicorn.server import ServerState

from handlers.wire import Bounded
from shared.errors import Code
from tests.attacks.target import CANARY, PUSH, WEBHOOK, Attack, Family, Target

_PATIENCE = 20.0  # seconds until a connection that should have been closed counts as held open
_BUFFERS = 12 * 1024 * 1024  # more bytes than two sockets hold of what nobody has read yet


class _Quick(Bounded):
    """The same bounds, for a test that has less time."""

    head_seconds, body_seconds = 0.4, 0.8


@asynccontextmanager
async def _socket(on: Target) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = Config(
        on.edge.app, http=_Quick, ws="none", lifespan="off", log_config=None, server_header=False, proxy_headers=False
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Quick(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        server.close()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_PATIENCE)
        await server.wait_closed()


type Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]


def said(*parts: bytes, every: float = 0.0, for_ever: bool = False) -> Speak:
    """Say these, one after the other; and the last one again and again."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every)
        while for_ever:
            writer.write(parts[-1])
            await writer.drain()
            await asyncio.sleep(every)

    return speak


def ends(speak: Speak, *statuses: int | None) -> Attack:
    """The connection is closed by the service, after an answer with one of these statuses, or (None) without any."""

    async def attack(on: Target) -> list[str]:
        before, mark = len(on.edge.published), on.said.tell()
        async with _socket(on) as (reader, writer):
            speaking = asyncio.ensure_future(_quietly(speak(writer)))
            answer = io.BytesIO()
            try:
                async with asyncio.timeout(_PATIENCE):
                    while part := await reader.read(65_536):
                        answer.write(part)
            except ConnectionError:
                pass
            except TimeoutError:
                return ["the connection is held open"]
            finally:
                speaking.cancel()
        faults = _judged(answer.getvalue(), statuses)
        if len(on.edge.published) > before:
            faults.append("something was published")
        if CANARY.encode() in on.said.getvalue()[mark:]:
            faults.append("it is in the log")
        return faults

    return attack


async def _one_endless_trailer(on: Target) -> list[str]:
    """A line behind the body's end that has no end itself: nothing that is counted as a body's bytes, nor as a head's."""
    sent = 0
    async with _socket(on) as (_, writer):
        writer.write(_head(WEBHOOK, _CHUNKED) + b"0\r\nx: ")
        with suppress(ConnectionError):
            async with asyncio.timeout(_PATIENCE):
                while sent < 2 * _BUFFERS:
                    writer.write(b"a" * 65_536)
                    await writer.drain()
                    sent += 65_536
    return [] if sent < _BUFFERS else ["megabytes of it were taken"]


async def _quietly(speaking: Awaitable[None]) -> None:
    try:
        await speaking
    except ConnectionError:
        return


def _judged(answer: bytes, statuses: tuple[int | None, ...]) -> list[str]:
    if not answer:
        return [] if None in statuses else ["no answer"]
    status = int(answer.split(b" ", 2)[1])
    if status not in statuses:
        return [f"answered {status}"]
    head, _, body = answer.partition(b"\r\n\r\n")
    faults = ["it came back"] if CANARY.encode() in answer else []
    if b"application/problem+json" not in head:
        return [*faults, "not the one error model"]
    code = json.loads(body.split(b"\r\n\r\nHTTP/")[0].split(b"HTTP/1.1")[0])["code"]
    return faults if Code.of(code).status == status else [*faults, "another code"]


def _head(path: str = PUSH, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", *lines, "", "")).encode("latin-1")


_CLOSE = "Connection: close"
_CHUNKED = "Transfer-Encoding: chunked"

ATTACKS: Family = {
    "a connection that says nothing": ends(said(b""), None),
    "half a head, and then silence": ends(said(b"POST /v1/push/validation HTTP/1.1\r\nHo"), None),
    "a head of one byte now and then": ends(said(b"POST / HTTP/1.1\r\nx: ", b"a", every=0.05, for_ever=True), None),
    "a head of a header now and then": ends(said(b"POST / HTTP/1.1\r\n", b"x: a\r\n", every=0.05, for_ever=True), None),
    "a body that never comes": ends(said(_head(WEBHOOK, "Content-Length: 100")), None),
    "a body of one byte now and then": ends(
        said(_head(WEBHOOK, "Content-Length: 9999"), b"a", every=0.05, for_ever=True), None
    ),
    "a chunk of one byte now and then": ends(
        said(_head(WEBHOOK, _CHUNKED), b"1\r\na\r\n", every=0.05, for_ever=True), None
    ),
    "a body without end after the answer": ends(
        said(_head("/nowhere", _CHUNKED), b"1\r\na\r\n", every=0.05, for_ever=True), 404
    ),
    "trailers without end": ends(
        said(_head(WEBHOOK, _CHUNKED), b"0\r\n", b"x: a\r\n", every=0.05, for_ever=True), None, 401
    ),
    "one trailer without end": _one_endless_trailer,
    "a second request that never gets ready": ends(said(_head("/nowhere"), b"POST / HT"), 404),
    "a header without end": ends(said(b"POST / HTTP/1.1\r\nx: ", b"a" * 65_536, for_ever=True), 431, None),
    "ten thousand headers": ends(said(_head(PUSH, *["x-canary: Canaryfamily"] * 10_000)), 431),
    "a header of a hundred kilobytes": ends(said(_head(PUSH, "x: " + "a" * 100_000)), 431),
    "a path of a hundred kilobytes": ends(said(_head("/" + "a" * 100_000)), 431),
    "a body without end": ends(
        said(_head(WEBHOOK, _CHUNKED), b"10000\r\n" + b"a" * 65_536 + b"\r\n", for_ever=True), 413, None
    ),
    "more than is taken, announced": ends(said(_head(WEBHOOK, "Content-Length: 10000001", _CLOSE)), 413),
    "more than is taken, to be waved on (Expect)": ends(
        said(_head(WEBHOOK, "Content-Length: 10000001", "Expect: 100-continue", _CLOSE)), 413
    ),
    "two lengths that differ": ends(said(_head(PUSH, "Content-Length: 2", "Content-Length: 30"), b"{}"), 400),
    "a length and pieces at once (smuggling)": ends(
        said(_head(PUSH, "Content-Length: 4", _CHUNKED), b"0\r\n\r\nGET /Canaryfamily HTTP/1.1\r\n\r\n"), 400
    ),
    "pieces by another name (smuggling)": ends(said(_head(PUSH, "Transfer-Encoding: xchunked"), b"0\r\n\r\n"), 400),
    "a name with a space behind it (smuggling)": ends(said(_head(PUSH, "Content-Length : 2"), b"{}"), 400),
    "a header folded over two lines": ends(said(_head(PUSH, "x: a\r\n Canaryfamily")), 400),
    "a length below nothing": ends(said(_head(PUSH, "Content-Length: -1")), 400),
    "a length in hexadecimal": ends(said(_head(PUSH, "Content-Length: 0x10")), 400),
    "a length beyond all memory": ends(said(_head(PUSH, "Content-Length: " + "9" * 40)), 400),
    "a piece of no known size": ends(said(_head(WEBHOOK, _CHUNKED), b"Canary\r\n"), 400),
    "a byte of nothing in a header": ends(said(_head(PUSH, "x: Canary\0family")), 400),
    "a lone carriage return in a header": ends(said(_head(PUSH, "x: a\rx-canary: Canaryfamily")), 400),
    "a line that is no header": ends(said(_head(PUSH, "Canaryfamily")), 400),
    "HTTP of 1991": ends(said(b"GET /Canaryfamily\r\n\r\n"), 400, 404),
    "HTTP of a version to come": ends(said(b"GET / HTTP/9.9\r\n\r\n"), 400),
    "HTTP/2 without being asked": ends(said(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400),
    "TLS on a plain port": ends(said(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500), 400),
    "another protocol altogether": ends(said(b"EHLO canaryfamily\r\n"), 400),
    "a change to a web socket": ends(
        said(_head(PUSH, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", method="GET")), 405
    ),
    "a change to HTTP/2": ends(said(_head(PUSH, "Connection: Upgrade", "Upgrade: h2c", method="GET")), 405),
    "somebody else's URL as the path": ends(said(_head("http://evil.example" + PUSH, _CLOSE)), 401),
    "a tunnel": ends(said(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, 404),
    "a path that is not ASCII": ends(said(_head("/v1/push/Canaryfamilié")), 400, 404),
    "a sender who hangs up in the middle": ends(said(_head(WEBHOOK, "Content-Length: 100", _CLOSE), b"{"), None),
}
