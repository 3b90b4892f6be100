"""`./dev bench webhook`: Medplum's webhook, signature to confirmed publish, on one core, beside a peer and the limits.

As in `./dev bench push`: each server has one worker on one CPU and gets the same requests over 16 kept connections; short
rounds of all alternate, and CPU a request is what counts. Pub/Sub is the stand-in, over gRPC, on the other CPU. Beside it
the same webhook as FastAPI's and Google's docs teach it, the bare publish of our client (what no webhook that publishes gets
below), and an ASGI application that answers 204 to anything.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import count

from shared.local.pubsub import PubSub
from shared.sinks.channels import publisher_client
from tests.bench.push import CONNECTIONS, GUNICORN, REQUESTS, ROOT, ROUNDS, Server, http_request, in_turn, started
from tests.contracts.emulator import free_port
from tests.tenant import HOOK_SECRET, PROJECT, environment

TOPIC = "projects/starvit/topics/fhir.changed"
_NUMBERS = count()


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if the webhook costs more than the peer, which checks and tells less."""
    cpu, bare = asyncio.run(_measured())
    ours, peer = cpu["webhook"], cpu["plain FastAPI, Google's publisher"]
    if as_json:
        print(json.dumps({"requests": REQUESTS, "rounds": ROUNDS, "cpu_us": cpu, "bare_publish_cpu_us": bare}))
    else:
        print(
            f"one worker on one CPU, {CONNECTIONS} connections, medians of {ROUNDS} rounds of {REQUESTS} requests, in turn"
        )
        for name, one in cpu.items():
            print(f"  {name:<36}{one:>7,.0f} µs CPU   {one / ours:5.2f} of ours")
        print(f"  {'a publish of our client, alone':<36}{bare:>7,.0f} µs CPU   {bare / ours:5.2f} of ours")
    return 0 if ours <= peer else 1


async def _measured() -> tuple[dict[str, float], float]:
    """CPU µs a request of each server, and of a publish with nothing around it."""
    pubsub, cpu = PubSub(), max(os.sched_getaffinity(0))
    address = await pubsub.start()
    async with publisher_client(address) as client:
        await client.create_topic(request={"name": TOPIC})
    with ExitStack() as stack:
        servers = _servers(stack, address, cpu)
        try:
            await in_turn(servers)
        finally:
            bare = await _published(address, cpu)
            await pubsub.stop()
    return {server.name: round(server.cpu_us) for server in servers}, bare


def _servers(stack: ExitStack, address: str, cpu: int) -> list[Server]:
    def one(name: str, application: str, path: str, more: Mapping[str, str]) -> Server:
        port = free_port()
        process = started(stack, cpu, port, (*GUNICORN, application), cwd=ROOT, **more)
        return Server(name, port, process, _signed(port, path))

    here = environment("ingress", STARVIT_PUBSUB_ENDPOINT=address)
    peer = {"PUBSUB_EMULATOR_HOST": address, "TOPIC": TOPIC}
    return [
        one("webhook", "handlers.app:create_app()", "/v1/webhooks/medplum/clinic", here),
        one("plain FastAPI, Google's publisher", "tests.bench.webhook_app:fastapi()", "/", peer),
        one("bare ASGI", "tests.bench.push_app:bare", "/", {}),
    ]


def _signed(port: int, path: str) -> Callable[[], bytes]:
    """A patient as Medplum posts it, each one another."""

    def request() -> bytes:
        number = next(_NUMBERS)
        meta = {"versionId": f"{number:036d}", "lastUpdated": "2026-11-23T10:41:55.279Z", "project": PROJECT}
        patient = {
            "resourceType": "Patient",
            "id": f"{number:036d}",
            "meta": meta,
            "name": [{"family": "Example", "given": ["Nobody"]}],
            "gender": "female",
            "birthDate": "1970-01-01",
            "address": [{"line": ["1 Example Street"], "city": "Nowhere", "postalCode": "00000"}] * 4,
        }
        body = json.dumps(patient).encode()
        headers = {
            "Host": f"127.0.0.1:{port}",
            "Content-Type": "application/fhir+json",
            "X-Signature": hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest(),
            "Content-Length": str(len(body)),
        }
        return http_request(path, headers, body)

    return request


async def _published(address: str, cpu: int) -> float:
    """CPU µs of a confirmed publish, in a process of its own on that CPU."""
    command = ("taskset", "-c", str(cpu), sys.executable, "-m", "tests.bench.webhook_app", address)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return float(out)
