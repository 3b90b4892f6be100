"""The application of one zone: settings in, FastAPI out. What stands behind the endpoints is put together in handlers/zones.

ZONE=ingress    POST /v1/webhooks/medplum/{subscription}
ZONE=clinical   POST /v1/push/{validation,deid,text,audit,operations,erase}, /v1/tasks/reconcile
ZONE=analytics  POST /v1/push/{analytics,graph,quality}
ZONE=ops        POST /v1/push/index, /v1/tasks/dead-letters; pages under /ops
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic import ValidationError
from pydantic_settings import SettingsError

from handlers import catalog
from handlers.endpoints import World, mount_dead_letters, mount_health, mount_push, mount_reconcile, mount_webhook
from handlers.front import Front
from handlers.http import install_errors
from handlers.zones.wiring import FLUSH_WITHIN, build, tell_metrics
from shared import startup
from shared.settings import Settings, Zone, load
from shared.telemetry.logs import start_logging
from shared.telemetry.report import could_not_start, refused_to_start, start_telemetry, started
from shared.telemetry.spans import stop_spans

VERSION = "0.1.0"
# FastAPI's own records paths and exceptions' texts wherever a provider or its environment variable is set. Ours does not.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
REFUSED = 3  # the exit code on which gunicorn halts instead of starting the worker again and again


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application of this process's zone. Raises SystemExit with the reasons when it may not start."""
    settings = settings or _settings()
    start_telemetry(settings)
    if reasons := list(startup.refusals(settings, os.environ)):
        refused_to_start(reasons)
        raise SystemExit(REFUSED)
    world = World(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, stop_spans, FLUSH_WITHIN)  # last of all
            tell_metrics(settings, stack)
            try:
                await build(world, stack)
            except Exception as error:
                could_not_start(error)  # the server would tell its text, which is dropped
                raise
            started(settings)
            rest_the_collector()
            yield
            world.ready = False

    # The contract is a file, schemas/openapi/v1.json, not an endpoint.
    app = Front(
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # a redirect would be made of the Host header and the path: an open one, and an echo
        telemetry=NO_TELEMETRY,
    )
    app.state.world = world
    _mount(app, world)
    return app


def rest_the_collector() -> None:
    """What a process has built when it is ready stays until it ends, and a message leaves few cycles behind: to go through
    all of it again and again is an eighth of a worker's CPU. So it is left out, and the rest is looked at seldom. What a start
    has left behind is a few megabytes, and to find it would take longer than anything else in a start: it stays too."""
    gc.freeze()
    gc.enable()  # the worker starts without (handlers/worker.py)
    gc.set_threshold(20_000, 50, 50)


def _settings() -> Settings:
    """The settings, or the end: which of them are none is said, what they hold is not."""
    try:
        return load()
    except ValidationError as error:
        start_logging()
        found = error.errors(include_input=False, include_url=False, include_context=False)
        refused_to_start(f"{'.'.join(map(str, one['loc'])) or 'settings'} - {one['type']}" for one in found)
    except (SettingsError, OSError) as error:
        start_logging()
        refused_to_start([f"settings can not be read - {type(error).__name__}"])
    raise SystemExit(REFUSED)


def bare_app(zone: Zone = Zone.ALL) -> FastAPI:
    """A zone's endpoints, or every zone's, with nothing behind them: for the contract and who checks it from outside."""
    app = FastAPI(version=VERSION)
    _mount(app, World(Settings.model_validate({"ZONE": zone, "tigergraph_url": "https://graph.example"})))
    return app


def _mount(app: FastAPI, world: World) -> None:
    zone = world.settings.zone
    install_errors(app)
    if zone in (Zone.INGRESS, Zone.ALL):
        mount_webhook(app, world)
    for on in catalog.subscriptions(zone):
        if on.served(world.settings):
            mount_push(app, world, on)
    if zone in (Zone.CLINICAL, Zone.ALL):
        mount_reconcile(app, world)
    if zone in (Zone.OPS, Zone.ALL):
        mount_dead_letters(app, world)
        _console(app, world)
    mount_health(app, world)


def _console(app: FastAPI, world: World) -> None:
    from handlers.console import routes

    routes.mount(app, lambda: world.console, world.room)
