"""Who calls: the clients of each project, their tokens, and their quotas.

Errors of the token endpoint are 400 `invalid_request`, never 401. Logins live in memory and can be forgotten while
clients still hold their tokens, as happens when Medplum's Redis is wiped.

Left out: signed client assertions, token exchange, users; a token is random and not a JWT.
"""

import base64
import binascii
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import unquote_plus

from shared.local.medplum.outcomes import UNAUTHORIZED, Json, Refused
from shared.local.medplum.quota import Quota, Window
from shared.local.medplum.store import Author


@dataclass(frozen=True, slots=True)
class Caller:
    """A ClientApplication of a project."""

    id: str
    secret: str
    project: str
    author: Author
    quota: Quota


class BadTokenRequest(Exception):
    """The token endpoint refuses; the text is its error_description."""


class Logins:
    """Clients and their tokens. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float], lifetime: float, quota: int) -> None:
        self._clock, self._lifetime, self._quota = clock, lifetime, quota
        self._clients: dict[str, Caller] = {}
        self._projects: dict[str, Window] = {}
        self._tokens: dict[str, tuple[Caller, float]] = {}

    def add(self, project: str, id: str, secret: str) -> None:
        """A client of a project, with a quota of its own."""
        window = self._projects.setdefault(project, Window(self._quota * 10))
        quota = Quota(Window(self._quota), window, self._clock)
        self._clients[id] = Caller(id, secret, project, Author(f"ClientApplication/{id}", id), quota)

    def forget(self) -> None:
        """All tokens end now."""
        self._tokens.clear()

    def token(self, form: dict[str, str], authorization: str) -> Json:
        """The answer of the token endpoint. Raises BadTokenRequest."""
        if form.get("grant_type") != "client_credentials":
            raise BadTokenRequest("Unsupported grant type")
        id, secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        client = self._clients.get(id)
        if client is None:
            raise BadTokenRequest("Invalid client")
        if not compare_digest(client.secret.encode(), secret.encode()):
            raise BadTokenRequest("Invalid secret")
        now = self._clock()
        self._tokens = {token: login for token, login in self._tokens.items() if login[1] > now}
        token = secrets.token_urlsafe(48)
        self._tokens[token] = (client, now + self._lifetime)
        return {
            "token_type": "Bearer",
            "expires_in": int(self._lifetime),
            "scope": "openid",
            "id_token": secrets.token_urlsafe(48),
            "access_token": token,
            "project": {"reference": f"Project/{client.project}"},
            "profile": {"reference": client.author.reference, "display": client.author.display},
        }

    def caller(self, authorization: str) -> Caller:
        """Who sends this Authorization header. Raises Refused (401)."""
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() == "bearer":
            client, until = self._tokens.get(credential, (None, 0.0))
            if client is not None and until > self._clock():
                return client
        pair = _basic(authorization)
        if pair is not None:
            client = self._clients.get(pair[0])
            if client is not None and compare_digest(client.secret.encode(), pair[1].encode()):
                return client
        raise Refused(UNAUTHORIZED)


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        id, _, secret = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(id), unquote_plus(secret)
