"""A world that speaks google.pubsub.v1, with Google's own clients and a real push endpoint.

Nothing here knows whether the embedded Pub/Sub or Google's emulator answers.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from google.api_core.exceptions import NotFound
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage

from shared.sinks.channels import publisher_client, subscriber_client
from tests.contracts.pubsub.endpoint import Endpoint, endpoint


@dataclass(eq=False)
class World:
    """`keys` are those of the token issuer, as a JWK set; the emulator has none."""

    address: str
    publisher: PublisherAsyncClient
    subscriber: SubscriberAsyncClient
    endpoint: Endpoint
    keys: dict[str, object] = field(default_factory=dict)
    project: str = field(default_factory=lambda: f"p-{uuid4().hex[:8]}")
    _subscriptions: list[str] = field(default_factory=list)

    async def topic(self, name: str = "events", **config: Any) -> str:
        """Create a topic; its full name."""
        full = f"projects/{self.project}/topics/{name}"
        await self.publisher.create_topic(request={"name": full, **config})
        return full

    async def subscribe(self, topic: str, name: str = "handler", **config: Any) -> str:
        """Create a subscription; its full name. Without a push_config it is pulled."""
        full = f"projects/{self.project}/subscriptions/{name}"
        await self.subscriber.create_subscription(request={"name": full, "topic": topic, **config})
        self._subscriptions.append(full)
        return full

    async def push(self, topic: str, name: str = "handler", *, path: str = "/", **config: Any) -> str:
        """Create a push subscription to the endpoint; its full name. What is not of the subscription is its push's."""
        own = {key: config.pop(key) for key in ("no_wrapper", "oidc_token") if key in config}
        return await self.subscribe(
            topic, name, push_config={"push_endpoint": self.endpoint.url + path, **own}, **config
        )

    async def publish(self, topic: str, *data: bytes | str, key: str = "", **attributes: str) -> Sequence[str]:
        """Publish a message for each data, with the same key and attributes; their ids."""
        messages = [
            PubsubMessage(data=d.encode() if isinstance(d, str) else d, ordering_key=key, attributes=attributes)
            for d in data
        ]
        response = await self.publisher.publish(topic=topic, messages=messages)
        return list(response.message_ids)

    async def pull(self, subscription: str, count: int = 1, within: float = 5.0) -> list[ReceivedMessage]:
        """As many messages, or fewer when no more come in time."""
        end = asyncio.get_running_loop().time() + within
        got: list[ReceivedMessage] = []
        while len(got) < count and asyncio.get_running_loop().time() < end:
            response = await self.subscriber.pull(
                request={"subscription": subscription, "max_messages": count - len(got), "return_immediately": True}
            )
            got.extend(response.received_messages)
            if len(got) < count:
                await asyncio.sleep(0.02)
        return got

    async def end(self) -> None:
        for name in self._subscriptions:
            with suppress(NotFound):
                await self.subscriber.delete_subscription(subscription=name)


@asynccontextmanager
async def world_at(address: str, keys: dict[str, object]) -> AsyncIterator[World]:
    """A world in a project of its own."""
    async with publisher_client(address) as publisher, subscriber_client(address) as subscriber, endpoint() as receiver:
        world = World(address, publisher, subscriber, receiver, keys)
        yield world
        await world.end()
