"""One AppendRows call: requests go out as they come, and the answers come back in their order.

It ends by itself when there was no request for a while, since BigQuery would cut it and the next row would find out. The
outcome of whatever waits when it breaks is in Broken.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from shared.sinks.bigquery.outcomes import Meaning, Outcome, of_exception

type Open = Callable[[AsyncIterator[Any]], Awaitable[AsyncIterator[Any]]]  # requests → responses, one AppendRows call

_BREATH = 2.0  # seconds for a stream to end by itself when it is closed


class Broken(Exception):
    """The call ended before it answered."""

    def __init__(self, meaning: Meaning) -> None:
        super().__init__(meaning.name)
        self.meaning = meaning


class Stream:
    """One AppendRows call. Each answer goes to the oldest request that waits for one."""

    def __init__(self, open_stream: Open, idle: float) -> None:
        self.closed = False
        self._idle = idle
        self._requests: asyncio.Queue[object | None] = asyncio.Queue()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._exchange = asyncio.create_task(self._run(open_stream))

    async def ask(self, request: object) -> Any:
        """The answer to a request. Raises Broken."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._requests.put_nowait(request)
        return await answer

    async def close(self) -> None:
        """Say that no more will come, and wait a moment for the other side to agree."""
        self.closed = True
        self._requests.put_nowait(None)
        await asyncio.wait([self._exchange], timeout=_BREATH)
        self._exchange.cancel()
        await asyncio.wait([self._exchange])

    def abandon(self) -> None:
        """Give up on the call: all that waits is broken."""
        self.closed = True
        self._exchange.cancel()

    async def _run(self, open_stream: Open) -> None:
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        end = Meaning(Outcome.AGAIN, "ENDED")
        try:
            async for response in await open_stream(self._outgoing()):
                if not self._waiting:
                    break  # an answer to nothing: this call can no longer be made sense of
                answer = self._waiting.popleft()
                if not answer.done():  # else its caller has left
                    answer.set_result(response)
        except GoogleAPIError as error:
            end = of_exception(error)
        except GoogleAuthError:
            end = Meaning(Outcome.REFUSED, "UNAUTHENTICATED")
        finally:
            self.closed = True
            self._requests.put_nowait(None)
            for answer in self._waiting:
                if not answer.done():
                    answer.set_exception(Broken(end))

    async def _outgoing(self) -> AsyncIterator[object]:
        while True:
            try:
                async with asyncio.timeout(self._idle):
                    request = await self._requests.get()
            except TimeoutError:
                if self._waiting:
                    continue
                self.closed = True
                return
            if request is None:
                return
            yield request
