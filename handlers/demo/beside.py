"""What the whole is for, to look at: the newest resources of the clinic beside the rows that came of them.

    Medplum's stand-in ─┐
                        ├─► this page, on a loopback port of the demo's own process
    the warehouse ──────┘

The clinic is invented. The page is no part of the service: ops may read neither Medplum nor rows, and the image has no demo.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from handlers.console.pages import HEADERS, statics
from handlers.demo.run import naming
from handlers.demo.stack import PROJECT, TYPES, Stack

_LATEST = 5
_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)


@dataclass(frozen=True, slots=True)
class Pair:
    """One resource. `row` is empty while it is on its way, or set aside."""

    type: str
    resource: str
    row: str


@asynccontextmanager
async def beside(stack: Stack) -> AsyncIterator[str]:
    """Serve the page; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    async def page(request: Request) -> Response:
        template = "beside-part.html" if request.url.path == "/part" else "beside.html"
        pairs = await asyncio.to_thread(_pairs, stack)
        names = {name.split(".")[-1]: file.path for name, file in statics().items()}
        return Response(
            _TEMPLATES.get_template(template).render(pairs=pairs, static=names), 200, dict(HEADERS), "text/html"
        )

    async def static(request: Request) -> Response:
        found = statics().get(request.path_params["name"])
        return Response(status_code=404) if found is None else Response(found.body, 200, dict(HEADERS), found.type)

    routes = [Route("/", page), Route("/part", page), Route("/ops/static/{name}", static)]
    config = uvicorn.Config(Starlette(routes=routes), lifespan="off", log_config=None, access_log=False)
    config.load()
    # The parts of uvicorn's serve() without its signal handlers: those belong to the demo.
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield url
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown()


def _pairs(stack: Stack) -> Sequence[Pair]:
    newest = sorted(
        (one for type in TYPES for one in stack.medplum.newest(PROJECT, type, _LATEST)),
        key=_changed,
        reverse=True,
    )[:_LATEST]
    names = naming(stack)
    found = []
    for one in newest:
        type, id = str(one["resourceType"]), str(one["id"])
        row = _row(stack, type, names.key_of(type, id))
        found.append(Pair(type, json.dumps(one, indent=2, ensure_ascii=False), row))
    return found


def _changed(resource: Mapping[str, object]) -> str:
    meta = resource["meta"]
    assert isinstance(meta, Mapping)
    return str(meta["lastUpdated"])


def _row(stack: Stack, type: str, key: str) -> str:
    """The resource as analysts see it."""
    table = f"`{stack.settings.gcp_project}.{stack.tenant.dataset}.resources`"
    sql = f"SELECT resource FROM {table} WHERE resource_type = '{type}' AND key = '{key}'"  # noqa: S608 - both are our own
    rows = stack.warehouse.rows(sql)
    return json.dumps(json.loads(rows[0][0]), indent=2, ensure_ascii=False) if rows else ""
