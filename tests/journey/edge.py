"""The service in this process, behind its real HTTP application, with Pub/Sub over gRPC and a token issuer behind it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from handlers.app import create_app
from handlers.provisioning import provision
from shared.events.envelope import Message
from shared.local.issuer import Issuer
from shared.local.pubsub import PubSub
from shared.settings import Settings
from shared.sinks.channels import publisher_client, subscriber_client
from tests.tenant import settings

URL = "http://127.0.0.1:8080"


@dataclass(slots=True)
class Edge:
    """`published` is all that reached Pub/Sub, with its topic."""

    app: FastAPI
    http: httpx.AsyncClient
    issuer: Issuer
    settings: Settings
    published: list[tuple[str, Message]] = field(default_factory=list)

    def to(self, topic: str) -> list[dict[str, Any]]:
        """The data of what was published to a topic."""
        return [json.loads(message.data) for name, message in self.published if name == topic]

    def token(self, handler: str) -> str:
        """A good bearer token for a handler's endpoint."""
        return self.issuer.token(self.settings.account(handler), self.settings.audience(handler))


@asynccontextmanager
async def edge(zone: str = "all", **changed: object) -> AsyncIterator[Edge]:
    """Start it all, without pushes: the test pushes. Google's clients, the issuer and the application are the real ones."""
    published: list[tuple[str, Message]] = []
    issuer = Issuer()
    certs = await issuer.serve()
    pubsub = PubSub(observe=lambda topic, message: published.append((topic, message)))
    address = await pubsub.start()
    nothing = {"bigquery_endpoint": "127.0.0.1:9", "medplum_url": "http://127.0.0.1:9", "public_url": URL}
    using = settings(zone, jwks_url=certs, pubsub_endpoint=address, **{**nothing, **changed})
    async with publisher_client(address) as publisher, subscriber_client(address) as subscriber:
        await provision(using, publisher, subscriber, url=lambda _: "http://127.0.0.1:9")
    app = create_app(using)
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http,
        ):
            yield Edge(app, http, issuer, using, published)
    finally:
        await pubsub.stop()
        await issuer.stop()
