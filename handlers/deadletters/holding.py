"""The `--hold` subscriptions: look without taking, and take for a replay.

Pub/Sub can not be browsed. A look pulls what there is and gives it back at once (ack deadline 0); a replay acknowledges a
message only after its origin has confirmed it, so that a crash repeats a publish and loses nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handlers.provisioning import aside, hold
from shared.events.envelope import Message

if TYPE_CHECKING:
    from google.pubsub_v1 import SubscriberAsyncClient

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Held:
    """A message that lies aside, leased to us by `ack` until the holding closes."""

    topic: str
    subscription: str
    ack: str
    published: str  # RFC 3339
    message: Message


class Holding:
    """All that lies aside in one project."""

    def __init__(self, client: "SubscriberAsyncClient", project: str) -> None:
        self._client, self._project = client, f"projects/{project}"
        self._open: dict[str, list[str]] = {}

    async def messages(self) -> AsyncIterator[Held]:
        """Every message in every quarantine and dead-letter topic."""
        for topic in aside():
            subscription = f"{self._project}/subscriptions/{hold(topic)}"
            while received := await self._pull(subscription):
                self._open.setdefault(subscription, []).extend(one.ack_id for one in received)
                for one in received:
                    body = one.message
                    message = Message(body.data, dict(body.attributes), body.ordering_key)
                    yield Held(topic, subscription, one.ack_id, body.publish_time.rfc3339(), message)

    async def done(self, held: Held) -> None:
        """Take the message away for good."""
        await self._client.acknowledge(subscription=held.subscription, ack_ids=[held.ack])
        self._open[held.subscription].remove(held.ack)

    async def give_back(self) -> None:
        """Return what was looked at and not taken."""
        for subscription, acks in self._open.items():
            for start in range(0, len(acks), _PAGE):
                page = acks[start : start + _PAGE]
                await self._client.modify_ack_deadline(subscription=subscription, ack_ids=page, ack_deadline_seconds=0)
        self._open.clear()

    async def _pull(self, subscription: str) -> list[Any]:
        request = {"subscription": subscription, "max_messages": _PAGE, "return_immediately": True}
        return list((await self._client.pull(request=request)).received_messages)


@asynccontextmanager
async def holding(client: "SubscriberAsyncClient", project: str) -> AsyncIterator[Holding]:
    """A holding that gives everything back when it closes."""
    opened = Holding(client, project)
    try:
        yield opened
    finally:
        await opened.give_back()
