"""The only wiring: settings in, a FastAPI application out. What a zone may not touch is not built for it.

ZONE=ingress    POST /v1/webhooks/medplum/{subscription}
ZONE=clinical   POST /v1/push/{validation,deid,text,audit,operations,erase}, /v1/tasks/reconcile
ZONE=analytics  POST /v1/push/{analytics,graph}
ZONE=ops        POST /v1/push/index, /v1/tasks/dead-letters; pages under /ops
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from handlers import catalog
from handlers.endpoints import World, mount_dead_letters, mount_health, mount_push, mount_reconcile, mount_webhook
from handlers.http import install_errors
from shared import egress, startup
from shared.acting import Sinks
from shared.erasures.opening import open_erasures
from shared.erasures.port import Erasures
from shared.errors import Problem
from shared.identity.keys import SigningKeys
from shared.identity.push import PushTokens
from shared.ledger.memo import MemoLedger
from shared.ledger.opening import open_ledger
from shared.ledger.port import Ledger
from shared.limits import Allowance, Recent
from shared.pipeline import Pipeline
from shared.settings import Settings, Zone, load
from shared.sinks.port import AuditWriter, Publisher
from shared.sinks.pubsub import PubSubPublisher
from shared.subscriber import NOTHING, Route, Subscription
from shared.telemetry.logs import start_logging
from shared.telemetry.metrics_store import open_metrics
from shared.telemetry.report import could_not_start, moved, refused_to_start, start_telemetry, started
from shared.telemetry.snapshots import Snapshots
from shared.telemetry.spans import stop_spans
from shared.tenancy import ByProject

if TYPE_CHECKING:
    from handlers.graph.wiring import Parts
    from shared.deid.text.texts import Texts

VERSION = "0.1.0"
STOP_WITHIN = 1.0  # seconds for what the server has cancelled to give its lease back
FLUSH_WITHIN = (
    0.4  # seconds for the last metrics, and again for the last spans: gunicorn's 8 hold uvicorn's 6 and these
)
# FastAPI's own records paths and exceptions' texts wherever a provider or its environment variable is set. Ours does not.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
REFUSED = 3  # the exit code on which gunicorn halts instead of starting the worker again and again


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application of this process's zone. Raises SystemExit with the reasons when it may not start."""
    settings = settings or _settings()
    start_telemetry(settings)
    if reasons := list(startup.refusals(settings, os.environ)):
        refused_to_start(reasons)
        raise SystemExit(REFUSED)
    world = World(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, stop_spans, FLUSH_WITHIN)  # last of all
            _metrics(settings, stack)
            try:
                await _build(world, stack)
            except Exception as error:
                could_not_start(error)  # the server would tell its text, which is dropped
                raise
            started(settings)
            yield
            world.ready = False

    # The contract is a file, schemas/openapi/v1.json, not an endpoint.
    app = FastAPI(
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # a redirect would be made of the Host header and the path: an open one, and an echo
        telemetry=NO_TELEMETRY,
    )
    app.state.world = world
    _mount(app, world)
    return app


def _settings() -> Settings:
    """The settings, or the end: which of them are none is said, what they hold is not."""
    try:
        return load()
    except ValidationError as error:
        start_logging()
        found = error.errors(include_input=False, include_url=False, include_context=False)
        refused_to_start(f"{'.'.join(map(str, one['loc'])) or 'settings'} - {one['type']}" for one in found)
    except (SettingsError, OSError) as error:
        start_logging()
        refused_to_start([f"settings can not be read - {type(error).__name__}"])
    raise SystemExit(REFUSED)


def bare_app(zone: Zone = Zone.ALL) -> FastAPI:
    """A zone's endpoints, or every zone's, with nothing behind them: for the contract and who checks it from outside."""
    app = FastAPI(version=VERSION)
    _mount(app, World(Settings.model_validate({"ZONE": zone, "tigergraph_url": "https://graph.example"})))
    return app


def _mount(app: FastAPI, world: World) -> None:
    zone = world.settings.zone
    install_errors(app)
    if zone in (Zone.INGRESS, Zone.ALL):
        mount_webhook(app, world)
    for on in catalog.subscriptions(zone):
        if on.served(world.settings):
            mount_push(app, world, on)
    if zone in (Zone.CLINICAL, Zone.ALL):
        mount_reconcile(app, world)
    if zone in (Zone.OPS, Zone.ALL):
        mount_dead_letters(app, world)
        _console(app, world)
    mount_health(app, world)


def _console(app: FastAPI, world: World) -> None:
    from handlers.console import routes

    routes.mount(app, lambda: world.console, world.room)


async def _build(world: World, stack: AsyncExitStack) -> None:
    """Connect what this zone works with; the stack closes it in the reverse order."""
    settings = world.settings
    publisher = PubSubPublisher(settings.gcp_project, settings.pubsub_endpoint)
    stack.push_async_callback(publisher.close)
    await publisher.warm()
    if settings.zone in (Zone.INGRESS, Zone.ALL):
        _ingress(world, publisher)
    if settings.zone is not Zone.INGRESS:
        http, keys = await _callers(settings, stack)
        tokens = PushTokens(keys, settings.oidc_issuers, time.time)
        if settings.zone in (Zone.OPS, Zone.ALL):
            await _operators(world, stack, publisher, tokens)
            await _people(world, stack, http, keys)
        if catalog.subscriptions(settings.zone):
            await _handlers(world, stack, publisher, http, tokens)
    world.ready = True


def _metrics(settings: Settings, stack: AsyncExitStack) -> None:
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


async def _callers(settings: Settings, stack: AsyncExitStack) -> tuple[egress.Client, SigningKeys]:
    """The way out, and with it the keys that callers' tokens are checked with."""
    http = egress.client(_hosts(settings), timeout=settings.deadline, local=settings.local)
    stack.push_async_callback(http.aclose)
    keys = SigningKeys(settings.jwks_url, http, time.time)
    await keys.start()
    stack.push_async_callback(keys.stop)
    return http, keys


async def _operators(world: World, stack: AsyncExitStack, publisher: Publisher, tokens: PushTokens) -> None:
    """Whoever sees what went wrong, and no patient: the index of dead letters and the replays."""
    from handlers.deadletters.arrivals import Arrivals
    from handlers.deadletters.endpoint import Task
    from handlers.deadletters.wiring import open_desk

    desk = world.desk = await open_desk(world.settings, stack, publisher)
    desk.told = moved
    world.arrivals = Arrivals(world.settings, tokens, desk.index, desk.ledgers, time.time)
    world.dead_letters = Task(world.settings, tokens, desk)


async def _people(world: World, stack: AsyncExitStack, http: egress.Client, keys: SigningKeys) -> None:
    """The operators' console, at the same desk."""
    from handlers.console.wiring import open_console

    assert world.desk is not None
    world.console = await open_console(world.settings, stack, http, keys, world.desk)


def _ingress(world: World, publisher: Publisher) -> None:
    from handlers.webhook import Hook, Webhooks
    from shared.identity.event_ids import EventIds

    settings = world.settings
    hooks = {
        path: Hook(tenant, EventIds(_key(tenant.event_key)), [s.get_secret_value().encode() for s in secrets])
        for tenant in settings.tenants
        for path, secrets in tenant.webhooks.items()
    }
    unsigned, claims = Allowance(settings.unsigned_per_minute), Allowance(settings.claims_per_minute)
    world.webhooks = Webhooks(hooks, publisher, time.time, unsigned, claims, Recent())


async def _handlers(
    world: World, stack: AsyncExitStack, publisher: Publisher, http: egress.Client, tokens: PushTokens
) -> None:
    settings = world.settings
    store = open_ledger(settings.ledger, project=settings.gcp_project, retention=settings.retention)
    ledger = MemoLedger(store, retention=settings.retention)
    stack.push_async_callback(ledger.close)
    with suppress(Problem):  # connected before the first message; but a ledger that is down is no reason not to start
        await ledger.get("warm")

    erasures = open_erasures(settings.ledger, project=settings.gcp_project)
    stack.push_async_callback(erasures.close)
    sinks = Sinks(publisher, time.time, erasures=erasures)
    if settings.zone in (Zone.CLINICAL, Zone.ALL):
        sinks = replace(sinks, auditor=await _clinical(world, stack, http, publisher, erasures))
        _reconcile(world, stack, http, publisher, store, tokens)
    if settings.zone in (Zone.ANALYTICS, Zone.ALL):
        graph = _graph(world, stack, http) if settings.tigergraph_url else None
        sinks = await _analytics(world, stack, sinks, erasures, graph)
    world.pipeline = Pipeline(
        settings,
        tokens=tokens,
        ledger=ledger,
        sinks=sinks,
        owner=f"{os.environ.get('K_REVISION', 'local')}/{os.getpid()}/{uuid4().hex[:8]}",
        now=time.time,
    )
    stack.push_async_callback(world.pipeline.stop, STOP_WITHIN)  # first of all: leases go back while there is a ledger


async def _clinical(
    world: World, stack: AsyncExitStack, http: egress.Client, publisher: Publisher, erasures: Erasures
) -> AuditWriter:
    """Whoever may see PHI: validation, deid and audit. Only here are the FHIR layer and the door even imported."""
    from handlers import audit, deid, erase, validation
    from shared.deid.door import open_doors
    from shared.fhir.client import MedplumClient
    from shared.fhir.reading import Reading
    from shared.fhir.records import Records
    from shared.fhir.validation import Validator
    from shared.identity.event_ids import EventIds

    settings = world.settings
    medplum = MedplumClient(http, settings.medplum_url, settings.tenants, settings.resource_limit, settings.deadline)
    ids = ByProject({tenant.project: EventIds(_key(tenant.event_key)) for tenant in settings.tenants})
    doors = ByProject({tenant.project: open_doors(tenant) for tenant in settings.tenants})
    for_validation = Reading(medplum, ids, "validation", "validation", time.time)
    for_deid = Reading(medplum, ids, "deid", "de-identification", time.time)
    for_text = Reading(medplum, ids, "text", "de-identification", time.time)
    texts = await _texts(settings, stack)

    def prose(on: Subscription) -> deid.Prose | None:
        accounts = Sinks(publisher, time.time)
        records = Records(
            medplum, ids, on.handler, time.time, lambda access, event: accounts.account_for(access, on, event)
        )
        return None if texts is None else deid.Prose(records, texts)

    projects = {tenant.name: tenant.project for tenant in settings.tenants}
    _serve(
        world,
        validation.validate.bind(for_validation.read(), validator=Validator(), ids=ids),
        deid.deidentify.bind(for_deid.read(), doors=doors, ids=ids, prose=prose(deid.ON), erasures=erasures),
        deid.retext.bind(for_text.read(), doors=doors, prose=prose(deid.TEXT), erasures=erasures),
        audit.audit.bind(NOTHING),
        audit.audit_operation.bind(NOTHING, projects=projects),
        erase.erase.bind(
            NOTHING, doors={name: doors[project] for name, project in projects.items()}, projects=projects
        ),
    )
    return medplum


def _reconcile(
    world: World,
    stack: AsyncExitStack,
    http: egress.Client,
    publisher: Publisher,
    ledger: Ledger,
    tokens: PushTokens,
) -> None:
    """What a scheduler asks for; it sees ids and versions, and the keys of the warehouse."""
    from handlers.reconcile.endpoint import Task
    from handlers.reconcile.wiring import rounds

    settings = world.settings
    made = rounds(settings, stack, http=http, publisher=publisher, ledger=ledger, patience=settings.deadline)
    world.reconcile = Task(settings, tokens, made)


async def _texts(settings: Settings, stack: AsyncExitStack) -> "Texts | None":
    """Who scrubs free text; None where none may leave."""
    from shared.deid.text.dlp import Dlp
    from shared.deid.text.texts import Texts

    match settings.text:
        case "withhold":
            return None
        case "local":
            return Texts()
        case "dlp":
            dlp = Dlp(
                settings.gcp_project,
                settings.dlp_location,
                endpoint=settings.dlp_endpoint,
                requests_per_minute=settings.dlp_per_minute,
            )
            stack.push_async_callback(dlp.close)
            if settings.dlp_endpoint or not settings.local:
                await dlp.warm()
            return Texts(dlp)


async def _analytics(
    world: World, stack: AsyncExitStack, sinks: Sinks, erasures: Erasures, graph: "Parts | None"
) -> Sinks:
    """Whoever may not see PHI."""
    from handlers import analytics
    from shared.sinks.bigquery import BigQueryWarehouse
    from shared.sinks.erasing import BigQueryErasing, Guarded, Proving

    settings = world.settings
    datasets = {
        (tenant.name, release.key_id): release.dataset for tenant in settings.tenants for release in tenant.releases
    }
    warehouse = BigQueryWarehouse(settings.gcp_project, datasets, settings.bigquery_endpoint)
    stack.push_async_callback(warehouse.close)
    await warehouse.warm()  # the first row shall not wait for Google's client to be imported
    erasing = BigQueryErasing(settings.gcp_project, datasets, settings.bigquery_url, patience=settings.deadline)
    stack.push_async_callback(erasing.close)
    proving = Proving(erasing, erasures, graph.graph if graph else None, time.time)
    releases = frozenset(datasets)
    _serve(
        world,
        analytics.analyse.bind(
            analytics.patients_rows(proving.find, releases),
            releases=releases,
            outgoing=catalog.outgoing(settings.tenants),
        ),
    )
    return replace(
        sinks,
        warehouse=Guarded(warehouse, erasures, erasing),
        graph=graph.settled if graph else None,
        erasing=erasing,
        proving=proving,
    )


def _graph(world: World, stack: AsyncExitStack, http: egress.Client) -> "Parts":
    """Whoever draws the graph; it may not see PHI either."""
    from handlers import graph
    from handlers.graph.wiring import opened

    parts = opened(world.settings, stack, http)
    _serve(world, graph.draw.bind(graph.versions(parts.changes, parts.drawing), drawing=parts.drawing))
    return parts


def _serve(world: World, *routes: Route) -> None:
    world.routes |= {route.on.handler: route for route in routes}


def _key(secret: object) -> bytes:
    assert isinstance(secret, SecretStr)  # startup.refusals has seen to it
    return bytes.fromhex(secret.get_secret_value())


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
