"""The way in: a push or a webhook goes straight from the server to its endpoint; everything else takes the framework's way.

    request ─► POST to a raw endpoint? ─► yes: the endpoint, guarded ─► its response
                                       └► no:  FastAPI: middleware, routing, 404, 405

A raw endpoint parses and injects nothing, and `guarded` has the last word on its errors. So FastAPI's eight layers around it
do nothing for it, and were an eighth of a push. FastAPI has the same routes: for the contract, and for the wrong methods.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

type Endpoint = Callable[[Request], Awaitable[Response]]


class Front(FastAPI):
    """A FastAPI application with a shorter way to some of its endpoints."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        # A path, or its head where a parameter is the last step ─► the endpoint, and the parameter's name.
        self._straight: dict[str, tuple[Endpoint, str]] = {}

    def shorten(self, path: str, endpoint: Endpoint) -> None:
        """POSTs to `path`, whose last step may be a `{parameter}`, go straight to an endpoint that raises nothing."""
        head, _, last = path.rpartition("/")
        named = last.startswith("{")
        self._straight[head if named else path] = endpoint, last.strip("{}") if named else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._found(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is None:
            await super().__call__(scope, receive, send)
        else:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

    def _found(self, scope: Scope) -> Endpoint | None:
        path: str = scope["path"]
        endpoint, parameter = self._straight.get(path, (None, ""))
        if endpoint is not None and not parameter:
            return endpoint
        head, _, last = path.rpartition("/")
        endpoint, parameter = self._straight.get(head, (None, ""))
        if not parameter or not last:
            return None
        scope["path_params"] = {parameter: last}
        return endpoint
