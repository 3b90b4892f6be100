"""The console over a desk with dead letters, its issuers, and somebody who looks at it."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from jwt.algorithms import ECAlgorithm

from handlers.console import routes
from handlers.console.people import People
from handlers.console.wiring import Console
from handlers.http import install_errors
from shared.identity.keys import SigningKeys
from shared.identity.people import IAP_ISSUER, IAP_LONGEST, OIDC_LONGEST, PersonTokens
from shared.limits import Room
from shared.local.issuer import ISSUER, Issuer
from shared.marks import MemoryMarks
from shared.settings import Settings
from shared.telemetry.metrics_store import MemoryMetrics
from tests.handlers.deadletters.house import House, house

ORIGIN, AUDIENCE = "https://ops.example", "/projects/1/global/backendServices/2"
PROXY = ec.generate_private_key(ec.SECP256R1())
VIEWER, OPERATOR, APPROVER = "viewer@clinic.example", "operator@clinic.example", "approver@clinic.example"
NOBODY = "nobody@clinic.example"
ROLES = {VIEWER: ("viewer",), "Operator@Clinic.Example": ("operator",), APPROVER: ("approver",)}


@dataclass(slots=True)
class Desk:
    """The console, and the house with its dead letters."""

    house: House
    console: Console
    app: FastAPI
    issuer: Issuer
    metrics: MemoryMetrics
    marks: MemoryMarks
    shown: list[Console | None]

    def show(self, console: Console | None) -> None:
        """Another console from now on."""
        self.shown[0] = console

    def browser(self, email: str | None, **headers: str) -> httpx.AsyncClient:
        """Somebody behind the proxy; None: who came past it."""
        let_in = {"x-goog-iap-jwt-assertion": assertion(email)} if email else {}
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={**let_in, **headers})


def assertion(
    email: str = OPERATOR, *, key: Any = PROXY, kid: str = "p1", algorithm: str = "ES256", **changed: Any
) -> str:
    """What the proxy says of somebody."""
    now = int(time.time())
    good = {"iss": IAP_ISSUER, "aud": AUDIENCE, "iat": now - 5, "exp": now + 595, "sub": "accounts.google.com:1"}
    claims = {name: value for name, value in ({**good, "email": email} | changed).items() if value is not None}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm=algorithm, headers={"kid": kid})


async def post(browser: httpx.AsyncClient, path: str, fields: Mapping[str, str], **headers: str) -> httpx.Response:
    """A form of the page that this browser has open, sent as a browser does under our referrer policy."""
    if not browser.cookies:
        await browser.get("/ops")
    token = form_of(browser)
    sent = {"origin": "null", "sec-fetch-site": "same-origin", **headers}
    return await browser.post(path, data={"form": token, **fields}, headers=sent)


def form_of(browser: httpx.AsyncClient) -> str:
    """The token of this browser's forms, which not every role's pages show."""
    from handlers.console.forms import form_token
    from handlers.console.rights import Person

    email = jwt.decode(browser.headers["x-goog-iap-jwt-assertion"], options={"verify_signature": False})["email"]
    return form_token(str(browser.cookies.get("__Host-ops-form")), Person(email.lower(), frozenset()))


@asynccontextmanager
async def console(**changed: object) -> AsyncIterator[Desk]:
    """The console in the cloud's way: behind a proxy, over https. `changed` are settings."""
    given: dict[str, object] = {"console_roles": ROLES, "console_url": ORIGIN, "console_audience": AUDIENCE, **changed}
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(house(None, **given))
        own = made.desk.settings
        issuer = Issuer()
        metrics, marks = MemoryMetrics(), MemoryMarks()
        people = await _people(own, stack, issuer, made)
        here = Console(own, people, made.desk, (metrics,), marks, marks)
        app = FastAPI(version="0.0.0")
        install_errors(app)
        shown: list[Console | None] = [here]
        routes.mount(app, lambda: shown[0], Room(1_000_000))
        yield Desk(made, here, app, issuer, metrics, marks, shown)


async def _people(own: Settings, stack: AsyncExitStack, issuer: Issuer, made: House) -> People:
    proxy = {
        "keys": [{**ECAlgorithm.to_jwk(PROXY.public_key(), as_dict=True), "kid": "p1", "alg": "ES256", "use": "sig"}]
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=proxy if request.url.path == "/proxy" else issuer.jwks())

    http = await stack.enter_async_context(httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    es256 = SigningKeys("https://keys.example/proxy", http, time.time, "ES256")
    rs256 = SigningKeys("https://keys.example/issuer", http, time.time)
    for keys in (es256, rs256):
        await keys.start()
        stack.push_async_callback(keys.stop)
    tokens = [
        PersonTokens(rs256, {ISSUER}, f"{own.console_origin}{path}", OIDC_LONGEST, time.time, verified=True)
        for path in ("/ops", "/ops/login")
    ]
    return People(
        own,
        time.time,
        made.ledger,
        PersonTokens(es256, {IAP_ISSUER}, AUDIENCE, IAP_LONGEST, time.time),
        tokens[0] if own.console_key else None,
        tokens[1] if own.console_key else None,
    )
