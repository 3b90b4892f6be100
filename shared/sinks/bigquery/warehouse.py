"""The warehouse port kept by BigQuery: the current rows by change data capture, the change log by plain appends.

    SafeRow ─► [this] ─┬─► current_rows   default stream, UPSERT with a sequence: the newest wins, whatever the order
                       └─► change_rows    default stream, append; a repeat is hidden by the view `change_log`

Client, channel and streams are made on the first write, inside the running loop: gRPC does not survive a fork. With an
`endpoint` (one machine) the channel is plain; else it is TLS with the workload's own identity.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.sinks.bigquery import schema
from shared.sinks.bigquery.append import Appender, Open
from shared.sinks.bigquery.rows import encode
from shared.sinks.channels import connected


class BigQueryWarehouse:
    """`datasets`: (tenant's name, key id) → dataset. `idle` and `timeout` (of one attempt of an append) are in seconds."""

    def __init__(
        self,
        project: str,
        datasets: Mapping[tuple[str, str], str],
        endpoint: str = "",
        *,
        idle: float = 240,
        timeout: float = 10,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._project, self._datasets, self._endpoint = project, dict(datasets), endpoint
        self._idle, self._timeout, self._clock = idle, timeout, clock
        self._client: Any = None
        self._appenders: dict[tuple[str, str], Appender] = {}

    async def write(self, row: SafeRow) -> None:
        """Keeps shared.sinks.port.Warehouse. Also raises Problem(UNKNOWN_PROJECT) for a tenant without a dataset."""
        dataset = self._datasets.get((row.project, row.key_id))
        if dataset is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        encoded = encode(row, int(self._clock() * 1_000_000))
        ends = await asyncio.gather(
            self._appender(dataset, schema.CURRENT).append(encoded.current),
            self._appender(dataset, schema.CHANGES).append(encoded.change),
            return_exceptions=True,
        )
        for end in ends:
            if end is not None:
                raise end

    async def warm(self) -> None:
        """Pay for the imports and the client now, not in the first write. After the fork, in the running loop."""
        self._connect()

    async def close(self) -> None:
        """Finish what is under way, end the streams, close the channel."""
        await asyncio.gather(*(appender.close() for appender in self._appenders.values()))
        self._appenders.clear()
        if self._client is not None:
            await self._client.transport.close()
            self._client = None

    def _appender(self, dataset: str, table: str) -> Appender:
        if (dataset, table) not in self._appenders:
            stream = f"projects/{self._project}/datasets/{dataset}/tables/{table}/streams/_default"
            self._appenders[dataset, table] = Appender(
                table, stream, self._opener(stream), idle=self._idle, timeout=self._timeout
            )
        return self._appenders[dataset, table]

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
