"""Many rows, one stream: the Storage Write API's AppendRows as a call that a coroutine can await.

    append(row) ─┐                                   ┌─► durable
    append(row) ─┼─► batch ─► AppendRows, in order ──┼─► ROW_REFUSED, for that row alone
    append(row) ─┘                                   └─► WAREHOUSE_DOWN, with the time to come back if a quota is used up

Google's own AppendRowsStream blocks the event loop while it opens, and fails all that is under way when its stream
breaks. Here a stream is opened when there is a row and closed when there has been none for a while. When it breaks, the
outcome of what was under way is unknown: those rows are sent once more on a new stream, which is safe because the
sequence decides in the tables with a key, and the view hides repeats of the change log.

Bounded in flight: four requests of at most MAX_REQUEST bytes for each table, and MAX_PENDING bytes with those that
wait; what comes on top is sent back (OVERLOADED).

A table may have columns that this writer does not know: they are null in its rows, and a stream that tells of them
(`updated_schema`) goes on. A writer may know columns that the table does not have yet: its rows wait (WAREHOUSE_DOWN)
until `./dev provision` has added them, and each new attempt opens a stream that looks again.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.batching import Batcher
from shared.deadlines import Deadlines
from shared.errors import Code, Problem
from shared.sinks.bigquery.outcomes import Meaning, Outcome, of_response
from shared.sinks.bigquery.stream import Broken, Open, Stream
from shared.telemetry.metrics import BATCH_ITEMS, BATCHES

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto

MAX_REQUEST = 8_500_000  # bytes of rows; BigQuery takes 10 MB with all that is around them
MAX_PENDING = 64_000_000  # bytes of rows, in flight and waiting
_AROUND = 8  # bytes that protobuf adds to a row, at most
_ATTEMPTS = 2
_LONGEST = 60.0  # seconds for which a used up quota is left alone, at most


class Appender:
    """The rows of one table. `descriptor` is its writer schema, asked for when a stream is opened."""

    def __init__(
        self,
        table: str,
        stream: str,
        descriptor: "Callable[[], DescriptorProto]",
        open_stream: Open,
        *,
        idle: float,
        timeout: float,
    ) -> None:
        self._table, self._name, self._descriptor, self._open = table, stream, descriptor, open_stream
        self._idle, self._deadlines = idle, Deadlines(timeout)
        self._stream: Stream | None = None
        self._pending = 0
        self._pauses, self._paused_until = 0, 0.0
        self._rows: Batcher[bytes, None] = Batcher(
            self._send, max_items=1000, max_bytes=MAX_REQUEST, in_flight=4, size=lambda row: len(row) + _AROUND
        )

    async def append(self, row: bytes) -> None:
        """Returns when the row is durable. Raises Problem(ROW_REFUSED | WAREHOUSE_DOWN | OVERLOADED)."""
        if self._pending + len(row) > MAX_PENDING:
            raise Problem(Code.OVERLOADED, self._table)
        self._pending += len(row)
        try:
            await self._rows.submit(row)
        finally:
            self._pending -= len(row)

    async def close(self) -> None:
        await self._rows.drain()
        if self._stream is not None:
            await self._stream.close()

    async def _send(self, rows: Sequence[bytes]) -> Sequence[Exception | None]:
        BATCHES.add(1, "bigquery")
        BATCH_ITEMS.add(len(rows), "bigquery")
        response, meaning = await self._ask(rows)
        if response is not None and response.row_errors:
            refused = {error.index for error in response.row_errors}
            # With one bad row BigQuery takes none of the request: its neighbours go again without it.
            kept = [row for index, row in enumerate(rows) if index not in refused]
            again = iter(await self._send(kept) if kept else ())
            return [
                Problem(Code.ROW_REFUSED, self._table) if index in refused else next(again)
                for index in range(len(rows))
            ]
        if meaning.outcome is Outcome.WRITTEN:
            self._pauses = 0
            return [None] * len(rows)
        return [self._down(meaning) for _ in rows]  # of the request as a whole, so not the rows' fault

    async def _ask(self, rows: Sequence[bytes]) -> tuple[Any, Meaning]:
        """BigQuery's answer to these rows if there is one, asked again if nobody knows what became of them."""
        meaning = Meaning(Outcome.WAIT, "RESOURCE_EXHAUSTED")
        for _ in range(_ATTEMPTS):
            if self._resting():
                break
            stream, request = self._live(rows)
            response = None
            try:
                with self._deadlines.one():
                    response = await stream.ask(request)
                meaning = of_response(response)
            except TimeoutError:
                meaning = Meaning(Outcome.AGAIN, "TIMEOUT")
            except Broken as broken:
                meaning = broken.meaning
            if response is not None and (response.row_errors or meaning.outcome is Outcome.WRITTEN):
                return response, meaning
            stream.abandon()  # whatever this stream has seen of the table may have changed when we come back
            if meaning.outcome is Outcome.WAIT:
                self._rest()
            if meaning.outcome is not Outcome.AGAIN:
                break
        return None, meaning

    def _live(self, rows: Sequence[bytes]) -> tuple[Stream, object]:
        """A stream that is open, and the request for it: the first one on a stream says where to and of what form."""
        made = _request()
        request = made.pb()()
        request.proto_rows.rows.serialized_rows.extend(rows)
        if self._stream is None or self._stream.closed:
            self._stream = Stream(self._open, self._idle)
            request.write_stream = self._name
            request.trace_id = "starvit"
            request.proto_rows.writer_schema.proto_descriptor.CopyFrom(self._descriptor())
        return self._stream, made.wrap(request)

    def _down(self, meaning: Meaning) -> Problem:
        wait = max(0.0, self._paused_until - _now())
        return Problem(Code.WAREHOUSE_DOWN, f"{self._table} {meaning.name}", retry_after=wait or None)

    def _resting(self) -> bool:
        return _now() < self._paused_until

    def _rest(self) -> None:
        """Leave a used up quota alone: 1, 2, 4 … seconds, and not all instances for the same time."""
        if self._resting():
            return  # several requests were under way; it is one event
        seconds = min(_LONGEST, 2.0**self._pauses) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        self._pauses += 1
        self._paused_until = _now() + seconds


@cache
def _request() -> Any:
    """Imported with the first row, and looked up once."""
    from google.cloud.bigquery_storage_v1.types import AppendRowsRequest

    return AppendRowsRequest


def _now() -> float:
    return asyncio.get_running_loop().time()
