"""The HTTP side: sizes, credentials, headers, and the token endpoint. Plain ASGI, since a run makes many requests.

Order of refusal as in Medplum: size (413), credential (401), then the interaction. Every answer has a RateLimit header;
requests that never reach FHIR show the per-address limit in it.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import orjson

from shared.local.medplum.logins import BadTokenRequest, Logins
from shared.local.medplum.outcomes import NOT_FOUND, TOO_LARGE, Outcome, Refused, invalid
from shared.local.medplum.quota import Window
from shared.local.medplum.rest import Answer, Call, Rest

MAX_JSON, MAX_BATCH = 1_000_000, 50_000_000
REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE = 60_000, 160

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Headers = list[tuple[bytes, bytes]]

_FHIR_JSON = (b"content-type", b"application/fhir+json; charset=utf-8")
_JSON = (b"content-type", b"application/json; charset=utf-8")
_FHIR = "/fhir/R4"


class Site:
    """The ASGI application."""

    def __init__(self, logins: Logins, rest: Rest, base: str) -> None:
        self._logins, self._rest, self._base = logins, rest, base
        self._requests = Window(REQUESTS_PER_MINUTE, "requests")
        self._token_requests = Window(TOKENS_PER_MINUTE, "requests")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        is_batch = path.rstrip("/") == _FHIR
        body = await _body(receive, headers, MAX_BATCH if is_batch else MAX_JSON)
        if body is None:
            await self._refuse(send, TOO_LARGE, self._requests.header(time.monotonic()))
        elif path == "/oauth2/token" and scope["method"] == "POST":
            await self._token(send, headers, body)
        elif path.startswith(_FHIR):
            await self._fhir(send, scope, path[len(_FHIR) :], headers, body)
        else:
            await self._refuse(send, NOT_FOUND, self._requests.header(time.monotonic()))

    async def _fhir(self, send: Send, scope: Message, path: str, headers: dict[str, str], body: bytes) -> None:
        limit = self._requests.header
        now = time.monotonic()
        try:
            self._requests.take(1, now)
            caller = self._logins.caller(headers.get("authorization", ""))
        except Refused as refused:
            extra = [(b"www-authenticate", f'Bearer realm="{self._base}/"'.encode())]
            await self._refuse(send, refused.outcome, limit(now), extra if refused.outcome.status == 401 else [])
            return
        try:
            call = _call(scope, path, headers, body)
            answer = self._rest.answer(caller, call)
        except Refused as refused:
            await self._refuse(send, refused.outcome, caller.quota.header())
            return
        if answer.body is None:
            await self._refuse(send, answer.outcome, caller.quota.header())
            return
        await _answer(send, answer.status, [*self._facts(answer), _FHIR_JSON], caller.quota.header(), answer.body)

    async def _token(self, send: Send, headers: dict[str, str], body: bytes) -> None:
        now = time.monotonic()
        try:
            self._token_requests.take(1, now)
        except Refused as refused:
            await self._refuse(send, refused.outcome, self._token_requests.header(now))
            return
        limit = self._token_requests.header(now)
        if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            await _answer(send, 400, [(b"content-type", b"text/plain")], limit, b"Unsupported content type")
            return
        try:
            form = dict(parse_qsl(body.decode("latin-1")))
            token = self._logins.token(form, headers.get("authorization", ""))
        except BadTokenRequest as bad:
            error = {"error": "invalid_request", "error_description": str(bad)}
            await _answer(send, 400, [_JSON], limit, orjson.dumps(error))
            return
        await _answer(send, 200, [_JSON], limit, orjson.dumps(token))

    def _facts(self, answer: Answer) -> Headers:
        """ETag, Last-Modified and Location of a single resource."""
        version = answer.version
        if version is None:
            return []
        facts = [
            (b"etag", f'W/"{version.id}"'.encode()),
            (b"last-modified", formatdate(version.ms / 1000, usegmt=True).encode()),
        ]
        if answer.location is not None:
            facts.append((b"location", f"{self._base}{_FHIR}/{answer.location}".encode()))
        return facts

    async def _refuse(self, send: Send, outcome: Outcome, limit: str, extra: Headers | None = None) -> None:
        body = orjson.dumps(outcome.resource((str(uuid4()), str(uuid4()))))
        await _answer(send, outcome.status, [*(extra or []), _FHIR_JSON], limit, body)


def _call(scope: Message, path: str, headers: dict[str, str], body: bytes) -> Call:
    """The interaction that a request asks for. Raises Refused (400) if its body is not JSON."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    resource: object = None
    if scope["method"] in ("POST", "PUT"):
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            query += parse_qsl(body.decode("latin-1"))
        else:
            try:
                resource = orjson.loads(body)
            except orjson.JSONDecodeError:
                raise Refused(invalid("Content could not be parsed")) from None
    trace = headers.get("x-trace-id") or headers.get("traceparent") or str(uuid4())
    return Call(scope["method"], tuple(path.strip("/").split("/")), query, headers, resource, trace)


async def _body(receive: Receive, headers: dict[str, str], limit: int) -> bytes | None:
    """The body, or None if it is larger than the limit."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        return None
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


async def _answer(send: Send, status: int, headers: Headers, limit: str, body: bytes) -> None:
    fixed = [(b"ratelimit", limit.encode()), *headers, (b"content-length", str(len(body)).encode())]
    if status == 304:
        fixed, body = fixed[:-2], b""
    await send({"type": "http.response.start", "status": status, "headers": fixed})
    await send({"type": "http.response.body", "body": body})
