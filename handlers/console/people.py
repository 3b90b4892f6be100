"""Who is at the console, asked anew with each request.

cloud         X-Goog-IAP-JWT-Assertion, signed by Google's Identity-Aware Proxy; nothing else counts
one machine   a session's cookie (a one-time link, exchanged), or `Authorization: Bearer` with an identity token
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from fastapi import Request
from msgspec import Struct

from handlers.console.rights import Person, person
from shared.errors import Code, Problem
from shared.head import Head
from shared.identity.people import Known, PersonTokens
from shared.identity.push import credential
from shared.ledger.port import Lease, Ledger
from shared.settings import Settings

ASSERTION = b"x-goog-iap-jwt-assertion"
SESSION = "ops-session"
SESSION_SECONDS = 8 * 3600  # a shift


class People(Struct, frozen=True):
    """`proxy` in the cloud, `tokens` and `logins` on one machine. `once` remembers which links were used."""

    settings: Settings
    now: Callable[[], float]
    once: Ledger
    proxy: PersonTokens | None = None
    tokens: PersonTokens | None = None
    logins: PersonTokens | None = None

    async def who(self, request: Request) -> Person:
        """Raises Problem: NO_TOKEN, BAD_TOKEN; WRONG_CALLER for somebody without a role; KEYS_DOWN."""
        found = person(await self._known(request), self.settings.console_roles)
        if not found.rights:
            raise Problem(Code.WRONG_CALLER, "role")
        return found

    async def login(self, token: str) -> str:
        """The session that a link's token is good for, once. Raises Problem: BAD_TOKEN, UNKNOWN_ROUTE in the cloud."""
        if self.logins is None or self.settings.console_key is None:
            raise Problem(Code.UNKNOWN_ROUTE)
        known = await self.logins.verify(token)
        digest, now = hashlib.sha256(token.encode()).hexdigest(), self.now()
        used = await self.once.claim(f"console:{digest}", digest, owner="console", now=now, until=known.until + 60)
        if not isinstance(used, Lease):
            raise Problem(Code.BAD_TOKEN, "token")
        return self._sealed({"email": known.email, "groups": sorted(known.groups), "until": now + SESSION_SECONDS})

    async def _known(self, request: Request) -> Known:
        head = Head(request.scope["headers"])
        assertions = head.all(ASSERTION)
        if self.proxy is not None and assertions:
            if len(assertions) > 1:  # two could be understood in two ways
                raise Problem(Code.BAD_TOKEN, "x-goog-iap-jwt-assertion")
            return await self.proxy.verify(assertions[0])
        if self.tokens is not None and (sent := credential(head)) is not None:
            scheme, _, token = sent.partition(" ")
            return await self.tokens.verify(token if scheme.lower() == "bearer" else "")
        if self.logins is not None and (cookie := request.cookies.get(SESSION)):
            return self._opened(cookie)
        raise Problem(Code.NO_TOKEN, "authorization")

    def _sealed(self, fields: dict[str, Any]) -> str:
        payload = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
        return f"{payload}.{self._mac(payload)}"

    def _opened(self, cookie: str) -> Known:
        payload, _, mac = cookie.partition(".")
        if not cookie.isascii() or not hmac.compare_digest(mac, self._mac(payload)):
            raise Problem(Code.BAD_TOKEN, SESSION)
        fields = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if fields["until"] <= self.now():
            raise Problem(Code.BAD_TOKEN, SESSION)
        return Known(fields["email"], frozenset(fields["groups"]), fields["until"])

    def _mac(self, payload: str) -> str:
        if self.settings.console_key is None:
            raise Problem(Code.BAD_TOKEN, SESSION)
        key = bytes.fromhex(self.settings.console_key.get_secret_value())
        return hmac.new(key, f"session|{payload}".encode(), hashlib.sha256).hexdigest()
