"""The warehouse port kept by BigQuery: the current rows by change data capture, the change log by plain appends.

                      ┌─► current_rows   default stream, UPSERT with a sequence: the newest wins, whatever the order
    SafeRow ─► [this] ┼─► change_rows    default stream, append; a repeat is hidden by the view `change_log`
                      └─► view_<name>    default stream, UPSERT: the rows of each shipped view of the type, as one record
    QualityRow ─────────► quality_rows   default stream, UPSERT: a repeat is the same row

Client, channel and streams are made on the first write, inside the running loop: gRPC does not survive a fork. With an
`endpoint` (one machine) the channel is plain; else it is TLS with the workload's own identity.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.sinks.bigquery import quality_rows, schema, view_tables, wire
from shared.sinks.bigquery.append import Appender
from shared.sinks.bigquery.columns import Column
from shared.sinks.bigquery.rows import encode
from shared.sinks.bigquery.stream import Open
from shared.sinks.bigquery.view_rows import RecordEncoder
from shared.sinks.channels import connected
from shared.sinks.quality import QualityRow
from shared.sinks.records import Record, Recorder, Views, failure
from shared.views import by_type, shipped

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto


class BigQueryWarehouse:
    """`datasets`: (tenant's name, key id) → dataset. `views`: the views of a resource type.

    `idle` and `timeout` (of one attempt of an append) are in seconds. BigQuery cuts streams that were idle for ten
    minutes, and what is between us and it may for less than five.
    """

    def __init__(
        self,
        project: str,
        datasets: Mapping[tuple[str, str], str],
        endpoint: str = "",
        *,
        views: Views = by_type,
        idle: float = 200,
        timeout: float = 10,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._project, self._datasets, self._endpoint = project, dict(datasets), endpoint
        self._recorder = Recorder(views)
        self._idle, self._timeout, self._clock = idle, timeout, clock
        self._client: Any = None
        self._appenders: dict[tuple[str, str, str], Appender] = {}  # dataset, table, policy
        self._encoders: dict[tuple[str, str], RecordEncoder] = {}  # view, policy

    async def write(self, row: SafeRow) -> None:
        """Keeps shared.sinks.port.Warehouse. Also raises Problem(UNKNOWN_PROJECT) for a tenant without a dataset."""
        dataset = self._datasets.get((row.project, row.key_id))
        if dataset is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        now = int(self._clock() * 1_000_000)
        encoded = encode(row, now)
        ends = await asyncio.gather(
            self._appender(dataset, schema.CURRENT).append(encoded.current),
            self._appender(dataset, schema.CHANGES).append(encoded.change),
            *(self._append_record(dataset, record, row, now) for record in self._recorder.records(row)),
            return_exceptions=True,
        )
        for end in ends:
            if end is not None:
                raise end

    async def tally(self, row: QualityRow) -> None:
        """Keeps shared.sinks.port.QualityLog."""
        dataset = self._datasets.get((row.project, row.key_id))
        if dataset is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        encoded = quality_rows.encode(row, int(self._clock() * 1_000_000))
        await self._appender(dataset, schema.QUALITY).append(encoded)

    async def warm(self) -> None:
        """Pay for imports, views and client now, not in the first write. After the fork, in the running loop."""
        shipped()
        self._connect()

    async def close(self) -> None:
        """Finish what is under way, end the streams, close the channel."""
        await asyncio.gather(*(appender.close() for appender in self._appenders.values()))
        self._appenders.clear()
        if self._client is not None:
            await self._client.transport.close()
            self._client = None

    async def _append_record(self, dataset: str, record: Record, row: SafeRow, now: int) -> None:
        """A record that BigQuery refuses is a view's failure and not the row's, so one that says so takes its place."""
        view, policy = record.view, row.policy
        if (view.name, policy) not in self._encoders:
            self._encoders[view.name, policy] = RecordEncoder(view, policy)
        encoder = self._encoders[view.name, policy]
        record, encoded = encoder.fit(record, row, now)
        to = self._appender(dataset, view_tables.name_of(view), partial(view_tables.sent, view, policy), policy=policy)
        try:
            await to.append(encoded)
        except Problem as problem:
            if problem.code is not Code.ROW_REFUSED or record.failed:
                raise
            await to.append(encoder.fit(failure(view, problem.code), row, now)[1])

    def _appender(
        self, dataset: str, table: str, columns: Callable[[], tuple[Column, ...]] | None = None, policy: str = ""
    ) -> Appender:
        """A view's columns depend on the policy, so a stream is of one policy."""
        named = (dataset, table, policy)
        if named not in self._appenders:
            stream = f"projects/{self._project}/datasets/{dataset}/tables/{table}/streams/_default"

            def descriptor() -> "DescriptorProto":
                return wire.descriptor(table, columns() if columns else schema.sent(table))

            self._appenders[named] = Appender(
                table, stream, descriptor, self._opener(stream), idle=self._idle, timeout=self._timeout
            )
        return self._appenders[named]

    def _opener(self, stream: str) -> Open:
        async def open_stream(requests: AsyncIterator[object]) -> AsyncIterator[Any]:
            routed = (("x-goog-request-params", f"write_stream={stream}"),)  # or the request leaves for another region
            call: AsyncIterator[Any] = await self._connect().append_rows(
                requests, retry=None, timeout=None, metadata=routed
            )
            return call

        return open_stream

    def _connect(self) -> Any:
        if self._client is None:
            from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient
            from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
                BigQueryWriteGrpcAsyncIOTransport,
            )

            transport = connected(BigQueryWriteGrpcAsyncIOTransport, self._endpoint)
            self._client = BigQueryWriteAsyncClient(transport=transport)
        return self._client
