"""Appends as any writer makes them, through Google's own client: for tests of the embedded Storage Write API."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcAsyncIOTransport
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse

from shared.local.bigquery import Endpoints, Warehouse
from shared.sinks.bigquery import wire
from shared.sinks.bigquery.columns import Column
from shared.sinks.channels import connected

KEYED: dict[str, Any] = {
    "tableReference": {"projectId": "starvit", "datasetId": "d", "tableId": "keyed"},
    "schema": {
        "fields": [{"name": "k", "type": "STRING", "mode": "REQUIRED"}, {"name": "v", "type": "INT64"}],
    },
    "tableConstraints": {"primaryKey": {"columns": ["k"]}},
}
PLAIN: dict[str, Any] = {
    "tableReference": {"projectId": "starvit", "datasetId": "d", "tableId": "plain"},
    "schema": KEYED["schema"],
}
K, V = Column("k", "STRING", "REQUIRED"), Column("v", "INTEGER")
LINE = {"k": "a", "v": 1}
CHANGE = {wire.CHANGE_TYPE: "UPSERT", wire.CHANGE_SEQUENCE: "1"}


@asynccontextmanager
async def embedding() -> AsyncIterator[tuple[Warehouse, Endpoints]]:
    """The embedded warehouse with a table that has a key and one that has none."""
    warehouse = Warehouse()
    endpoints = await warehouse.start()
    await asyncio.to_thread(create, endpoints, KEYED, PLAIN)
    yield warehouse, endpoints
    await warehouse.stop()
    warehouse.close()


@asynccontextmanager
async def writing(endpoints: Endpoints) -> AsyncIterator[BigQueryWriteAsyncClient]:
    client = BigQueryWriteAsyncClient(transport=connected(BigQueryWriteGrpcAsyncIOTransport, endpoints.grpc))
    yield client
    await client.transport.close()


def create(endpoints: Endpoints, *tables: dict[str, Any]) -> None:
    with rest(endpoints) as client:
        client.create_dataset("d", exists_ok=True)
        for table in tables:
            client.create_table(bigquery.Table.from_api_repr(table))


def rest(endpoints: Endpoints) -> bigquery.Client:
    options = ClientOptions(api_endpoint=endpoints.rest)
    return bigquery.Client("starvit", AnonymousCredentials(), client_options=options)


def request(
    table: str,
    columns: Sequence[Column],
    *lines: dict[str, object],
    stream: str = "streams/_default",
    first: bool = True,
    offset: int | None = None,
) -> AppendRowsRequest:
    """An append; a line that lacks a required column is sent all the same."""
    message = wire.message(table, tuple(columns))
    rows = [message(**line).SerializePartialToString() for line in lines]
    made = AppendRowsRequest(proto_rows={"rows": {"serialized_rows": rows}}, offset=offset)
    if first:
        made.write_stream = f"projects/starvit/datasets/d/tables/{table}/{stream}"
        pb = AppendRowsRequest.pb(made)
        pb.proto_rows.writer_schema.proto_descriptor.CopyFrom(wire.descriptor(table, tuple(columns)))
    return made


async def sent(endpoints: Endpoints, *requests: AppendRowsRequest) -> list[AppendRowsResponse]:
    """The answers to requests on one stream. Raises the error that ended it."""

    async def all_of_them() -> AsyncIterator[AppendRowsRequest]:
        for one in requests:
            yield one

    async with writing(endpoints) as client:
        return [answer async for answer in await client.append_rows(all_of_them())]
