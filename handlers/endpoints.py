"""The service's endpoints: one webhook, one push endpoint for each handler, the operators' index and tasks, health.

Routes take the raw request: FastAPI's own parsing would echo a refused body in its answer.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from msgspec import Struct

from handlers.contract import DEAD_LETTERS, HEALTH, INDEX, RECONCILE, WEBHOOK, push_operation
from handlers.front import Front
from handlers.http import Body, RawRoute, answer, guarded, health, no_content
from shared.errors import Problem
from shared.head import Head
from shared.limits import Room
from shared.pipeline import Pipeline
from shared.settings import Settings
from shared.subscriber import Route, Subscription
from shared.telemetry.report import received

if TYPE_CHECKING:
    from handlers.console.wiring import Console
    from handlers.deadletters.arrivals import Arrivals
    from handlers.deadletters.desk import Desk
    from handlers.deadletters.endpoint import Task as Replays
    from handlers.reconcile.endpoint import Task
    from handlers.webhook import Webhooks

TASK_LIMIT = 1024  # bytes of a body that nobody reads


class World(Struct, dict=True):
    """What the endpoints work with. Empty until the process has started: nothing is connected at import or before fork."""

    settings: Settings
    pipeline: Pipeline | None = None
    routes: dict[str, Route] = {}
    webhooks: "Webhooks | None" = None
    reconcile: "Task | None" = None
    arrivals: "Arrivals | None" = None
    dead_letters: "Replays | None" = None
    desk: "Desk | None" = None
    console: "Console | None" = None
    ready: bool = False

    @cached_property
    def room(self) -> Room:
        """What the bodies in hand may take together."""
        return Room(self.settings.body_room)

    def serve(self, *routes: Route) -> None:
        """Let the pipeline work for these handlers."""
        self.routes |= {route.on.handler: route for route in routes}


def mount_webhook(app: FastAPI, world: World) -> None:
    """POST /v1/webhooks/medplum/{subscription}"""
    from shared.phi import Phi

    async def receive(request: Request) -> Response:
        assert world.webhooks is not None
        head = Head(request.scope["headers"])
        who = address(head, request.client.host if request.client else "", world.settings.proxies)
        subscription = request.path_params["subscription"]
        with Body(head, request.receive, world.settings.webhook_limit, world.room) as body:
            whole = Phi(await body.read())
            try:
                await world.webhooks.receive(subscription, head, whole, address=who)
            except Problem as refused:
                received(refused.code)
                raise
        received()
        return no_content()

    _post(app, "/v1/webhooks/medplum/{subscription}", receive, WEBHOOK)


def mount_push(app: FastAPI, world: World, on: Subscription) -> None:
    """POST /v1/push/{handler}, for one handler."""

    async def receive(request: Request) -> Response:
        assert world.pipeline is not None
        head = Head(request.scope["headers"])
        with Body(head, request.receive, world.settings.push_limit, world.room) as body:
            return answer(await world.pipeline.run(world.routes[on.handler], head, await body.read()))

    _post(app, on.path, receive, push_operation(on))


def mount_reconcile(app: FastAPI, world: World) -> None:
    """POST /v1/tasks/reconcile"""

    async def receive(request: Request) -> Response:
        assert world.reconcile is not None
        head = Head(request.scope["headers"])
        with Body(head, request.receive, TASK_LIMIT, world.room) as body:
            await body.read()
            await world.reconcile.run(head)
        return no_content()

    _post(app, "/v1/tasks/reconcile", receive, RECONCILE)


def mount_dead_letters(app: FastAPI, world: World) -> None:
    """POST /v1/push/index, for every `--index` subscription; POST /v1/tasks/dead-letters"""

    async def index(request: Request) -> Response:
        assert world.arrivals is not None
        head = Head(request.scope["headers"])
        with Body(head, request.receive, world.settings.push_limit, world.room) as body:
            await world.arrivals.receive(head, await body.read())
        return no_content()

    async def replay(request: Request) -> Response:
        assert world.dead_letters is not None
        head = Head(request.scope["headers"])
        with Body(head, request.receive, TASK_LIMIT, world.room) as body:
            await body.read()
            await world.dead_letters.run(head)
        return no_content()

    _post(app, "/v1/push/index", index, INDEX)
    _post(app, "/v1/tasks/dead-letters", replay, DEAD_LETTERS)


def mount_health(app: FastAPI, world: World) -> None:
    """GET /v1/health/live: the process answers. GET /v1/health/ready: its keys and clients are there."""

    async def live(_: Request) -> Response:
        return health(up=True)

    async def ready(_: Request) -> Response:
        return health(up=world.ready)

    for name, endpoint in (("live", live), ("ready", ready)):
        app.add_api_route(f"/v1/health/{name}", guarded(endpoint), methods=["GET"], **HEALTH[name])


def _post(
    app: FastAPI, path: str, endpoint: Callable[[Request], Awaitable[Response]], operation: dict[str, object]
) -> None:
    whole = guarded(endpoint)
    app.router.add_api_route(path, whole, methods=["POST"], route_class_override=RawRoute, **operation)  # type: ignore[arg-type]
    if isinstance(app, Front):
        app.shorten(path, whole)


def address(head: Head, peer: str, proxies: int) -> str:
    """Who is asking, for the limiter: what the outermost of our proxies wrote down, or the peer where there is none.

    Each proxy adds the address that it was called from on the right; all further left was sent by the caller, who may
    write there what he likes. An IPv6 caller owns a /64 at least, so that is what is counted.
    """
    hops = [hop.strip() for value in head.all(b"x-forwarded-for") for hop in value.split(",")]
    text = hops[-proxies] if 0 < proxies <= len(hops) else peer
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return peer
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return text
