"""The HTTP request of a push, in production's three forms.

wrapped                  {"message": {...}, "subscription": ..., "deliveryAttempt": n}     (n with a dead letter only)
unwrapped                the data, and nothing else
unwrapped with metadata  the data; attributes as headers, verbatim; x-goog-pubsub-* for the rest
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import orjson

from shared.local.pubsub.message import Stored

AGENT = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 token
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "authorization", "user-agent"})
_OUR_PREFIX = "x-goog-pubsub-"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Signer(Protocol):
    """Whoever makes the identity tokens of service accounts."""

    def token(self, email: str, audience: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how a subscription pushes. `head` is the part of the request's head that never changes."""

    subscription: str
    place: tuple[str, int, bool]  # host, port, TLS
    head: bytes
    account: str
    audience: str
    wrapped: bool
    metadata: bool
    counted: bool

    @classmethod
    def of(cls, config: Any) -> Self | None:
        """The target of a google.pubsub.v1.Subscription, or None when it is pulled."""
        push = config.push_config
        if not push.push_endpoint:
            return None
        parts = urlsplit(push.push_endpoint)
        secure = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {AGENT}\r\nAccept: application/json\r\n"
        return cls(
            subscription=config.name,
            place=(parts.hostname or "", parts.port or (443 if secure else 80), secure),
            head=head.encode(),
            account=push.oidc_token.service_account_email,
            audience=push.oidc_token.audience or push.push_endpoint,
            wrapped=not push.HasField("no_wrapper"),
            metadata=push.no_wrapper.write_metadata,
            counted=config.HasField("dead_letter_policy"),
        )

    def request(self, message: Stored, attempt: int, signer: Signer | None) -> bytes:
        """The bytes of a push. Without a signer there is no token."""
        lines = []
        if self.account and signer is not None:
            lines.append(f"Authorization: Bearer {signer.token(self.account, self.audience)}\r\n")
        body = message.data
        if self.wrapped:
            lines.append("Content-Type: application/json\r\n")
            body = self._envelope(message, attempt)
        elif self.metadata:
            lines.extend(_metadata(self.subscription, message))
        lines.append(f"Content-Length: {len(body)}\r\n\r\n")
        return self.head + "".join(lines).encode() + body

    def _envelope(self, message: Stored, attempt: int) -> bytes:
        inner: dict[str, object] = {
            "messageId": message.id,
            "message_id": message.id,
            "publishTime": message.publish_time,
            "publish_time": message.publish_time,
        }
        if message.data:
            inner["data"] = b64encode(message.data).decode()
        if message.attributes:
            inner["attributes"] = message.attributes
        if message.ordering_key:
            inner["orderingKey"] = message.ordering_key
        outer: dict[str, object] = {"message": inner, "subscription": self.subscription}
        if self.counted:
            outer["deliveryAttempt"] = attempt
        return orjson.dumps(outer)


def _metadata(subscription: str, message: Stored) -> list[str]:
    """Headers of the metadata. An attribute that is no header, could be two, or would pass for ours, is left out."""
    headers = {
        f"{_OUR_PREFIX}subscription-name": subscription,
        f"{_OUR_PREFIX}message-id": message.id,
        f"{_OUR_PREFIX}publish-time": message.publish_time,
    }
    if message.ordering_key:
        headers[f"{_OUR_PREFIX}ordering-key"] = message.ordering_key
    headers |= {
        name: value
        for name, value in message.attributes.items()
        if _NAME.fullmatch(name) and not _CONTROL.search(value) and not _ours(name.lower())
    }
    return [f"{name}: {value}\r\n" for name, value in headers.items()]


def _ours(name: str) -> bool:
    return name in _OURS or name.startswith(_OUR_PREFIX)
