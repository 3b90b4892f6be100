"""A Google Cloud project on this machine: every part that a deployment is made of, spoken to by Google's own clients."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from handlers.provisioning.areas import opened
from handlers.provisioning.changes import Act, Change
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.run import run
from shared.local.bigquery import Warehouse
from shared.local.firestore_admin import FirestoreAdmin
from shared.local.googleapis import GoogleApis
from shared.local.pubsub import PubSub
from shared.settings import Settings
from shared.sinks.bigquery import schema
from shared.sinks.channels import publisher_client, subscriber_client
from tests.tenant import settings

SERVICES = tuple(f"starvit-{zone}" for zone in ("ingress", "clinical", "analytics", "ops"))
SECRETS = tuple(f"starvit-{zone}-tenants" for zone in ("ingress", "clinical", "analytics"))
ANALYSTS = "analysts@clinic.example"
_TABLE = schema.table


@dataclass(slots=True)
class Cloud:
    settings: Settings
    deployment: Deployment
    google: GoogleApis
    firestore: FirestoreAdmin
    publisher: Any
    subscriber: Any
    seen: list[Change] = field(default_factory=list)

    async def provision(self, *only: str, apply: bool = True, delete: tuple[str, ...] = ()) -> list[Change]:
        """One run of `./dev provision`: what was not as it should be."""
        async with opened(self.settings, self.deployment, only) as areas:
            self.seen = [change async for change in run(areas, apply=apply, delete=delete)]
        return [change for change in self.seen if change.act is not Act.KEEP]

    def topic(self, name: str) -> str:
        return f"projects/{self.settings.gcp_project}/topics/{name}"

    def subscription(self, name: str) -> str:
        return f"projects/{self.settings.gcp_project}/subscriptions/{name}"


@asynccontextmanager
async def cloud(**changed: Any) -> AsyncIterator[Cloud]:
    """An empty project, with the services deployed and the secrets stored. `changed` are settings."""
    async with AsyncExitStack() as stack:
        pubsub, warehouse, firestore = PubSub(), Warehouse(), FirestoreAdmin()
        google = GoogleApis("starvit", services=SERVICES, secrets=SECRETS)
        address = await pubsub.start()
        stack.push_async_callback(pubsub.stop)
        endpoints = await warehouse.start()
        stack.callback(warehouse.close)
        stack.push_async_callback(warehouse.stop)
        google_url = await google.start()
        stack.push_async_callback(google.stop)
        admin = await firestore.start()
        stack.push_async_callback(firestore.stop)
        using = settings(
            pubsub_endpoint=address,
            bigquery_url=endpoints.rest,
            bigquery_endpoint=endpoints.grpc,
            public_url="https://events.clinic.example",
            **changed,
        )
        deployment = Deployment(
            region="europe-west3",
            project_number="415104041262",
            analysts=ANALYSTS,
            google_url=google_url,
            firestore_admin_endpoint=admin,
        )
        publisher = await stack.enter_async_context(publisher_client(address))
        subscriber = await stack.enter_async_context(subscriber_client(address))
        yield Cloud(using, deployment, google, firestore, publisher, subscriber)


def wanting(monkeypatch: pytest.MonkeyPatch, column: dict[str, str]) -> None:
    """From now on schemas/bigquery has this one column more in the current rows."""

    def table(name: str, project: str, dataset: str) -> schema.Resource:
        resource: schema.Resource = _TABLE(name, project, dataset)
        if name == schema.CURRENT:
            fields: Any = resource["schema"]
            fields["fields"].append(column)
        return resource

    monkeypatch.setattr(schema, "table", table)
