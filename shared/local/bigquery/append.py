"""BigQueryWrite over gRPC: AppendRows on default streams.

    AppendRowsRequest ─► decode ─► [one commit for all that waits] ─► AppendRowsResponse, in the order of the requests

A stream is cut when no request has come for a while. When its table was given new columns, the next response says so
and older writers go on. Faults can be planted (faults.py).
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse, RowError
from google.protobuf.descriptor_pb2 import DescriptorProto
from grpc import aio

from shared.batching import Batcher
from shared.local.bigquery.decode import BadRow, Decode, SchemaMismatch, decoder
from shared.local.bigquery.faults import Fault, Refusal, described
from shared.local.bigquery.store import Batch, Store
from shared.local.bigquery.tables import Table

MAX_REQUEST = 10_000_000
_STREAM = re.compile(r"projects/[^/]+/datasets/(?P<dataset>[^/]+)/tables/(?P<table>[^/]+)/(streams/)?_default")
_PIPELINED = 32  # requests of one stream that may be under way


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
    idle: int = 0  # streams that were cut


@dataclass(slots=True)
class _Connection:
    """What the first request of a call said, and later ones may leave out."""

    table: Table | None = None
    writer: DescriptorProto | None = None
    decode: Decode | None = None


class BigQueryWrite:
    """The servicer. `faults` are used up by the next requests, one each. `idle` and `slow` are in seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commits: Batcher[Batch, None] = Batcher(self._commit, max_items=200, max_wait=0.002, in_flight=1)
        self.faults: deque[Fault | None] = deque()
        self.stats = Stats()
        self.idle, self.slow = 600.0, 0.5

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
            while (answer := await self._next(answers)) is not None:
                yield await answer
        except Refusal as refusal:
            await context.abort(refusal.status, refusal.text, refusal.trailing_metadata())
        finally:
            reading.cancel()

    async def _next(
        self, answers: asyncio.Queue[asyncio.Task[AppendRowsResponse] | None]
    ) -> asyncio.Task[AppendRowsResponse] | None:
        try:
            async with asyncio.timeout(self.idle):
                return await answers.get()
        except TimeoutError:
            self.stats.idle += 1
            text = f"Closing the stream because it has been inactive for {self.idle:g} seconds."
            raise Refusal(grpc.StatusCode.ABORTED, text) from None

    async def _answer(self, connection: _Connection, request: Any) -> AppendRowsResponse:
        # Nothing is awaited before the rows are in the commit's queue, so that requests are taken in their order.
        self.stats.requests += 1
        fault = self.faults.popleft() if self.faults else None
        if fault is Fault.RESET_BEFORE:
            self.stats.resets += 1
            raise Refusal(grpc.StatusCode.UNAVAILABLE, "reset")
        if fault is Fault.QUOTA:
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "quota")
        if fault is Fault.GONE:
            return AppendRowsResponse(error=Refusal(grpc.StatusCode.NOT_FOUND, "gone", "STREAM_NOT_FOUND").as_status())
        self._introduce(connection, request)
        changed = self._renew(connection)
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
        table = connection.table
        await self._commits.submit((table, rows))
        self.stats.rows += len(rows)
        await self._suffer(fault)
        taken = AppendRowsResponse(append_result=AppendRowsResponse.AppendResult(), write_stream=table.name)
        if changed:
            taken.updated_schema = described(table.columns)
        return taken

    async def _suffer(self, fault: Fault | None) -> None:
        """What a fault does after the rows were made durable."""
        match fault:
            case Fault.RESET_AFTER:
                self.stats.resets += 1
                raise Refusal(grpc.StatusCode.UNAVAILABLE, "reset")
            case Fault.SLOW:
                await asyncio.sleep(self.slow)
            case Fault.SILENT:
                await asyncio.Event().wait()

    def _introduce(self, connection: _Connection, request: Any) -> None:
        if request.write_stream:
            named = _STREAM.fullmatch(request.write_stream)
            if named is None:
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "only default streams are taken")
            connection.table = self._store.tables.get((named["dataset"], named["table"]))
            if connection.table is None or not connection.table.columns:
                raise Refusal(grpc.StatusCode.NOT_FOUND, "no such table", "TABLE_NOT_FOUND")
        if connection.table is None:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the first request must name its stream")
        if request.HasField("offset"):
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "a default stream takes no offset")
        if request.proto_rows.HasField("writer_schema"):
            connection.writer = request.proto_rows.writer_schema.proto_descriptor
            connection.decode = _decoder(connection.table, connection.writer)
        if connection.decode is None:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the first request must bring its schema")

    def _renew(self, connection: _Connection) -> bool:
        """Take note if the table was altered since this call began; whether it was."""
        known = connection.table
        assert known is not None
        now = self._store.tables[known.dataset, known.name]
        if now is known or connection.writer is None:
            return False
        connection.table, connection.decode = now, _decoder(now, connection.writer)
        return now.columns != known.columns

    async def _commit(self, batches: Sequence[Batch]) -> Sequence[None]:
        merged: dict[str, Batch] = {}
        for table, rows in batches:
            merged[table.stored] = (table, [*merged.get(table.stored, (table, ()))[1], *rows])
        await asyncio.get_running_loop().run_in_executor(self._store.writer, self._store.append, list(merged.values()))
        self.stats.commits += 1
        return [None] * len(batches)


def _decoder(table: Table, writer: DescriptorProto) -> Decode:
    try:
        return decoder(table.stored_columns, writer)
    except SchemaMismatch as error:
        storage_error = "SCHEMA_MISMATCH_EXTRA_FIELDS" if error.extra else ""
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, str(error), storage_error) from error


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
