"""Many rows, one stream: the Storage Write API's AppendRows as a call that a coroutine can await.

    append(row) ─┐                                   ┌─► durable
    append(row) ─┼─► batch ─► AppendRows, in order ──┼─► ROW_REFUSED, for that row alone
    append(row) ─┘                                   └─► WAREHOUSE_DOWN

Google's own AppendRowsStream blocks the event loop while it opens, and fails all that is under way when its stream
breaks. Here a stream is opened when there is a row and closed when there has been none for a while (BigQuery would cut
it, and the next row would find out). When it breaks, the outcome of what was under way is unknown: those rows are sent
once more on a new stream, which is safe because the sequence decides in the one table and the view hides repeats of
the other. What BigQuery says about a row may quote it, so its messages are dropped and only codes are kept.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from shared.batching import Batcher
from shared.errors import Code, Problem
from shared.telemetry.metrics import BATCH_ITEMS, BATCHES

type Open = Callable[[AsyncIterator[Any]], Awaitable[AsyncIterator[Any]]]  # requests → responses, one AppendRows call

MAX_REQUEST = 8_500_000  # bytes of rows; BigQuery takes 10 MB with all that is around them
_BREATH = 2.0  # seconds for a stream to end by itself when it is closed


class _Broken(Exception):
    """The stream ended before it answered: nobody knows what became of the request. Carries the status' name."""


class Stream:
    """One AppendRows call. The answers come in the order of the requests, so each goes to the oldest that waits."""

    def __init__(self, open_stream: Open, idle: float) -> None:
        self.closed = False
        self._idle = idle
        self._requests: asyncio.Queue[object | None] = asyncio.Queue()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._exchange = asyncio.create_task(self._run(open_stream))

    async def ask(self, request: object) -> Any:
        """The answer to a request. Raises _Broken."""
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

        end = "ENDED"
        try:
            async for response in await open_stream(self._outgoing()):
                answer = self._waiting.popleft()
                if not answer.done():  # else its caller has left
                    answer.set_result(response)
        except GoogleAPIError as error:
            end = str(getattr(getattr(error, "grpc_status_code", None), "name", None) or "UNKNOWN")
        except GoogleAuthError:
            end = "UNAUTHENTICATED"
        finally:
            self.closed = True
            self._requests.put_nowait(None)
            for answer in self._waiting:
                if not answer.done():
                    answer.set_exception(_Broken(end))

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


class Appender:
    """The rows of one table."""

    def __init__(self, table: str, stream: str, open_stream: Open, *, idle: float, timeout: float) -> None:
        self._table, self._name, self._open = table, stream, open_stream
        self._idle, self._timeout = idle, timeout
        self._stream: Stream | None = None
        self._rows: Batcher[bytes, None] = Batcher(self._send, max_items=1000, max_bytes=MAX_REQUEST, size=len)

    async def append(self, row: bytes) -> None:
        """Returns when the row is durable. Raises Problem(ROW_REFUSED | WAREHOUSE_DOWN)."""
        await self._rows.submit(row)

    async def close(self) -> None:
        await self._rows.drain()
        if self._stream is not None:
            await self._stream.close()

    async def _send(self, rows: Sequence[bytes]) -> Sequence[Exception | None]:
        BATCHES.add(1, "bigquery")
        BATCH_ITEMS.add(len(rows), "bigquery")
        try:
            response = await self._ask(rows)
        except _Broken as error:
            return [Problem(Code.WAREHOUSE_DOWN, f"{self._table} {error}") for _ in rows]
        refused = {error.index for error in response.row_errors}
        if refused:
            # With one bad row BigQuery takes none of the request: its neighbours go again without it.
            kept = [row for index, row in enumerate(rows) if index not in refused]
            again = iter(await self._send(kept) if kept else ())
            return [
                Problem(Code.ROW_REFUSED, self._table) if index in refused else next(again)
                for index in range(len(rows))
            ]
        if response.error.code:  # the request as a whole, so not the rows' fault: a missing right, table or column
            return [Problem(Code.WAREHOUSE_DOWN, self._table) for _ in rows]
        return [None] * len(rows)

    async def _ask(self, rows: Sequence[bytes]) -> Any:
        """BigQuery's answer to these rows, asked once more if the first stream broke. Raises _Broken."""
        end = ""
        for _ in range(2):
            stream, request = self._live(rows)
            try:
                async with asyncio.timeout(self._timeout):
                    return await stream.ask(request)
            except TimeoutError:
                stream.abandon()
                end = "TIMEOUT"
            except _Broken as error:
                end = str(error)
        raise _Broken(end)

    def _live(self, rows: Sequence[bytes]) -> tuple[Stream, object]:
        """A stream that is open, and the request for it: the first one on a stream says where to and of what form."""
        from google.cloud.bigquery_storage_v1.types import AppendRowsRequest

        from shared.sinks.bigquery import schema

        request = AppendRowsRequest.pb()()
        request.proto_rows.rows.serialized_rows.extend(rows)
        if self._stream is None or self._stream.closed:
            self._stream = Stream(self._open, self._idle)
            request.write_stream = self._name
            request.trace_id = "starvit"
            request.proto_rows.writer_schema.proto_descriptor.CopyFrom(schema.descriptor(self._table))
        return self._stream, AppendRowsRequest.wrap(request)
