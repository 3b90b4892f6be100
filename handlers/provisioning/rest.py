"""Google's REST APIs for which no client is among our packages: service accounts, Cloud Run, Scheduler, alerts.

Through `egress`, so that an operator's token can go to these hosts and to no other. An answer's error text is dropped.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from handlers.provisioning.changes import Refusal
from handlers.provisioning.refusals import in_our_words, refusal
from shared import egress
from shared.errors import Code, Problem

HOSTS = frozenset(
    {
        "iam.googleapis.com",
        "run.googleapis.com",
        "cloudresourcemanager.googleapis.com",
        "cloudscheduler.googleapis.com",
        "secretmanager.googleapis.com",
        "monitoring.googleapis.com",
        "logging.googleapis.com",
    }
)
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_STATUSES = {
    401: "Unauthorized",
    403: "Forbidden",
    409: "Conflict",
    412: "PreconditionFailed",
    501: "MethodNotImplemented",
}


class Google:
    """`stand_in`: URL of a local server that has each API under its host's name; then no token is sent."""

    def __init__(self, http: egress.Client, stand_in: str = "") -> None:
        self._http, self._stand_in = http, stand_in.rstrip("/")
        self._credentials: Any = None

    async def ask(
        self,
        method: str,
        host: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> dict[str, Any] | None:
        """The answer, or None if there is no such thing. Raises Refusal, Problem."""
        url = f"{self._stand_in}/{host}/{path}" if self._stand_in else f"https://{host}/{path}"
        headers = {} if self._stand_in else {"Authorization": f"Bearer {await self._token()}"}
        try:
            answer = await self._http.request(method, url, params=query, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Problem(Code.UNEXPECTED, type(error).__name__) from None
        if answer.status_code == 404:
            return None
        if answer.status_code >= 500 and answer.status_code != 501:
            raise Problem(Code.UNEXPECTED, f"{host} {answer.status_code}")
        if answer.status_code >= 400:
            raise refusal(_STATUSES.get(answer.status_code, f"status {answer.status_code}"))
        found = answer.json()
        if not isinstance(found, dict):
            raise Refusal(f"{host} does not answer as documented")
        return found

    async def _token(self) -> str:
        from google.auth import default
        from google.auth.transport.requests import Request

        with in_our_words():
            if self._credentials is None:
                self._credentials, _ = await asyncio.to_thread(default, scopes=[_SCOPE])
            if not self._credentials.valid:
                await asyncio.to_thread(self._credentials.refresh, Request())
        token: str = self._credentials.token
        return token
