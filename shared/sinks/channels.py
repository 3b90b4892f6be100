"""gRPC channels to Google: TLS with the workload's own identity, or plain to a local endpoint (host:port).

Made on first use, in the running loop: gRPC does not survive a fork. Reconnecting is tried every few seconds: gRPC's own
backoff grows to two minutes, and would outlast most outages.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient

_OPTIONS = (
    ("grpc.keepalive_time_ms", 60_000),  # a connection that died in silence is found while nothing is written
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),  # a pull of large messages passes gRPC's own 4 MB
)


def connected(transport: Any, endpoint: str) -> Any:
    """A transport of this class (an asyncio one of Google's generated clients), connected when it is first used."""
    from google.auth.credentials import AnonymousCredentials

    channel = partial(_channel, transport, endpoint)
    return transport(channel=channel, credentials=AnonymousCredentials() if endpoint else None)


def publish_channel(endpoint: str) -> Any:
    """A channel for the one call that every event needs several times: without the client's wrappers, a third of its CPU."""
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport as Transport

    return _channel(Transport, endpoint, f"{Transport.DEFAULT_HOST}:443")


def _channel(transport: Any, endpoint: str, host: str, **options: object) -> Any:
    """To the local endpoint; or to Google, as who we are."""
    from grpc import aio

    if endpoint:
        return aio.insecure_channel(endpoint, options=_OPTIONS)
    return transport.create_channel(host, **(options | {"options": _OPTIONS}))


@asynccontextmanager
async def publisher_client(endpoint: str) -> "AsyncIterator[PublisherAsyncClient]":
    """A PublisherAsyncClient, closed with the context."""
    from google.pubsub_v1 import PublisherAsyncClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport

    client = PublisherAsyncClient(transport=connected(PublisherGrpcAsyncIOTransport, endpoint))
    try:
        yield client
    finally:
        await client.transport.close()


@asynccontextmanager
async def subscriber_client(endpoint: str) -> "AsyncIterator[SubscriberAsyncClient]":
    """A SubscriberAsyncClient, closed with the context."""
    from google.pubsub_v1 import SubscriberAsyncClient
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

    client = SubscriberAsyncClient(transport=connected(SubscriberGrpcAsyncIOTransport, endpoint))
    try:
        yield client
    finally:
        await client.transport.close()
