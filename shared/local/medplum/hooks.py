"""A rest-hook on the wire: the request that Medplum's worker sends, byte for byte but for host and ids.

Header order and case are those of its HTTP client. The custom headers of the channel come before the signature, so they
can replace all but that; they are split at every colon and only two parts are used, so a URL loses its end. The body of
a deletion is `{}`: its signature is one constant for each secret. Binary references become links that open the file to
whoever holds them, fresh for each attempt, so the bodies of two attempts differ.
"""

import hmac
import re
from copy import replace
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from shared.local.medplum.subscriptions import Subscription

type Interaction = Literal["create", "update", "delete"]

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_BINARY = re.compile(rb'"url":"Binary/([0-9a-f\-]{36})"')
_CLIENT = (("accept", "*/*"), ("accept-language", "*"), ("sec-fetch-mode", "cors"))
_CLIENT_END = (("user-agent", "node"), ("accept-encoding", "gzip, deflate"))


@dataclass(frozen=True, slots=True)
class Hook:
    """One change to be told to one subscription. `attempt` counts from 0; `version` is that of the change."""

    subscription: Subscription
    interaction: Interaction
    type: str
    id: str
    version: str
    trace: str
    attempt: int = 0

    def again(self) -> "Hook":
        """The next attempt."""
        return replace(self, attempt=self.attempt + 1)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. `headers` are without host, connection and content-length, which belong to the connection."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def redirected(self, status: int, url: str) -> "Request":
        """As fetch follows: 307 and 308 repeat the request; the others turn a POST into a GET without its body."""
        if status in (307, 308):
            return replace(self, url=url)
        kept = tuple((name, value) for name, value in self.headers if name.lower() != "content-type")
        return replace(self, method="GET", url=url, headers=kept, body=b"")

    def head(self) -> bytes:
        """The request line and the headers."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{self.method} {target} HTTP/1.1", f"host: {parts.netloc}", "connection: keep-alive"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.method != "GET":
            lines.append(f"content-length: {len(self.body)}")
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"


def request(hook: Hook, body: bytes) -> Request:
    """The request for a hook. `body` is the resource as it is told (empty for a deletion)."""
    sent = b"{}" if hook.interaction == "delete" else body
    subscription = hook.subscription
    headers = {
        "Content-Type": "application/fhir+json",
        "X-Medplum-Subscription": subscription.id,
        "X-Medplum-Interaction": hook.interaction,
    }
    if hook.interaction == "delete":
        headers["X-Medplum-Deleted-Resource"] = f"{hook.type}/{hook.id}"
    for header in subscription.headers:
        name, value, *_ = [*header.split(":"), ""]
        headers[name.strip()] = value.strip()
    if subscription.secret is not None:
        headers["X-Signature"] = hmac.digest(subscription.secret, sent, "sha256").hex()
    headers["x-trace-id"] = hook.trace
    if _TRACEPARENT.fullmatch(hook.trace):
        headers["traceparent"] = hook.trace
    all_headers = (*_joined(headers), *_CLIENT, *_CLIENT_END)
    return Request("POST", subscription.endpoint, all_headers, sent)


def opened(body: bytes, storage: str, project: str, expires: int) -> bytes:
    """The body with its Binary references turned into links that open the file."""
    if b'"Binary/' not in body:
        return body

    def link(found: re.Match[bytes]) -> bytes:
        id = found.group(1).decode()
        path = f"{storage}/{id}/{uuid5(NAMESPACE_URL, id)}?Expires={expires}&Project={project}"
        signature = hmac.digest(b"storage", path.encode(), "sha256").hex()
        return f'"url":"{path}&Signature={signature}"'.encode()

    return _BINARY.sub(link, body)


def _joined(headers: dict[str, str]) -> list[tuple[str, str]]:
    """Names that differ in case only are one header: the first one's place and name, both values."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in headers.items():
        key = name.lower()
        found[key] = (found[key][0], f"{found[key][1]}, {value}") if key in found else (name, value)
    return list(found.values())
