"""The applications of `./dev bench push`: ours with a handler that has no effect, and the least that can answer at all.

gunicorn -c python:handlers.server 'tests.bench.push_app:ours()'       the whole way: token, envelope, ledger, log, metrics
gunicorn -c python:handlers.server 'tests.bench.push_app:bare'         204 to whatever comes: the server's own cost
gunicorn -c python:handlers.server 'tests.bench.push_app:fastapi()'    a push endpoint as FastAPI's and Google's docs teach it
"""

import base64
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from handlers.app import NO_TELEMETRY, rest_the_collector
from handlers.endpoints import World, mount_health, mount_push
from handlers.front import Front
from shared import egress
from shared.accounts import Accounts
from shared.acting import Sinks
from shared.effects import Effect
from shared.events.data import Changed
from shared.events.envelope import Event
from shared.identity.keys import SigningKeys
from shared.identity.push import PushTokens
from shared.ledger.memo import MemoLedger
from shared.ledger.opening import open_ledger
from shared.pipeline import Pipeline
from shared.settings import Zone
from shared.sinks.memory import MemoryPublisher
from shared.subscriber import NOTHING, Route, Subscription
from shared.telemetry.report import start_telemetry
from tests.tenant import settings

ON = Subscription("validation", "fhir.changed", Zone.CLINICAL, (Changed,), ("fhir.validated",))


def ours() -> FastAPI:
    """STARVIT_LEDGER and JWKS say where the ledger and the keys are."""
    given = settings("clinical", ledger=os.environ["STARVIT_LEDGER"])
    start_telemetry(given)
    world = World(given)

    async def nothing(_: Event[Any], __: object) -> Sequence[Effect]:
        return ()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ledger = MemoLedger(
            open_ledger(given.ledger, project="p", retention=given.retention), retention=given.retention
        )
        async with egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
            keys = SigningKeys(os.environ["JWKS"], http, time.time)
            await keys.start()
            publisher = MemoryPublisher()
            world.pipeline = Pipeline(
                given,
                tokens=PushTokens(keys, given.oidc_issuers, time.time),
                ledger=ledger,
                sinks=Sinks(publisher, time.time),
                accounts=Accounts(publisher, time.time),
                owner="bench",
                now=time.time,
            )
            world.serve(Route(ON, NOTHING, nothing))
            world.ready = True
            rest_the_collector()
            yield
            await keys.stop()
            await ledger.close()

    app = Front(lifespan=lifespan, openapi_url=None, redirect_slashes=False, telemetry=NO_TELEMETRY)
    mount_push(app, world, ON)
    mount_health(app, world)
    return app


async def bare(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """ASGI and nothing else."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while (await receive()).get("more_body"):
        continue
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class _Message(BaseModel):
    data: str = ""
    attributes: dict[str, str] = {}
    messageId: str = ""  # noqa: N815 - Pub/Sub's name


class _Envelope(BaseModel):
    message: _Message
    subscription: str = ""


def fastapi() -> FastAPI:
    """Parses and checks nothing else: no token, no ledger, no log."""
    app = FastAPI()

    @app.post("/", status_code=204)
    async def receive(envelope: _Envelope) -> None:
        base64.b64decode(envelope.message.data)

    return app
