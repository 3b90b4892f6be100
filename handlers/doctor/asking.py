"""One Medplum client, asked with its headers in view: the quota and the clock stand there.

The service's own client (shared/fhir) hides both, and refuses what is to be looked at here. Nothing that is read here is
a patient's: configuration, and searches for an id that does not exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from shared import egress
from shared.errors import Code, Problem
from shared.settings import Client

ABSENT = "00000000-0000-4000-8000-000000000000"  # an id that nothing has
_PAGE = "1000"


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a JSON object (empty if there was none), and the headers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class Asking:
    """Raises Problem: MEDPLUM_DENIED (no token, or 401), MEDPLUM_DOWN."""

    def __init__(self, http: egress.Client, base_url: str, client: Client) -> None:
        self._http, self._base, self._client = http, base_url.rstrip("/"), client
        self._token = ""

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """A read or a search. `path` may have a query of its own."""
        return await self._send("GET", f"fhir/R4/{path}", params=query)

    async def found(self, type: str, query: Mapping[str, str] | None = None) -> list[Mapping[str, Any]] | None:
        """The resources of a search, or None if this client may not search them."""
        resources: list[Mapping[str, Any]] = []
        offset = 0
        while True:
            asked = {**(query or {}), "_count": _PAGE, **({"_offset": str(offset)} if offset else {})}
            reply = await self.get(type, asked)
            if reply.status != 200:
                return None
            entries = reply.body.get("entry", ())
            resources += [entry["resource"] for entry in entries if "resource" in entry]
            if not any(link.get("relation") == "next" for link in reply.body.get("link", ())):
                return resources
            offset += int(_PAGE)

    async def write(self, resource: Mapping[str, Any], *, match: str = "") -> Reply:
        """Create it, or update it if it has an id and is still the version `match`."""
        type, id = resource["resourceType"], resource.get("id")
        headers = {"If-Match": f'W/"{match}"'} if match else {}
        method, path = ("PUT", f"{type}/{id}") if id else ("POST", str(type))
        return await self._send(method, f"fhir/R4/{path}", json=resource, headers=headers)

    async def _send(self, method: str, path: str, **more: Any) -> Reply:
        if not self._token:
            self._token = await self._fetch()
        headers = {"Authorization": f"Bearer {self._token}", **more.pop("headers", {})}
        reply = await self._exchange(method, path, headers=headers, **more)
        if reply.status == 401:
            raise Problem(Code.MEDPLUM_DENIED, "token")
        return reply

    async def _fetch(self) -> str:
        secret = self._client.secret.get_secret_value()
        form = {"grant_type": "client_credentials", "client_id": self._client.id, "client_secret": secret}
        reply = await self._exchange("POST", "oauth2/token", data=form)
        token = reply.body.get("access_token")
        if reply.status != 200 or not isinstance(token, str):
            raise Problem(Code.MEDPLUM_DENIED, "token")
        return token

    async def _exchange(self, method: str, path: str, **more: Any) -> Reply:
        try:
            answer = await self._http.request(method, f"{self._base}/{path}", **more)
            body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        except (httpx.HTTPError, ValueError):
            raise Problem(Code.MEDPLUM_DOWN, "connection") from None
        if answer.status_code >= 500:
            raise Problem(Code.MEDPLUM_DOWN, "status")
        return Reply(answer.status_code, body if isinstance(body, dict) else {}, answer.headers)
