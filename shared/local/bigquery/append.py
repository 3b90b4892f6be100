"""BigQueryWrite over gRPC: AppendRows on default streams.

    AppendRowsRequest ─► decode ─► [one commit for all that waits] ─► AppendRowsResponse, in the order of the requests

A fault can be planted: the stream is reset before the rows are taken, or after they were made durable but before the
answer, which the other side can not tell apart.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse, RowError
from grpc import aio

from shared.batching import Batcher
from shared.local.bigquery.decode import BadRow, Decode, SchemaMismatch, decoder
from shared.local.bigquery.store import Batch, Store, Table

MAX_REQUEST = 10_000_000
_STREAM = re.compile(r"projects/[^/]+/datasets/(?P<dataset>[^/]+)/tables/(?P<table>[^/]+)/(streams/)?_default")
_PIPELINED = 32  # requests of one stream that may be under way


class Fault(Enum):
    """What becomes of a request: its stream is reset, and its rows are lost or kept."""

    RESET_BEFORE = "before"
    RESET_AFTER = "after"


@dataclass(slots=True)
class Stats:
    """What the gRPC side has seen since the start."""

    streams: int = 0
    requests: int = 0
    rows: int = 0
    bytes: int = 0
    refused: int = 0
    commits: int = 0
    resets: int = 0


class _Refusal(Exception):
    """The call ends with this status."""

    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class _Connection:
    """What the first request of a call said, and later ones may leave out."""

    table: Table | None = None
    decode: Decode | None = None
    rows: list[dict[str, object]] = field(default_factory=list)


class BigQueryWrite:
    """The servicer. `faults` are used up by the next requests, one each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commits: Batcher[Batch, None] = Batcher(self._commit, max_items=200, max_wait=0.002, in_flight=1)
        self.faults: deque[Fault] = deque()
        self.stats = Stats()

    def handlers(self) -> grpc.GenericRpcHandler:
        """To be added to a server. GetWriteStream and the rest of the service are answered UNIMPLEMENTED by gRPC."""
        append = grpc.stream_stream_rpc_method_handler(
            self._append_rows,
            request_deserializer=AppendRowsRequest.pb().FromString,
            response_serializer=AppendRowsResponse.serialize,
        )
        return grpc.method_handlers_generic_handler(
            "google.cloud.bigquery.storage.v1.BigQueryWrite", {"AppendRows": append}
        )

    async def _append_rows(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[AppendRowsResponse]:
        self.stats.streams += 1
        answers: asyncio.Queue[asyncio.Task[AppendRowsResponse] | None] = asyncio.Queue(_PIPELINED)

        async def read() -> None:
            connection = _Connection()
            async for request in requests:
                await answers.put(asyncio.create_task(self._answer(connection, request)))
            await answers.put(None)

        reading = asyncio.create_task(read())
        try:
            while (answer := await answers.get()) is not None:
                yield await answer
        except _Refusal as refusal:
            await context.abort(refusal.status, str(refusal))
        finally:
            reading.cancel()

    async def _answer(self, connection: _Connection, request: Any) -> AppendRowsResponse:
        # Nothing is awaited before the rows are in the commit's queue, so that requests are taken in their order.
        self.stats.requests += 1
        fault = self.faults.popleft() if self.faults else None
        if fault is Fault.RESET_BEFORE:
            self.stats.resets += 1
            raise _Refusal(grpc.StatusCode.UNAVAILABLE, "reset")
        self._introduce(connection, request)
        assert connection.table is not None
        assert connection.decode is not None
        size = request.ByteSize()
        self.stats.bytes += size
        if size > MAX_REQUEST:
            return _refused(f"the request has {size} bytes", ())
        rows: list[dict[str, object]] = []
        errors: list[RowError] = []
        for index, data in enumerate(request.proto_rows.rows.serialized_rows):
            try:
                rows.append(connection.decode(data))
            except BadRow as error:
                errors.append(RowError(index=index, code=RowError.RowErrorCode.FIELDS_ERROR, message=str(error)))
        if errors:
            self.stats.refused += len(errors)
            return _refused("rows have errors; none was appended", errors)
        await self._commits.submit((connection.table, rows))
        self.stats.rows += len(rows)
        if fault is Fault.RESET_AFTER:
            self.stats.resets += 1
            raise _Refusal(grpc.StatusCode.UNAVAILABLE, "reset")
        return AppendRowsResponse(append_result=AppendRowsResponse.AppendResult(), write_stream=connection.table.name)

    def _introduce(self, connection: _Connection, request: Any) -> None:
        if request.write_stream:
            named = _STREAM.fullmatch(request.write_stream)
            if named is None:
                raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "only default streams are taken")
            connection.table = self._store.tables.get((named["dataset"], named["table"]))
            if connection.table is None:
                raise _Refusal(grpc.StatusCode.NOT_FOUND, "no such table")
        if connection.table is None:
            raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the first request must name its stream")
        if request.HasField("offset"):
            raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "a default stream takes no offset")
        if request.proto_rows.HasField("writer_schema"):
            try:
                connection.decode = decoder(connection.table, request.proto_rows.writer_schema.proto_descriptor)
            except SchemaMismatch as error:
                raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        if connection.decode is None:
            raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the first request must bring its schema")

    async def _commit(self, batches: Sequence[Batch]) -> Sequence[None]:
        merged: dict[str, Batch] = {}
        for table, rows in batches:
            merged[table.stored] = (table, [*merged.get(table.stored, (table, ()))[1], *rows])
        await asyncio.get_running_loop().run_in_executor(self._store.writer, self._store.append, list(merged.values()))
        self.stats.commits += 1
        return [None] * len(batches)


def _refused(text: str, errors: Sequence[RowError]) -> AppendRowsResponse:
    code, _ = grpc.StatusCode.INVALID_ARGUMENT.value
    return AppendRowsResponse(error={"code": code, "message": text}, row_errors=errors)


def server(service: BigQueryWrite) -> aio.Server:
    """A server that lets a request over the limit in, so that BigQuery's own refusal is what its sender sees."""
    made = aio.server(
        options=[
            ("grpc.max_receive_message_length", 4 * MAX_REQUEST),
            ("grpc.so_reuseport", 0),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # keepalive on a quiet stream is welcome
        ]
    )
    made.add_generic_rpc_handlers((service.handlers(),))
    return made
