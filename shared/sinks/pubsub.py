"""The publisher: messages confirmed by Pub/Sub, those of one topic sharing a call (design §4.9).

    publish(topic, message) ─┐
    publish(topic, message) ─┴─► [this] ─► Publish([message, message]) ─► confirmed, or PUBSUB_DOWN for each

There is no retry here: the pipeline answers 503 and Pub/Sub or Medplum delivers again, so a message may be published
twice; its ce-id is the same, and that is what counts. Ordering keys are kept for a caller that waits for one
confirmation before it publishes the next. The channel is made on first use, in the running loop: gRPC's threads do not
survive gunicorn's fork.
"""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple
from urllib.parse import quote

from shared.batching import Batcher
from shared.errors import Code, Problem
from shared.events.envelope import Message
from shared.sinks.channels import publish_channel
from shared.telemetry.metrics import BATCH_ITEMS, BATCHES

_METHOD = "/google.pubsub.v1.Publisher/Publish"
_MOST_MESSAGES = 1000
_MOST_BYTES = 9_000_000  # Pub/Sub takes 10 MB with all that is around the messages
_LINGER = 0.025  # seconds for which a message waits for company, since calls are dear: decision 18
_AROUND = 64  # bytes that protobuf adds to a message, more or less


class PubSubPublisher:
    """`endpoint`: host:port of a local Pub/Sub; empty in the cloud. `timeout` is of a call, in seconds."""

    def __init__(self, project: str, endpoint: str = "", *, timeout: float = 10.0) -> None:
        self._project, self._endpoint, self._timeout = project, endpoint, timeout
        self._channel: Any = None
        self._call: Any = None
        self._topics: dict[str, Batcher[Message, None]] = {}

    async def publish(self, topic: str, message: Message) -> None:
        """Returns when Pub/Sub has confirmed the message. Raises Problem(PUBSUB_DOWN)."""
        batcher = self._topics.get(topic)
        if batcher is None:
            name = f"projects/{self._project}/topics/{topic}"
            # The header is how Google routes a call; its own client sends the same.
            routed = (("x-goog-request-params", f"topic={quote(name, safe='')}"),)
            send = partial(self._send, topic, name, routed)
            batcher = Batcher(
                send, max_items=_MOST_MESSAGES, max_bytes=_MOST_BYTES, max_wait=_LINGER, linger=_LINGER, size=_size
            )
            self._topics[topic] = batcher
        await batcher.submit(message)

    async def warm(self) -> None:
        """Import and make the channel now, so that the first publish does not wait for it."""
        self._connected()

    async def close(self) -> None:
        """Send what waits, then hang up."""
        for batcher in self._topics.values():
            await batcher.drain()
        if self._channel is not None:
            await self._channel.close()
            self._channel = self._call = None

    async def _send(
        self, topic: str, name: str, routed: Sequence[tuple[str, str]], messages: Sequence[Message]
    ) -> Sequence[Exception | None]:
        BATCHES.add(1, "pubsub")
        BATCH_ITEMS.add(len(messages), "pubsub")
        request = _google().request(topic=name)
        for message in messages:
            request.messages.add(
                data=message.data, attributes=dict(message.attributes), ordering_key=message.ordering_key
            )
        try:
            response = await self._connected()(request, timeout=self._timeout, metadata=routed)
            confirmed = len(response.message_ids)
        except _google().failures:
            confirmed = 0
        # All or none: Pub/Sub confirms a request as a whole. An error of one's own for each caller, with its own trace.
        return [None if confirmed == len(messages) else Problem(Code.PUBSUB_DOWN, topic) for _ in messages]

    def _connected(self) -> Any:
        if self._call is None:
            google = _google()
            self._channel = publish_channel(self._endpoint)
            self._call = self._channel.unary_unary(
                _METHOD, google.request.SerializeToString, google.response.FromString
            )
        return self._call


class _Google(NamedTuple):
    """What a publish is made of: the two messages, and what may come in place of the second."""

    request: Any
    response: Any
    failures: tuple[type[Exception], ...]


@cache
def _google() -> _Google:
    """Imported with the first publish, and looked up once."""
    from google.auth.exceptions import GoogleAuthError
    from google.pubsub_v1.types import PublishRequest, PublishResponse
    from grpc import RpcError

    return _Google(PublishRequest.pb(), PublishResponse.pb(), (RpcError, GoogleAuthError, OSError))


def _size(message: Message) -> int:
    attributes = sum(len(name) + len(value) + 8 for name, value in message.attributes.items())
    return len(message.data) + attributes + len(message.ordering_key) + _AROUND
