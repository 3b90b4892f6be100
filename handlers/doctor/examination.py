"""The whole examination: this process, each tenant's Medplum project, then Google Cloud."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from handlers.doctor import cloud, here
from handlers.doctor.findings import Finding
from handlers.doctor.medplum import Project
from handlers.provisioning.areas import opened
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.run import run
from shared import egress
from shared.settings import Settings, Zone

_PATIENCE = 30.0  # seconds for one HTTP call


async def examined(
    settings: Settings, deployment: Deployment, *, now: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """Every finding, as it is found."""
    async with outbound(settings, deployment) as http:
        async for finding in here.examined(settings, http):
            yield finding
        for tenant in settings.tenants:
            async for finding in Project(tenant, settings, deployment, http, now).examined():
                yield finding
    async with opened(settings, deployment) as areas:
        async for change in run(areas):
            for finding in cloud.findings(change):
                yield finding


@asynccontextmanager
async def outbound(settings: Settings, deployment: Deployment) -> AsyncIterator[egress.Client]:
    """HTTP to Medplum, to the signing keys and to the ingress, and to nowhere else."""
    urls = (settings.medplum_url, settings.jwks_url, deployment.url(settings, Zone.INGRESS))
    hosts = {urlsplit(url).hostname or "" for url in urls}
    http = egress.client(hosts, timeout=_PATIENCE, local=settings.local)
    try:
        yield http
    finally:
        await http.aclose()
