"""The embedded warehouse: both servers around one store, in one process, for any number of clients."""

import asyncio
import socket
from collections.abc import Iterator
from copy import replace
from dataclasses import dataclass
from typing import Any

import uvicorn
from grpc import aio

from shared.local.bigquery.append import BigQueryWrite, Stats, server
from shared.local.bigquery.faults import Fault
from shared.local.bigquery.rest import Rest
from shared.local.bigquery.store import Store
from shared.sinks.bigquery import view_tables
from shared.views import View


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the servers listen: `grpc` is host:port, `rest` a URL."""

    grpc: str
    rest: str


class Warehouse:
    """`path`: DuckDB's file. `start` and `stop` may be repeated; the data stays until `close`."""

    def __init__(self, path: str = ":memory:", *, project: str = "starvit") -> None:
        self._project = project
        self._store = Store(path)
        self._write = BigQueryWrite(self._store)
        self._grpc: aio.Server | None = None
        self._rest: uvicorn.Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def start(self, *, grpc_port: int = 0, rest_port: int = 0) -> Endpoints:
        """Listen on 127.0.0.1; port 0 is one that is free."""
        self._grpc = server(self._write)
        grpc_port = self._grpc.add_insecure_port(f"127.0.0.1:{grpc_port}")
        await self._grpc.start()
        # The protocol is named because only then asyncio sets TCP_NODELAY: without it answers wait 40 ms for an ACK.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", rest_port))
        config = uvicorn.Config(Rest(self._store).app(), lifespan="off", log_config=None, access_log=False)
        config.load()
        # The parts of uvicorn's serve() without its signal handlers: those belong to whoever owns this process.
        self._rest = uvicorn.Server(config)
        self._rest.lifespan = config.lifespan_class(config)
        await self._rest.startup(sockets=[listening])
        self._ticking = asyncio.create_task(self._rest.main_loop())
        return Endpoints(f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{listening.getsockname()[1]}")

    async def stop(self, *, grace: float = 0.5) -> None:
        """Stop listening; calls under way have `grace` seconds."""
        if self._grpc is not None:
            await self._grpc.stop(grace)
            self._grpc = None
        if self._rest is not None and self._ticking is not None:
            self._rest.should_exit = True
            await self._ticking
            await self._rest.shutdown()
            self._rest = self._ticking = None

    def close(self) -> None:
        """Let go of the data: a file stays, memory is gone."""
        self._store.close()

    async def provision(self, dataset: str, policy: str = "safe-harbor", views: tuple[View, ...] | None = None) -> None:
        """Create the dataset with its tables and views, from schemas/, where they are not there yet."""
        await asyncio.to_thread(self._store.create_dataset, dataset)
        for resource in view_tables.dataset(self._project, dataset, policy, views):
            await asyncio.to_thread(self._store.create_table, resource)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query in GoogleSQL."""
        return self._store.rows(sql)

    def columns(self, sql: str) -> list[str]:
        """The names of a query's columns."""
        return [field["name"] for field in self._store.query(sql).fields]

    def dump(self) -> Iterator[str]:
        """Every cell of every table as text, superseded changes included: for a scan for what must not be there."""
        return self._store.dump()

    def plant(self, *faults: Fault | None) -> None:
        """The next append requests suffer these, one each; None is no fault."""
        self._write.faults.extend(faults)

    def be(self, *, idle: float | None = None, slow: float | None = None) -> None:
        """After how many seconds a silent stream is cut, and how late a slow answer comes."""
        self._write.idle = self._write.idle if idle is None else idle
        self._write.slow = self._write.slow if slow is None else slow

    @property
    def stats(self) -> Stats:
        """What the appending side has seen so far."""
        return replace(self._write.stats)
