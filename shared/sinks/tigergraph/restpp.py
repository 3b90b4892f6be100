"""REST++: one request to a graph, and its answer judged. What an answer says in words goes nowhere: it may quote values.

    200, error false        done
    200, error true         refused: REST++ says so in the body alone
    400                     refused
    401, 403                our token is no good, or has no right here
    429                     busy; with Retry-After
    all else, or no answer  down

The token is the tenant's; the client keeps to the named host (`shared.egress`).
"""

from typing import Any
from urllib.parse import quote

import httpx
import orjson

from shared.egress import Client
from shared.errors import Code, Problem

_ATOMIC = {"gsql-atomic-level": "atomic"}  # all of a request or nothing of it; REST++'s default is in part


class Refused(Exception):
    """REST++ did not take this request: what it said is another question than whether it is there."""


class Restpp:
    """The REST++ of one graph. `seconds`: how long a request may take, at our end and at TigerGraph's."""

    def __init__(self, http: Client, url: str, graph: str, token: str, seconds: float) -> None:
        self._http, self._base, self._seconds = http, f"{url.rstrip('/')}/restpp/graph/{graph}", seconds
        # Against a request that we have given up on, and that is carried out later: TigerGraph gives up as well.
        limit = {"GSQL-TIMEOUT": str(int(seconds * 1000))}
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **limit}

    async def upsert(self, body: bytes) -> dict[str, Any]:
        """What was accepted. Raises Problem, Refused."""
        [result] = await self._send("POST", "", body, _ATOMIC)
        return dict(result)

    async def delete(self, *path: str) -> None:
        """Delete what the path names: edges/type/id/edge type[/type/id], or vertices/type. Raises Problem, Refused."""
        await self._send("DELETE", _path(path))

    async def get(self, *path: str) -> list[dict[str, Any]]:
        """The vertices or edges that the path names. Raises Problem, Refused."""
        return await self._send("GET", _path(path))

    async def _send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        try:
            answer = await self._http.request(
                method,
                self._base + path,
                content=body,
                headers=self._headers | (headers or {}),
                timeout=self._seconds,
            )
        except httpx.TransportError:
            raise Problem(Code.GRAPH_DOWN, method) from None
        return _judged(answer, method)


def _judged(answer: httpx.Response, method: str) -> list[dict[str, Any]]:
    match answer.status_code:
        case 200:
            pass
        case 400:
            raise Refused
        case 401 | 403:
            raise Problem(Code.GRAPH_DENIED, method)
        case 429:
            raise Problem(Code.GRAPH_BUSY, method, retry_after=_seconds(answer.headers.get("retry-after")))
        case status:
            raise Problem(Code.GRAPH_DOWN, f"{method} {status}")
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise Problem(Code.GRAPH_DOWN, method) from None
    match said:
        case {"error": False, "results": list(results)}:
            return results
        case {"error": False, "results": dict(result)}:  # a DELETE of all vertices of a type answers so
            return [result]
        case {"error": True}:
            raise Refused
    raise Problem(Code.GRAPH_DOWN, method)


def _path(parts: tuple[str, ...]) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
