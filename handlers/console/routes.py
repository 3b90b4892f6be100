"""Every page of the console: its path, the right that it asks for, what bounds it. Nothing else is mounted under /ops.

The pages are for people and change as they please: they stand in docs/backend/SECURITY.md's table, which is made from
here, and not in the OpenAPI contract, which programs build on.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import FastAPI, Request, Response
from msgspec import Struct
from starlette.requests import ClientDisconnect

from handlers.console import letters, live, pages, plans, risk, state
from handlers.console.forms import FILTER, FORM_LIMIT, Fields, event_of, form_of, ours, query_of
from handlers.console.pages import View
from handlers.console.people import SESSION, SESSION_SECONDS
from handlers.console.rights import Person, Right
from handlers.console.wiring import Console
from handlers.http import Body
from shared.errors import Code, Problem
from shared.head import Head
from shared.limits import Room
from shared.telemetry.report import bind_request, crashed


class Asked(Struct, frozen=True):
    """A request that was let in."""

    request: Request
    console: Console
    person: Person
    fields: Fields

    @property
    def named(self) -> str:
        """The plan or the event in the path."""
        return event_of(self.request.path_params["id"])


type Page = Callable[[Asked], Awaitable[View | str]]


class Endpoint(Struct, frozen=True):
    """`fields`: what its query or form may have. `audit`: what is told of it, and where."""

    method: str
    path: str
    right: Right
    page: Page
    fields: frozenset[str] = frozenset()
    audit: str = "-"


async def _live(asked: Asked) -> View:
    return await live.shown(asked.console.stores, "live.html")


async def _live_part(asked: Asked) -> View:
    return await live.shown(asked.console.stores, "live-part.html")


async def _letters(asked: Asked) -> View:
    return await letters.listed(asked.console.desk, asked.person, asked.fields)


async def _event(asked: Asked) -> View:
    return await letters.event(asked.console.desk, asked.named)


async def _plans(asked: Asked) -> View:
    return await plans.listed(asked.console.desk)


async def _plan(asked: Asked) -> View:
    return await plans.one(asked.console.desk, asked.person, asked.named, "plan.html")


async def _plan_part(asked: Asked) -> View:
    return await plans.one(asked.console.desk, asked.person, asked.named, "plan-part.html")


async def _make(asked: Asked) -> str:
    return f"/ops/plans/{(await plans.make(asked.console.desk, asked.person, asked.fields)).id}"


async def _approve(asked: Asked) -> str:
    await asked.console.desk.approve(asked.named, asked.person.email)
    return f"/ops/plans/{asked.named}"


async def _cancel(asked: Asked) -> str:
    await asked.console.desk.cancel(asked.named, asked.person.email)
    return f"/ops/plans/{asked.named}"


async def _start(asked: Asked) -> str:
    await plans.start(asked.console.desk, asked.person, asked.named, asked.fields)
    return f"/ops/plans/{asked.named}"


async def _reconcile(asked: Asked) -> View:
    risks = await risk.reports(asked.console.reports, asked.console.settings)
    return await state.reconcile(asked.console.marks, asked.console.settings, risks)


async def _deployment(asked: Asked) -> View:
    return await state.deployment(
        asked.console.settings, asked.request.app.version, os.environ.get("K_REVISION", "this machine")
    )


_TOLD = "ops.audit → AuditEvent in each tenant's Medplum"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/ops", Right.LOOK, _live),
    Endpoint("GET", "/ops/live", Right.LOOK, _live_part),
    Endpoint("GET", "/ops/letters", Right.LOOK, _letters, FILTER | {"after"}),
    Endpoint("GET", "/ops/events/{id}", Right.EVENTS, _event),
    Endpoint("GET", "/ops/plans", Right.EVENTS, _plans),
    Endpoint("POST", "/ops/plans", Right.PLAN, _make, plans.MAKE, "the plan keeps who and why; its run is told"),
    Endpoint("GET", "/ops/plans/{id}", Right.EVENTS, _plan),
    Endpoint("GET", "/ops/plans/{id}/progress", Right.EVENTS, _plan_part),
    Endpoint("POST", "/ops/plans/{id}/approve", Right.APPROVE, _approve, audit=_TOLD),
    Endpoint("POST", "/ops/plans/{id}/cancel", Right.PLAN, _cancel, audit=_TOLD),
    Endpoint("POST", "/ops/plans/{id}/replay", Right.PLAN, _start, plans.START, _TOLD),
    Endpoint("GET", "/ops/reconcile", Right.LOOK, _reconcile),
    Endpoint("GET", "/ops/deployment", Right.LOOK, _deployment),
)


def mount(app: FastAPI, console: Callable[[], Console | None], room: Room) -> None:
    """`console` is asked with each request: it is None until the process has started, and where nobody has a role."""
    for endpoint in ENDPOINTS:
        _route(app, endpoint.method, endpoint.path, partial(_answered, endpoint, console, room))
    _route(app, "GET", "/ops/login", partial(_login, console))
    _route(app, "POST", "/ops/logout", partial(_logout, console, room))
    _route(app, "GET", "/ops/static/{name}", _static)


def _route(app: FastAPI, method: str, path: str, answer: Callable[[Request], Awaitable[Response]]) -> None:
    async def guarded(request: Request) -> Response:
        """No exception leaves a page, and each refusal is one."""
        bind_request()
        try:
            return await answer(request)
        except Problem as bad:
            return pages.refusal(bad.code, bad.at)
        except ClientDisconnect:
            return pages.refusal(Code.BAD_REQUEST, "")
        except Exception as error:  # noqa: BLE001 - the last line of defence; the type and the place are logged
            crashed(error)
            return pages.refusal(Code.INTERNAL, "")

    app.add_api_route(path, guarded, methods=[method], include_in_schema=False)


async def _answered(
    endpoint: Endpoint, console: Callable[[], Console | None], room: Room, request: Request
) -> Response:
    here = _there(console)
    person = await here.people.who(request)
    try:
        person.must(endpoint.right)
        if endpoint.method == "POST":
            fields = await _form(request, endpoint.fields, room)
            ours(request, fields, person, here.settings)
        else:
            fields = query_of(request, endpoint.fields)
        made = await endpoint.page(Asked(request, here, person, fields))
    except Problem as bad:
        return pages.refusal(bad.code, bad.at, person=person)
    return pages.see(made) if isinstance(made, str) else pages.page(request, made, person, here.settings)


async def _form(request: Request, allowed: frozenset[str], room: Room) -> Fields:
    with Body(Head(request.scope["headers"]), request.receive, FORM_LIMIT, room) as body:
        return form_of(request, await body.read(), allowed)


async def _login(console: Callable[[], Console | None], request: Request) -> Response:
    """One machine: a link's token, once, for a session. In the cloud there is no such page."""
    here = _there(console)
    raw = query_of(request, frozenset({"token"}), limit=12_000)
    session = await here.people.login(raw.get("token", ""))
    answer = pages.see("/ops")
    secure = here.settings.console_origin.startswith("https://")
    answer.set_cookie(SESSION, session, SESSION_SECONDS, path="/ops", httponly=True, samesite="strict", secure=secure)
    return answer


async def _logout(console: Callable[[], Console | None], room: Room, request: Request) -> Response:
    here = _there(console)
    if here.people.logins is None:
        raise Problem(Code.UNKNOWN_ROUTE)
    person = await here.people.who(request)
    ours(request, await _form(request, frozenset(), room), person, here.settings)
    answer = pages.see("/ops")
    answer.delete_cookie(SESSION, path="/ops")
    return answer


async def _static(request: Request) -> Response:
    """Style and script: the same for everybody, known by their hash."""
    found = pages.statics().get(request.path_params["name"])
    if found is None:
        raise Problem(Code.UNKNOWN_ROUTE)
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(found.body, headers={**pages.HEADERS, **kept}, media_type=found.type)


def _there(console: Callable[[], Console | None]) -> Console:
    found = console()
    if found is None:
        raise Problem(Code.UNKNOWN_ROUTE)
    return found
