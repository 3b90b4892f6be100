"""The areas that a deployment has, each with its client, in the order in which they depend on each other.

On one machine there are the embedded Pub/Sub and BigQuery; accounts, services, secrets, databases and schedulers are
the cloud's, and are looked at only where a stand-in of them is configured.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from handlers.provisioning.accounts import AccountsArea
from handlers.provisioning.bigquery import BigQueryArea
from handlers.provisioning.changes import Area
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.firestore import FirestoreArea
from handlers.provisioning.iam import IamArea, Policies
from handlers.provisioning.keepers import PubSubPolicies, RestPolicies, ViewPolicies
from handlers.provisioning.monitoring import MonitoringArea
from handlers.provisioning.pubsub import PubSubArea
from handlers.provisioning.rest import HOSTS, Google
from handlers.provisioning.rights import Kind, account_names, bindings
from handlers.provisioning.scheduler import SchedulerArea
from handlers.provisioning.wanted import Retry
from shared import egress
from shared.settings import Settings
from shared.sinks.channels import connected, publisher_client, subscriber_client

if TYPE_CHECKING:
    from google.cloud import bigquery
    from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminAsyncClient

NAMES = ("pubsub", "bigquery", "firestore", "iam", "scheduler", "monitoring")
_PATIENCE = 30.0  # seconds for one REST call


@asynccontextmanager
async def opened(settings: Settings, deployment: Deployment, only: Collection[str] = ()) -> AsyncIterator[list[Area]]:
    """The areas (all, or those named), closed with the context."""
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(publisher_client(settings.pubsub_endpoint))
        subscriber = await stack.enter_async_context(subscriber_client(settings.pubsub_endpoint))
        warehouse = _warehouse(settings)
        stack.callback(warehouse.close)
        keepers: dict[Kind, Policies] = {}
        keepers |= dict.fromkeys((Kind.TOPIC, Kind.SUBSCRIPTION), PubSubPolicies(settings.gcp_project, publisher))
        keepers[Kind.VIEW] = ViewPolicies(warehouse)
        google = await _google(stack, settings, deployment)
        areas: list[Area] = []
        if google:
            areas.append(AccountsArea(google, settings.gcp_project, account_names(settings)))
            by_rest = RestPolicies(google, settings.gcp_project, deployment.region)
            keepers |= dict.fromkeys((Kind.PROJECT, Kind.ACCOUNT, Kind.SERVICE, Kind.SECRET), by_rest)

        retry = Retry(deployment.backoff_least, deployment.backoff_most)
        areas.append(
            PubSubArea(
                settings,
                deployment,
                publisher,
                subscriber,
                url=lambda zone: deployment.url(settings, zone),
                retry=retry,
            )
        )
        areas.append(BigQueryArea(settings, warehouse, location=deployment.region))
        if deployment.firestore_admin_endpoint or not settings.local:
            databases = await stack.enter_async_context(_firestore(deployment.firestore_admin_endpoint))
            areas.append(FirestoreArea(databases, settings.gcp_project, deployment.region))
        areas.append(IamArea(bindings(settings, deployment), keepers))
        if google:
            areas.append(SchedulerArea(google, settings, deployment))
            areas.append(MonitoringArea(google, settings.gcp_project, deployment.alert_channels))
        yield [area for area in areas if not only or area.name in only]


async def _google(stack: AsyncExitStack, settings: Settings, deployment: Deployment) -> Google | None:
    if settings.local and not deployment.google_url:
        return None
    hosts = {urlsplit(deployment.google_url).hostname or ""} if deployment.google_url else HOSTS
    http = egress.client(hosts, timeout=_PATIENCE, local=settings.local)
    stack.push_async_callback(http.aclose)
    return Google(http, deployment.google_url)


def _warehouse(settings: Settings) -> "bigquery.Client":
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    if not settings.bigquery_url and not settings.local:
        return bigquery.Client(settings.gcp_project)
    options = ClientOptions(api_endpoint=settings.bigquery_url)
    return bigquery.Client(settings.gcp_project, AnonymousCredentials(), client_options=options)


@asynccontextmanager
async def _firestore(endpoint: str) -> "AsyncIterator[FirestoreAdminAsyncClient]":
    from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminAsyncClient
    from google.cloud.firestore_admin_v1.services.firestore_admin.transports import FirestoreAdminGrpcAsyncIOTransport

    transport: Any = connected(FirestoreAdminGrpcAsyncIOTransport, endpoint)
    client = FirestoreAdminAsyncClient(transport=transport)
    try:
        yield client
    finally:
        await client.transport.close()
