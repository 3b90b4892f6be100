"""One ClientApplication of Medplum: its token, what is left of its quota, and requests with both.

A token is fetched once for all that wait for it (the token endpoint allows 160 requests a minute for an address, which
Cloud Run instances share) and again once when Medplum answers 401: its logins live in Redis and can be lost long before
they run out. Medplum sends no Retry-After: the RateLimit header of each answer says how many points are left and for
how long, and a client that has spent its points is left alone until then, since everything of its is refused by now.

No URL, id or body appears in an error: Problem has a code and a place, and httpx's exceptions end here.
"""

import asyncio
import re
import sys
from collections.abc import Callable, Mapping

import httpx
import orjson
from msgspec import Struct

from shared.errors import Code, Problem
from shared.settings import Client
from shared.telemetry.metrics import MEDPLUM_CALLS, MEDPLUM_POINTS
from shared.telemetry.spans import Call, client_span

READ, HISTORY, SEARCH, CONDITIONAL_CREATE, IN_BATCH = 1, 10, 20, 120, 140  # points
_CALLS: Mapping[int, Call] = {
    READ: "medplum read",
    HISTORY: "medplum history",
    SEARCH: "medplum search",
    CONDITIONAL_CREATE: "medplum create",
}
_TOKEN_LIMIT = 64_000  # bytes
_EARLY = 30.0  # seconds before its end that a token is no longer used
_LIMIT = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')
_DEFAULT_WAIT = 60.0
# As it is on the wire is as it is read: a small compressed answer can not become a large one.
_PLAIN = {"Accept": "application/fhir+json", "Accept-Encoding": "identity"}


class Answer(Struct, frozen=True):
    """A status that is the caller's to judge, and its body."""

    status: int
    body: bytes


class Account:
    """`clock` is monotonic seconds, `role` what the client is for.

    Raises Problem: MEDPLUM_DOWN, MEDPLUM_BUSY, MEDPLUM_DENIED, RESOURCE_TOO_LARGE.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        client: Client,
        clock: Callable[[], float],
        role: str = "reader",
    ) -> None:
        self._role = role
        self._http, self._base, self._client, self._clock = http, base_url.rstrip("/"), client, clock
        self._fetching = asyncio.Lock()
        self._token, self._token_end = "", 0.0
        self._points, self._points_end = 0, 0.0

    async def request(
        self,
        method: str,
        path: str,
        *,
        points: int,
        limit: int,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Call FHIR. Statuses that mean the same for every call are raised; the others are returned."""
        now = self._clock()
        if now < self._points_end:
            if self._points < points:
                raise Problem(Code.MEDPLUM_BUSY, "quota", retry_after=self._points_end - now)
            self._points -= points
        request = self._http.build_request(
            method,
            f"{self._base}/fhir/R4/{path}".removesuffix("/"),
            params=params,
            headers={**(headers or {}), **_PLAIN},
            content=content,
        )
        token = await self._bearer()
        with client_span(_CALLS.get(points, "medplum create")):  # a batch of them costs what its entries do
            answer = await self._send(request, limit, token)
            if answer.status == 401:
                answer = await self._send(request, limit, await self._bearer(refused=token))
        if answer.status in (401, 403):
            raise Problem(Code.MEDPLUM_DENIED, "fhir")
        return answer

    def room(self, points: int) -> int:
        """How many calls of so many points the quota has room for, as far as is known; one may always be tried."""
        return max(1, self._points // points) if self._clock() < self._points_end else sys.maxsize

    def rests(self) -> float:
        """The seconds until a quota that is used up starts anew."""
        return max(0.0, self._points_end - self._clock()) or _DEFAULT_WAIT

    async def _send(self, request: httpx.Request, limit: int, token: str) -> Answer:
        request.headers["Authorization"] = f"Bearer {token}"
        return await self._exchange(request, limit)

    async def _exchange(self, request: httpx.Request, limit: int) -> Answer:
        """Send, and read no more than `limit` bytes of the answer."""
        try:
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                body = await _read(response, limit)
            finally:
                await response.aclose()
        except httpx.HTTPError:
            MEDPLUM_CALLS.add(1, self._role, "none")
            raise Problem(Code.MEDPLUM_DOWN, "connection") from None
        status = response.status_code
        MEDPLUM_CALLS.add(1, self._role, "429" if status == 429 else f"{status // 100}xx")
        wait = self._learn(response.headers.get("ratelimit", ""))
        if response.status_code == 429:
            raise Problem(Code.MEDPLUM_BUSY, "quota", retry_after=wait)
        if response.status_code >= 500 or 300 <= response.status_code < 400:
            raise Problem(Code.MEDPLUM_DOWN, "status")
        if body is None:
            raise Problem(Code.RESOURCE_TOO_LARGE, "body")
        return Answer(response.status_code, body)

    def _learn(self, header: str) -> float:
        """Take note of the quota. The seconds until a limit that is used up starts anew."""
        wait = 0.0
        for name, left, seconds in _LIMIT.findall(header):
            if name == "fhirInteractions":
                self._points, self._points_end = int(left), self._clock() + int(seconds)
                MEDPLUM_POINTS.set(self._points, self._role)
            if int(left) == 0:
                wait = max(wait, float(seconds))
        return wait or _DEFAULT_WAIT

    async def _bearer(self, *, refused: str = "") -> str:
        """A token that is good for now, and not the refused one. All who need a new one share one request."""
        async with self._fetching:
            if self._token == refused or self._clock() >= self._token_end:
                await self._fetch()
            return self._token

    async def _fetch(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client.id,
            "client_secret": self._client.secret.get_secret_value(),
        }
        asked = self._clock()
        request = self._http.build_request("POST", f"{self._base}/oauth2/token", data=form, headers=_PLAIN)
        with client_span("medplum token"):
            answer = await self._exchange(request, _TOKEN_LIMIT)
        if answer.status != 200:
            raise Problem(Code.MEDPLUM_DENIED, "token")
        try:
            token = orjson.loads(answer.body)
            self._token = str(token["access_token"])
            lifetime = float(token["expires_in"])
        except (ValueError, TypeError, KeyError):
            raise Problem(Code.MEDPLUM_DOWN, "token") from None
        self._token_end = asked + lifetime - min(_EARLY, lifetime / 10)


async def _read(response: httpx.Response, limit: int) -> bytes | None:
    """The body, or None if it is longer than the limit or compressed after all."""
    declared = response.headers.get("content-length", "")
    if response.headers.get("content-encoding", "identity") != "identity":
        return None
    if declared.isdigit() and int(declared) > limit:
        return None
    parts, size = [], 0
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for part in response.stream:
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)
