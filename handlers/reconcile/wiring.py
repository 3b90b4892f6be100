"""Reconcile with its ports: for the service, which has most of them open, and for the command line, which has none."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from handlers.reconcile.publish import Events
from handlers.reconcile.rounds import Rounds
from handlers.reconcile.sweep import Sweep
from shared import egress
from shared.deid.door import Door, open_doors
from shared.fhir.client import MedplumClient
from shared.identity.event_ids import EventIds
from shared.ledger.opening import open_ledger
from shared.ledger.port import Ledger
from shared.marks import open_marks
from shared.settings import Settings, Tenant, key_bytes
from shared.sinks.keys import BigQueryKeys
from shared.sinks.port import Publisher
from shared.sinks.pubsub import PubSubPublisher

_PATIENCE = 60.0  # seconds for one question to Medplum: a page of a thousand


def rounds(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    http: egress.Client,
    publisher: Publisher,
    ledger: Ledger,
    doors: Mapping[str, tuple[Door, ...]] | None = None,
    apply: bool = True,
    patience: float = _PATIENCE,
) -> Rounds:
    """All tenants' sweeps; the stack closes what was opened for them. Raises ValueError if a tenant has no keys.

    `doors` by project, where they are open already: to compile a policy takes a third of a second.
    """
    tenants = tuple(map(_sweeping, settings.tenants))
    medplum = MedplumClient(http, settings.medplum_url, tenants, settings.resource_limit, patience, role="sweeper")
    datasets = {(one.name, release.key_id): release.dataset for one in tenants for release in one.releases}
    keys = BigQueryKeys(settings.gcp_project, datasets, settings.bigquery_url)
    stack.push_async_callback(keys.close)
    marks = open_marks(settings.ledger, project=settings.gcp_project)
    stack.push_async_callback(marks.close)
    sweeps = [
        Sweep(
            tenant=tenant,
            doors=open_doors(tenant) if doors is None else doors[tenant.project],
            sweeper=medplum,
            keys=keys,
            ledger=ledger,
            events=Events(tenant, EventIds(key_bytes(tenant.event_key)), publisher, time.time),
            now=time.time,
            apply=apply,
            settle=settings.settle,
        )
        for tenant in tenants
    ]
    return Rounds(sweeps, marks, ledger, f"reconcile/{os.getpid()}/{uuid4().hex[:8]}", time.time)


@asynccontextmanager
async def opened(settings: Settings, *, apply: bool) -> AsyncIterator[Rounds]:
    """Reconcile on its own, as a job or on the command line."""
    async with AsyncExitStack() as stack:
        host = egress.host_of(settings.medplum_url, local=settings.local)
        http = egress.client(frozenset({host}), timeout=_PATIENCE, local=settings.local)
        stack.push_async_callback(http.aclose)
        publisher = PubSubPublisher(settings.gcp_project, settings.pubsub_endpoint)
        stack.push_async_callback(publisher.close)
        ledger = open_ledger(settings.ledger, project=settings.gcp_project, retention=settings.retention)
        stack.push_async_callback(ledger.close)
        yield rounds(settings, stack, http=http, publisher=publisher, ledger=ledger, apply=apply)


def _sweeping(tenant: Tenant) -> Tenant:
    """The tenant with the client that lists in the place of the one that reads."""
    return tenant.model_copy(update={"reader": tenant.sweeper or tenant.reader})
