"""A receiver of rest-hooks that keeps each request as it came over the wire: header order, case and bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

type Responder = Callable[["Received"], Awaitable[tuple[int, str]]]


@dataclass(frozen=True, slots=True)
class Received:
    at: float
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


async def ok(_: Received) -> tuple[int, str]:
    return 204, ""


@dataclass
class Receiver:
    """`respond` gives the status and, for a redirect, the location."""

    url: str = ""
    respond: Responder = ok
    received: list[Received] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                block = await reader.readuntil(b"\r\n\r\n")
                first, *lines = block.decode("latin-1")[:-4].split("\r\n")
                method, path, _ = first.split(" ")
                headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
                length = next((int(value) for name, value in headers if name == "content-length"), 0)
                body = await reader.readexactly(length)
                request = Received(asyncio.get_running_loop().time(), method, path, headers, body)
                self.received.append(request)
                self.first.set()
                status, location = await self.respond(request)
                where = f"location: {location}\r\n" if location else ""
                writer.write(f"HTTP/1.1 {status} .\r\n{where}content-length: 0\r\n\r\n".encode())
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    receiver.url = f"http://{host}:{port}"
    yield receiver
    server.close()
