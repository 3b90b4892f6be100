"""Google's asynchronous Pub/Sub clients, on the cloud or on a local endpoint (host:port, no TLS, no credentials)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient


@asynccontextmanager
async def publisher_client(endpoint: str) -> "AsyncIterator[PublisherAsyncClient]":
    """A PublisherAsyncClient, closed with the context."""
    from google.pubsub_v1 import PublisherAsyncClient

    if not endpoint:
        client = PublisherAsyncClient()
    else:
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
        from grpc.aio import insecure_channel

        client = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=insecure_channel(endpoint)))
    try:
        yield client
    finally:
        await client.transport.close()


@asynccontextmanager
async def subscriber_client(endpoint: str) -> "AsyncIterator[SubscriberAsyncClient]":
    """A SubscriberAsyncClient, closed with the context."""
    from google.pubsub_v1 import SubscriberAsyncClient

    if not endpoint:
        client = SubscriberAsyncClient()
    else:
        from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport
        from grpc.aio import insecure_channel

        client = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=insecure_channel(endpoint)))
    try:
        yield client
    finally:
        await client.transport.close()
