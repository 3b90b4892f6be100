"""The embedded parts around the real service: Pub/Sub, Medplum, BigQuery, TigerGraph, the token issuer.

    Medplum ─rest-hook─► gunicorn (ZONE=all, uvicorn workers) ─gRPC─► Pub/Sub ─push, OIDC─► gunicorn ─gRPC─► BigQuery
                                                                                              └─REST++─► TigerGraph

Everything listens on loopback, on ports that the system gives, and ends with the context.
"""

import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from handlers.demo.service import WORKERS, Service
from handlers.provisioning import Retry, provision
from shared.events.envelope import Message
from shared.local.bigquery import Warehouse
from shared.local.faults import Faults
from shared.local.issuer import Issuer
from shared.local.medplum import Medplum
from shared.local.pubsub import PubSub
from shared.local.tigergraph import TigerGraph
from shared.settings import Client, Settings, Tenant, Zone
from shared.sinks.channels import publisher_client, subscriber_client
from shared.startup import held_by

PROJECT = "5f0d3f9c-2c5e-4c0b-9a55-c11a1c0de000"  # the clinic's Medplum project
TYPES = (
    *("Patient", "Practitioner", "Organization", "RelatedPerson", "Encounter", "Condition", "Observation", "Procedure"),
    *("AllergyIntolerance", "DiagnosticReport", "DocumentReference", "Immunization", "MedicationRequest"),
)  # one Medplum Subscription each, with a secret of its own
OPERATOR = Client(id="operator", secret=SecretStr(secrets.token_urlsafe(32)))  # whoever runs `./dev doctor`
UNTOLD = "Coverage"  # has a webhook and no Subscription: only reconcile finds one
PROJECT_NUMBER = "415104041262"  # the Google Cloud project's, which its service agents bear
CONSOLE = {"operator@clinic.example": ("operator",), "approver@clinic.example": ("approver",)}
AUDITORS = 6  # ClientApplications that write AuditEvents: each has Medplum's quota of 416 conditional creates a minute
RETRY = Retry(least=0.2, most=30)  # the cloud's 10 to 600 s, for a machine that has less time
_AUDITOR = Path(__file__).resolve().parents[2] / "schemas" / "medplum" / "auditor.json"
TIME_SCALE = 0.02  # of Medplum's retry schedule: 20 s are 0.4 s


@dataclass(slots=True)
class Stack:
    tenant: Tenant
    settings: Settings
    issuer: Issuer
    pubsub: PubSub
    medplum: Medplum
    warehouse: Warehouse
    graph: TigerGraph
    services: dict[Zone, Service]
    addresses: dict[str, str]

    @property
    def service(self) -> Service:
        """The one of one machine."""
        return self.services[Zone.ALL]


@asynccontextmanager
async def embedded(
    directory: Path,
    *,
    faults: Faults | None,
    observe: Callable[[str, Message], None],
    zones: Sequence[Zone] = (Zone.ALL,),
    time_scale: float = TIME_SCALE,
    workers: int = WORKERS,
    **changed: object,
) -> AsyncIterator[Stack]:
    """Start everything; stop everything. `directory` takes the ledger and the log; `changed` are settings.

    Several `zones` are services of their own, each with its own zone's secrets and one worker, as in the cloud.
    """
    tenant = make_tenant()
    async with AsyncExitStack() as stack:
        issuer = Issuer()
        certs = await issuer.serve()
        stack.push_async_callback(issuer.stop)
        pubsub = PubSub(signer=issuer, observe=observe, faults=faults)
        pubsub_address = await pubsub.start()
        stack.push_async_callback(pubsub.stop)
        medplum = Medplum(time_scale=time_scale, faults=faults)
        clients = [client for client in (tenant.reader, tenant.sweeper, *tenant.auditors) if client]
        medplum.add_project(PROJECT, [(client.id, client.secret.get_secret_value()) for client in clients])
        _grant(medplum, tenant)
        medplum_url = await medplum.start()
        stack.push_async_callback(medplum.stop)
        warehouse = Warehouse()
        endpoints = await warehouse.start()
        stack.callback(warehouse.close)
        stack.push_async_callback(warehouse.stop)
        for release in tenant.releases:
            await warehouse.provision(release.dataset, release.policy)
        assert tenant.graph_token is not None
        graph = TigerGraph([r.dataset for r in tenant.releases], [tenant.graph_token.get_secret_value()])
        graph_url = await graph.start()
        stack.callback(graph.close)
        stack.push_async_callback(graph.stop)

        ports = {zone: _free_port() for zone in zones}
        urls = {zone: f"http://127.0.0.1:{port}" for zone, port in ports.items()}
        settings = Settings.model_validate(
            {
                "ZONE": "all",
                "local": True,
                "tenants": (tenant,),
                "public_url": urls.get(Zone.ALL) or urls[Zone.INGRESS],
                "medplum_url": medplum_url,
                "jwks_url": certs,
                "pubsub_endpoint": pubsub_address,
                "bigquery_endpoint": endpoints.grpc,
                "bigquery_url": endpoints.rest,
                "tigergraph_url": graph_url,
                "text": "local",
                "ledger": f"sqlite:{directory / 'ledger.sqlite'}",
                # As short as Pub/Sub's least ack deadline allows: a killed worker's leases hold up their events.
                "deadline": 8,
                "ack_deadline": 10,
                "request_timeout": 11,
                "lease": 12,
                "metrics_every": 5,
                "console_roles": CONSOLE,
                "console_key": secrets.token_hex(32),
                **changed,
            }
        )
        async with publisher_client(pubsub_address) as publisher, subscriber_client(pubsub_address) as subscriber:
            await provision(
                settings, publisher, subscriber, url=lambda zone: urls.get(zone, settings.public_url), retry=RETRY
            )
        for criteria in TYPES:
            path = _webhook(criteria)
            [secret] = tenant.webhooks[path]
            endpoint = f"{settings.public_url}/v1/webhooks/medplum/{path}"
            medplum.subscribe(PROJECT, criteria, endpoint, secret.get_secret_value(), log=True)
        services = {}
        for zone, port in ports.items():
            alone = zone is Zone.ALL
            using = settings if alone else _of_zone(settings, zone, urls[zone], directory)
            log = directory / ("service.log" if alone else f"{zone}.log")
            services[zone] = Service(using, port, log, workers if alone else 1)
            await services[zone].start()
            stack.push_async_callback(services[zone].stop)
        addresses = {
            "service": settings.public_url,
            "Pub/Sub (gRPC)": pubsub_address,
            "Medplum (FHIR)": f"{medplum_url}/fhir/R4",
            "BigQuery (REST)": endpoints.rest,
            "TigerGraph (REST++)": graph_url,
        }
        yield Stack(tenant, settings, issuer, pubsub, medplum, warehouse, graph, services, addresses)


def make_tenant() -> Tenant:
    """The clinic's tenant, with secrets of this run alone."""
    auditors = tuple(Client(id=f"audit-{n}", secret=_secret()) for n in range(AUDITORS))
    return Tenant.model_validate(
        {
            "project": PROJECT,
            "name": "clinic",
            "dataset": "clinic",
            "policy": "safe-harbor",
            "webhooks": {_webhook(type): (_secret(),) for type in (*TYPES, UNTOLD)},
            "event_key": secrets.token_hex(32),
            "pseudonym_key": secrets.token_hex(32),
            "reader": Client(id="events-reader", secret=_secret()),
            "sweeper": Client(id="events-sweeper", secret=_secret()),
            "types": (*TYPES, UNTOLD),
            "auditors": auditors,
            "graph_token": _secret(),
        }
    )


def _of_zone(settings: Settings, zone: Zone, url: str, directory: Path) -> Settings:
    """What a deployment of this zone is given: its own secrets, and the ledger of its side of the door."""
    ledgers = {side: f"sqlite:{directory / f'{side}.sqlite'}" for side in ("clinical", "analytics")}
    return settings.model_copy(
        update={
            "zone": zone,
            "public_url": url,
            "tenants": tuple(held_by(zone, tenant) for tenant in settings.tenants),
            "ledger": ledgers["analytics" if zone is Zone.ANALYTICS else "clinical"],
            "ledger_analytics": ledgers["analytics"] if zone is Zone.OPS else "",
            "tigergraph_url": settings.tigergraph_url if zone is Zone.ANALYTICS else "",
        }
    )


def _grant(medplum: Medplum, tenant: Tenant) -> None:
    """Each client may what its part needs, and nothing else: `./dev doctor` finds nothing to say."""
    readonly = ("read", "vread", "history"), ("search", "history")
    for client, interactions in zip((tenant.reader, tenant.sweeper), readonly, strict=True):
        assert client is not None
        rules = [{"resourceType": type, "interaction": list(interactions)} for type in tenant.types]
        medplum.grant(PROJECT, client.id, *rules)
    for client in tenant.auditors:
        medplum.grant(PROJECT, client.id, *json.loads(_AUDITOR.read_text())["resource"])
    medplum.add_project(PROJECT, [(OPERATOR.id, OPERATOR.secret.get_secret_value())])


def _webhook(type: str) -> str:
    return f"clinic-{type.lower()}"


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
