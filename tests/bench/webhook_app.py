"""Beside our webhook in `./dev bench webhook`: the same as FastAPI's and Google's docs teach it, and a publish alone.

gunicorn -c python:handlers.server 'tests.bench.webhook_app:fastapi()'    HMAC over the body, JSON, PublisherClient.publish
python -m tests.bench.webhook_app host:port                               prints the CPU µs of a confirmed publish
"""

import asyncio
import hashlib
import hmac
import json
import os
import statistics
import sys
import time

from fastapi import FastAPI, HTTPException, Request
from google.cloud import pubsub_v1
from starlette.concurrency import run_in_threadpool

from shared.events.envelope import Message
from shared.sinks.pubsub import PubSubPublisher
from tests.bench.push import CONNECTIONS, REQUESTS, ROUNDS
from tests.tenant import HOOK_SECRET


def fastapi() -> FastAPI:
    """PUBSUB_EMULATOR_HOST says where Pub/Sub is, TOPIC the topic's full name. No limit, no strictness, no log, no trace."""
    app, publisher, topic = FastAPI(), pubsub_v1.PublisherClient(), os.environ["TOPIC"]

    def publish(resource: dict[str, object]) -> None:
        publisher.publish(topic, json.dumps({"type": resource["resourceType"], "id": resource["id"]}).encode()).result()

    @app.post("/", status_code=204)
    async def receive(request: Request) -> None:
        body = await request.body()
        expected = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("x-signature", "")):
            raise HTTPException(401)
        await run_in_threadpool(publish, json.loads(body))

    return app


async def publishing(address: str) -> float:
    """CPU µs of a confirmed publish of our client, as many at a time as there are connections to a webhook."""
    publisher, rounds = PubSubPublisher("starvit", address), []
    message = Message(b"{}" * 150, {"ce-id": "0" * 64, "ce-type": "t" * 30, "traceparent": "0" * 55})

    async def publish() -> None:
        for _ in range(REQUESTS // CONNECTIONS):
            await publisher.publish("fhir.changed", message)

    for _ in range(ROUNDS):
        before = time.process_time()
        await asyncio.gather(*(publish() for _ in range(CONNECTIONS)))
        rounds.append((time.process_time() - before) / REQUESTS * 1e6)
    await publisher.close()
    return statistics.median(rounds)


if __name__ == "__main__":
    print(asyncio.run(publishing(sys.argv[1])))
