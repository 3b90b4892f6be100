"""The service as it is run: gunicorn, its workers, gRPC and HTTP over real wires. What the process tells, by any way.

Its dependencies are servers that quote back what they refuse. Kept: all that the processes write to stdout and stderr, what
they answer, what they publish, the ledger's files, the metrics' files, the temporary directory.
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc import aio

from handlers.demo.service import Service
from handlers.provisioning import provision
from shared.local.issuer import Issuer
from shared.local.pubsub import PubSub
from shared.sinks.channels import publisher_client, subscriber_client
from tests.leaks.canary import CANARY, Fuzz, leaks
from tests.leaks.rig import Reply, Rig, World
from tests.tenant import settings

REQUESTS = 250


class Remote(Rig):
    """The rig's requests, over HTTP."""

    http: httpx.AsyncClient

    async def send(self, method: str, path: str, headers: Any, body: bytes) -> Reply:
        self.requests += 1
        raw = [(name.encode("latin-1"), value.encode("latin-1", "replace").strip()) for name, value in headers]
        try:
            answer = await self.http.request(method, path, headers=raw, content=body)
        except httpx.HTTPError:  # what no client may send
            return Reply(0, [], b"")
        reply = Reply(answer.status_code, list(answer.headers.raw), answer.content)
        self.replies.append(reply)
        return reply


async def test_a_process_tells_no_canary_by_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "told"
    temporary.mkdir()
    for name, value in {"TMPDIR": str(temporary), "GRPC_VERBOSITY": "DEBUG", "GRPC_TRACE": "http"}.items():
        monkeypatch.setenv(name, value)
    async with _served(temporary) as (here, service):
        await Fuzz(here, 7).run(REQUESTS)
        await _garbage(service.port)
        await service.stop()
        here.stdout.write(service.log.read_bytes())
        lines = [json.loads(line) for line in here.stdout.getvalue().splitlines()]
        assert {"started", "message", "webhook", "metric", "library"} <= {line["message"] for line in lines}
        assert {204, 401, 404} <= {reply.status for reply in here.replies}
        assert leaks(here) == []
        assert list(temporary.glob("ledger.sqlite.metrics/*.json")), "each process left its last snapshot"


@asynccontextmanager
async def _served(directory: Path) -> AsyncIterator[tuple[Remote, Service]]:
    import io

    from shared.ledger.memory import MemoryLedger

    async with AsyncExitStack() as stack:
        issuer = Issuer()
        certs = await issuer.serve()
        stack.push_async_callback(issuer.stop)
        world = World(issuer, [time.time()])
        pubsub = PubSub(observe=lambda topic, message: world.published.append((topic, message)))
        address = await pubsub.start()
        stack.push_async_callback(pubsub.stop)
        medplum = await asyncio.start_server(lambda r, w: _answered(world, r, w), "127.0.0.1", 0)
        stack.callback(medplum.close)
        quoting = await _quoting(stack)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        using = settings(
            "all", jwks_url=certs, pubsub_endpoint=address, bigquery_endpoint=quoting, dlp_endpoint=quoting, text="dlp",
            medplum_url=f"http://127.0.0.1:{medplum.sockets[0].getsockname()[1]}", public_url="http://127.0.0.1:8080",
            ledger=f"sqlite:{directory / 'ledger.sqlite'}", poison_limit=100, metrics_every=0.5,
        )  # fmt: skip
        async with publisher_client(address) as publisher, subscriber_client(address) as subscriber:
            await provision(using, publisher, subscriber, url=lambda _: "http://127.0.0.1:9")
        service = Service(using, port, directory.parent / "service.log")
        await service.start()
        stack.push_async_callback(service.stop)
        here = Remote(None, world, directory, io.BytesIO(), io.BytesIO(), MemoryLedger())
        here.http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=30)
        )
        yield here, service


async def _answered(world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Medplum's wire: one request, the world's answer, and no more."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split(" ", 2)
        length = next((int(line[15:]) for line in head.lower().splitlines() if line.startswith("content-length:")), 0)
        content = await reader.readexactly(length)
        answer = await world.handle_async_request(httpx.Request(method, f"http://127.0.0.1{path}", content=content))
        body = await answer.aread()
        more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items() if name != "transfer-encoding")
        writer.write(f"HTTP/1.1 {answer.status_code} X\r\n{more}content-length: {len(body)}\r\n".encode("latin-1"))
        writer.write(b"connection: close\r\n\r\n" + body)
        await writer.drain()
    except Exception as error:  # noqa: BLE001 - a server that breaks in the middle, with the value in what it has said
        writer.write(f"HTTP/1.1 200 {error}\r\n".encode("latin-1", "replace"))
    finally:
        writer.close()


async def _quoting(stack: AsyncExitStack) -> str:
    """A gRPC server for BigQuery and DLP that refuses all and quotes it; host:port."""

    async def refuse(request: bytes, context: Any) -> None:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{CANARY} {request!r}"[:4000])

    async def refuse_stream(requests: Any, context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{CANARY} {request!r}"[:4000])
        yield b""

    class Quoting(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            if details.method.endswith("AppendRows"):
                return grpc.stream_stream_rpc_method_handler(refuse_stream)
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = aio.server()
    server.add_generic_rpc_handlers((Quoting(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stack.push_async_callback(server.stop, None)
    return f"127.0.0.1:{port}"


async def _garbage(port: int) -> None:
    """What is no HTTP: the server has words of its own for it."""
    for text in (f"GET /{CANARY} HTTP/9\r\n\r\n", f"{CANARY}\r\n\r\n", f"GET / HTTP/1.1\r\n{CANARY} x\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text.encode())
        await writer.drain()
        assert CANARY not in (await reader.read()).decode()
        writer.close()
