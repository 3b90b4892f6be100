"""The service's endpoints: one webhook, one push endpoint for each handler, reconcile's task, health.

Routes take the raw request: FastAPI's own parsing would echo a refused body in its answer.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from handlers.contract import HEALTH, RECONCILE, WEBHOOK, push_operation
from handlers.http import answer, guarded, health, no_content, read_body
from shared.errors import Problem
from shared.pipeline import Pipeline
from shared.settings import Settings
from shared.subscriber import Route, Subscription
from shared.telemetry.report import received

if TYPE_CHECKING:
    from handlers.reconcile.endpoint import Task
    from handlers.webhook import Webhooks

TASK_LIMIT = 1024  # bytes of a body that nobody reads


@dataclass(slots=True)
class World:
    """What the endpoints work with. Empty until the process has started: nothing is connected at import or before fork."""

    settings: Settings
    pipeline: Pipeline | None = None
    routes: dict[str, Route] = field(default_factory=dict)
    webhooks: "Webhooks | None" = None
    reconcile: "Task | None" = None
    ready: bool = False


def mount_webhook(app: FastAPI, world: World) -> None:
    """POST /v1/webhooks/medplum/{subscription}"""
    from shared.phi import Phi

    async def receive(request: Request) -> Response:
        body = Phi(await read_body(request, world.settings.webhook_limit))
        assert world.webhooks is not None
        try:
            await world.webhooks.receive(
                request.path_params["subscription"], request.scope["headers"], body, address=_address(request)
            )
        except Problem as refused:
            received(refused.code)
            raise
        received()
        return no_content()

    _post(app, "/v1/webhooks/medplum/{subscription}", receive, WEBHOOK)


def mount_push(app: FastAPI, world: World, on: Subscription) -> None:
    """POST /v1/push/{handler}, for one handler."""

    async def receive(request: Request) -> Response:
        body = await read_body(request, world.settings.push_limit)
        assert world.pipeline is not None
        return answer(await world.pipeline.run(world.routes[on.handler], request.scope["headers"], body))

    _post(app, on.path, receive, push_operation(on))


def mount_reconcile(app: FastAPI, world: World) -> None:
    """POST /v1/tasks/reconcile"""

    async def receive(request: Request) -> Response:
        await read_body(request, TASK_LIMIT)
        assert world.reconcile is not None
        await world.reconcile.run(request.scope["headers"])
        return no_content()

    _post(app, "/v1/tasks/reconcile", receive, RECONCILE)


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
    app.add_api_route(path, guarded(endpoint), methods=["POST"], **operation)  # type: ignore[arg-type]


def _address(request: Request) -> str:
    """Who is asking: the last hop that Google's front end wrote down, or the peer itself on one machine."""
    forwarded = request.headers.get("x-forwarded-for", "")
    return forwarded.rsplit(",", 1)[-1].strip() or (request.client.host if request.client else "")
