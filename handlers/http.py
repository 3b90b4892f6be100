"""The endpoints' common manners: bodies within limits, one error model, and nothing of the input in any answer.

Errors are problem details (RFC 9457): `type` names the code, `title` says what it means, `instance` is the request id. There
is no `detail`: it would be the place where a value slips in.
"""

from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Self

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from handlers.wire import document
from shared.errors import Code, Problem
from shared.head import Head
from shared.limits import Room
from shared.pipeline import Answer
from shared.telemetry.report import bind_request, crashed, current_request_id, thread_headers

PROBLEM = "application/problem+json"


class Body:
    """The raw bytes. Raises Problem(BODY_TOO_LARGE) as soon as the limit is passed, BAD_BODY for an encoded body.

    Encodings are refused: Medplum and Pub/Sub send none, and a bomb of 10 MB unpacks to gigabytes. The bytes count
    against the process's `room` until the caller is done with them: OVERLOADED when it is full.
    """

    __slots__ = ("_head", "_limit", "_receive", "_room", "_size")

    def __init__(self, head: Head, receive: Receive, limit: int, room: Room) -> None:
        self._head, self._receive, self._limit, self._room, self._size = head, receive, limit, room, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._room.give(self._size)

    async def read(self) -> bytes:
        """The whole of it."""
        for encoding in self._head.all(b"content-encoding"):
            if encoding != "identity":
                raise Problem(Code.BAD_BODY, "content-encoding")
        for length in self._head.all(b"content-length"):
            if length.isdecimal() and (len(length) > 20 or int(length) > self._limit):
                raise Problem(Code.BODY_TOO_LARGE, "body")
        chunks, more = [], True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            self._size += len(chunk)
            self._room.take(len(chunk))
            if self._size > self._limit:
                raise Problem(Code.BODY_TOO_LARGE, "body")
            chunks.append(chunk)
        return b"".join(chunks)


def answer(result: Answer) -> Response:
    """The HTTP form of a pipeline's answer. A bad end that Pub/Sub is to acknowledge is a 204 with its code in a header."""
    if result.code is not None and result.status != HTTPStatus.NO_CONTENT:
        return problem(result.code, retry_after=result.retry_after)
    response = threaded(Response(status_code=result.status))
    if result.duplicate:
        response.raw_headers.append((b"idempotent-replayed", b"true"))
    if result.code is not None:
        response.raw_headers.append((b"x-starvit-code", result.code.slug.encode()))
    return response


def threaded(response: Response) -> Response:
    """The response, with the headers that say which request it answers."""
    response.raw_headers += thread_headers()
    return response


def no_content() -> Response:
    """Done."""
    return answer(Answer())


def health(*, up: bool) -> Response:
    """200 or 503, with a body that says no more than that."""
    return JSONResponse({"up": up}, 200 if up else 503)


def problem(code: Code, *, retry_after: float | None = None, allow: str | None = None) -> Response:
    """A problem document."""
    status = code.status
    headers = {}
    if allow is not None:
        headers["allow"] = allow
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if retry_after is not None:
        headers["retry-after"] = str(max(1, round(retry_after)))
    return threaded(JSONResponse(document(code, current_request_id()), status, headers, PROBLEM))


def guarded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """No exception leaves an endpoint: Starlette would hand it to the server, which would log its text."""

    async def guard(request: Request) -> Response:
        bind_request()
        try:
            return await endpoint(request)
        except Problem as bad:
            return problem(bad.code, retry_after=bad.retry_after)
        except ClientDisconnect:  # nobody is there to answer, and nothing of ours has failed
            return problem(Code.BAD_REQUEST)
        except Exception as error:  # noqa: BLE001 - the last line of defence; the type and the place are logged
            crashed(error)
            return problem(Code.INTERNAL)

    return guard


class RawRoute(APIRoute):
    """A route whose endpoint takes the request as it came: nothing is parsed, injected or validated before it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


def install_errors(app: FastAPI) -> None:
    """What the framework refuses by itself gets the same error model."""

    async def refused(_: Request, error: Exception) -> Response:
        bind_request()  # no endpoint has
        status = error.status_code if isinstance(error, HTTPException) else 500
        allow = (getattr(error, "headers", None) or {}).get("Allow")  # the methods of our route
        return problem({404: Code.UNKNOWN_ROUTE, 405: Code.METHOD_NOT_ALLOWED}.get(status, Code.INTERNAL), allow=allow)

    app.add_exception_handler(HTTPException, refused)


def problem_response(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the problems that an endpoint answers with."""
    by_status: dict[int | str, list[Code]] = {}
    for code in codes:
        by_status.setdefault(code.status, []).append(code)
    return {
        status: {
            "description": " ".join(f"`{code.slug}`: {code.value.text}" for code in group),
            "content": {
                PROBLEM: {
                    "schema": {
                        "allOf": [
                            {"$ref": "#/components/schemas/Problem"},
                            {
                                "properties": {
                                    "status": {"const": status},
                                    "code": {"enum": sorted({code.slug for code in group})},
                                }
                            },
                        ]
                    },
                    "examples": {
                        code.slug: {"value": document(code, "3fa85f6457174562b3fc2c963f66afa6")} for code in group
                    },
                }
            },
        }
        for status, group in by_status.items()
    }
