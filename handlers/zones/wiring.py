"""The only wiring: what a process works with, connected when it starts, and closed in the reverse order.

publisher ─► ingress │ keys, tokens ─► ops │ ledger, sinks ─► clinical, analytics ─► the pipeline
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from copy import replace
from uuid import uuid4

from msgspec import Struct

from handlers import catalog
from handlers.endpoints import World
from shared import egress
from shared.accounts import Accounts
from shared.acting import Sinks
from shared.erasures.opening import open_erasures
from shared.errors import Problem
from shared.identity.keys import SigningKeys
from shared.identity.push import PushTokens
from shared.ledger.memo import MemoLedger
from shared.ledger.opening import open_ledger
from shared.pipeline import Pipeline
from shared.settings import Settings, Zone
from shared.sinks.port import Publisher
from shared.sinks.pubsub import PubSubPublisher
from shared.telemetry.metrics_store import open_metrics
from shared.telemetry.snapshots import Snapshots

STOP_WITHIN = 1.0  # seconds for what the server has cancelled to give its lease back
# Seconds for the last metrics, and again for the last spans: gunicorn's 8 hold uvicorn's 6 and these.
FLUSH_WITHIN = 0.4


class Called(Struct, frozen=True):
    """What every zone has that is called by others than Medplum: the way out, and the keys that tokens are checked with."""

    publisher: Publisher
    http: egress.Client
    keys: SigningKeys
    tokens: PushTokens
    now: Callable[[], float]


async def build(world: World, stack: AsyncExitStack) -> None:
    """Connect what this zone works with; the stack closes it in the reverse order."""
    settings, now = world.settings, time.time
    publisher = PubSubPublisher(settings.gcp_project, settings.pubsub_endpoint)
    stack.push_async_callback(publisher.close)
    await publisher.warm()
    if settings.zone in (Zone.INGRESS, Zone.ALL):
        from handlers.zones import ingress

        ingress.open(world, publisher, now)
    if settings.zone is not Zone.INGRESS:
        called = await _called(settings, stack, publisher, now)
        if settings.zone in (Zone.OPS, Zone.ALL):
            from handlers.zones import ops

            await ops.open(world, stack, called)
        if catalog.subscriptions(settings.zone):
            await _handlers(world, stack, called)
    world.ready = True


def tell_metrics(settings: Settings, stack: AsyncExitStack) -> None:
    """Tell the metrics every so often; what came since the last time is told at the end."""
    store = open_metrics("memory" if settings.zone is Zone.INGRESS else settings.ledger, project=settings.gcp_project)
    stack.push_async_callback(store.close)
    snapshots = Snapshots(uuid4().hex[:16], str(settings.zone), settings.metrics_every)
    telling = asyncio.create_task(snapshots.run(store))

    async def last() -> None:
        telling.cancel()
        await asyncio.wait([telling])
        with suppress(TimeoutError):
            await asyncio.wait_for(snapshots.tell(store), FLUSH_WITHIN)

    stack.push_async_callback(last)


async def _called(settings: Settings, stack: AsyncExitStack, publisher: Publisher, now: Callable[[], float]) -> Called:
    http = egress.client(_hosts(settings), timeout=settings.deadline, local=settings.local)
    stack.push_async_callback(http.aclose)
    keys = SigningKeys(settings.jwks_url, http, now)
    await keys.start()
    stack.push_async_callback(keys.stop)
    return Called(publisher, http, keys, PushTokens(keys, settings.oidc_issuers, now), now)


async def _handlers(world: World, stack: AsyncExitStack, called: Called) -> None:
    """The handlers of this zone, and the pipeline that all their messages go through."""
    settings = world.settings
    store = open_ledger(settings.ledger, project=settings.gcp_project, retention=settings.retention)
    ledger = MemoLedger(store, retention=settings.retention)
    stack.push_async_callback(ledger.close)
    with suppress(Problem):  # connected before the first message; but a ledger that is down is no reason not to start
        await ledger.get("warm")

    erasures = open_erasures(settings.ledger, project=settings.gcp_project)
    stack.push_async_callback(erasures.close)
    accounts = Accounts(called.publisher, called.now, linger=settings.audit_linger)
    stack.push_async_callback(accounts.drain)
    sinks = Sinks(called.publisher, called.now, erasures=erasures, accounts=accounts)
    if settings.zone in (Zone.CLINICAL, Zone.ALL):
        from handlers.zones import clinical

        sinks = replace(sinks, auditor=await clinical.open(world, stack, called, store, erasures, accounts))
    if settings.zone in (Zone.ANALYTICS, Zone.ALL):
        from handlers.zones import analytics

        sinks = await analytics.open(world, stack, called, sinks, erasures)
    world.pipeline = Pipeline(
        settings,
        tokens=called.tokens,
        ledger=ledger,
        sinks=sinks,
        accounts=accounts,
        owner=f"{os.environ.get('K_REVISION', 'local')}/{os.getpid()}/{uuid4().hex[:8]}",
        now=called.now,
    )
    stack.push_async_callback(world.pipeline.stop, STOP_WITHIN)  # first of all: leases go back while there is a ledger


def _hosts(settings: Settings) -> frozenset[str]:
    """The only hosts that this process speaks HTTP to."""
    urls = [settings.jwks_url]
    if settings.zone in (Zone.OPS, Zone.ALL) and settings.console_audience:
        urls.append(settings.console_keys_url)
    if settings.zone in (Zone.CLINICAL, Zone.ALL):
        urls.append(settings.medplum_url)
    if settings.tigergraph_url:
        urls.append(settings.tigergraph_url)
    return frozenset(egress.host_of(url, local=settings.local) for url in urls)
