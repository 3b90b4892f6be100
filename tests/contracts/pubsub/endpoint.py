"""A push endpoint: real HTTP on loopback that keeps each request as it came and answers what the test says."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

_PATIENCE = 8.0


@dataclass(frozen=True, slots=True)
class Push:
    """`headers` have lower-case names; `at` is in seconds of the loop's clock."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def envelope(self) -> Any:
        """A wrapped push's JSON."""
        return json.loads(self.body)

    @property
    def data(self) -> str:
        """A wrapped push's data, as text."""
        return b64decode(self.envelope["message"].get("data", "")).decode()


async def yes(_: Push) -> int:
    return 204


@dataclass(eq=False)
class Endpoint:
    """`answer` gives the status of each push."""

    url: str = ""
    answer: Callable[[Push], Awaitable[int]] = yes
    pushes: list[Push] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def until(self, count: int, within: float = _PATIENCE) -> list[Push]:
        """The pushes, when there are as many. Raises AssertionError when they do not come."""
        try:
            async with asyncio.timeout(within):
                while len(self.pushes) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{len(self.pushes)} pushes came, not {count}") from None
        return self.pushes

    async def quiet(self, seconds: float = 0.5) -> list[Push]:
        """The pushes, after a while in which any more could have come."""
        await asyncio.sleep(seconds)
        return self.pushes

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while True:
                push = await _read(reader)
                self.pushes.append(push)
                self._news.set()
                status = await self.answer(push)
                writer.write(f"HTTP/1.1 {status} .\r\nContent-Length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()
        finally:
            self._serving.discard(task)

    async def stop(self) -> None:
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving)


async def _read(reader: asyncio.StreamReader) -> Push:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()[:-4]
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Push(asyncio.get_running_loop().time(), first.split(" ")[1], headers, body)


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    made.url = f"http://{host}:{port}"
    yield made
    server.close()
    await made.stop()
