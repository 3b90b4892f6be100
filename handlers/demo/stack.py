"""The embedded parts around the real service: Pub/Sub, Medplum, BigQuery, the token issuer; and gunicorn with its workers.

    Medplum ─rest-hook─► gunicorn (ZONE=all, uvicorn workers) ─gRPC─► Pub/Sub ─push, OIDC─► gunicorn ─gRPC─► BigQuery

Everything listens on loopback, on ports that the system gives, and ends with the context.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from handlers.provisioning import Retry, provision
from shared.events.envelope import Message
from shared.local.bigquery import Warehouse
from shared.local.faults import Faults
from shared.local.issuer import Issuer
from shared.local.medplum import Medplum
from shared.local.pubsub import PubSub
from shared.settings import Client, Settings, Tenant
from shared.sinks.channels import publisher_client, subscriber_client

PROJECT = "5f0d3f9c-2c5e-4c0b-9a55-c11a1c0de000"  # the clinic's Medplum project
HOOK = "clinic"  # the webhook's name in its path
AUDITORS = 4  # ClientApplications that write AuditEvents: each has Medplum's quota of 416 conditional creates a minute
WORKERS = 2
TYPES = (
    *("Patient", "Practitioner", "Organization", "RelatedPerson", "Encounter", "Condition", "Observation", "Procedure"),
    *("AllergyIntolerance", "DiagnosticReport", "DocumentReference", "Immunization", "MedicationRequest"),
)  # one Medplum Subscription each
RETRY = Retry(least=0.2, most=5)  # one machine has no time for the cloud's 10 to 600 s


@dataclass(slots=True)
class Service:
    """Gunicorn, its port, and the file that all its output goes to."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[int]:
        """The process ids of the workers, from /proc; empty where there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def kill_a_worker(self) -> bool:
        """kill -9 of the oldest worker: gunicorn starts another, and leases must outlive the dead one's promises."""
        workers = self.workers()
        if workers:
            os.kill(workers[0], signal.SIGKILL)
        return bool(workers)


@dataclass(slots=True)
class Stack:
    tenant: Tenant
    settings: Settings
    pubsub: PubSub
    medplum: Medplum
    warehouse: Warehouse
    service: Service
    addresses: dict[str, str]


def make_tenant() -> Tenant:
    """The clinic's tenant, with secrets of this run alone."""
    auditors = tuple(Client(id=f"audit-{n}", secret=secrets.token_urlsafe(24)) for n in range(AUDITORS))
    return Tenant.model_validate(
        {
            "project": PROJECT,
            "name": "clinic",
            "dataset": "clinic",
            "policy": "safe-harbor",
            "webhooks": {HOOK: (secrets.token_urlsafe(32),)},
            "event_key": secrets.token_hex(32),
            "pseudonym_key": secrets.token_hex(32),
            "reader": Client(id="events-reader", secret=secrets.token_urlsafe(24)),
            "auditors": auditors,
        }
    )


@asynccontextmanager
async def embedded(
    directory: Path, *, faults: Faults | None, observe: Callable[[str, Message], None]
) -> AsyncIterator[Stack]:
    """Start everything; stop everything. `directory` takes the ledger and the log."""
    tenant = make_tenant()
    async with AsyncExitStack() as stack:
        issuer = Issuer()
        certs = await issuer.serve("127.0.0.1", 0)
        stack.push_async_callback(issuer.stop)
        pubsub = PubSub(signer=issuer, observe=observe, faults=faults)
        pubsub_address = await pubsub.start()
        stack.push_async_callback(pubsub.stop)
        medplum = Medplum(time_scale=0.02, faults=faults)
        clients = [tenant.reader, *tenant.auditors]
        medplum.add_project(PROJECT, clients=[(c.id, c.secret.get_secret_value()) for c in clients if c])
        medplum_url = await medplum.start()
        stack.push_async_callback(medplum.stop)
        warehouse = Warehouse()
        endpoints = await warehouse.start()
        stack.push_async_callback(warehouse.stop)
        await warehouse.provision(tenant.dataset)

        port = _free_port()
        settings = Settings.model_validate(
            {
                "ZONE": "all",
                "local": True,
                "tenants": (tenant,),
                "public_url": f"http://127.0.0.1:{port}",
                "medplum_url": medplum_url,
                "jwks_url": certs,
                "pubsub_endpoint": pubsub_address,
                "bigquery_endpoint": endpoints.grpc,
                "ledger": f"sqlite:{directory / 'ledger.sqlite'}",
                "deadline": 8,
                "ack_deadline": 10,
                "request_timeout": 11,
                "lease": 12,
            }
        )
        async with publisher_client(pubsub_address) as publisher, subscriber_client(pubsub_address) as subscriber:
            await provision(settings, publisher, subscriber, url=lambda _: settings.public_url, retry=RETRY)
        secret = tenant.webhooks[HOOK][0].get_secret_value()
        for criteria in TYPES:
            medplum.subscribe(PROJECT, criteria, f"{settings.public_url}/v1/webhooks/medplum/{HOOK}", secret)
        service = await _serve(settings, port, directory / "service.log")
        stack.push_async_callback(_end, service)
        addresses = {
            "service": service.url,
            "pubsub": pubsub_address,
            "medplum": medplum_url,
            "bigquery": endpoints.rest,
        }
        yield Stack(tenant, settings, pubsub, medplum, warehouse, service, addresses)


async def _serve(settings: Settings, port: int, log: Path) -> Service:
    """Gunicorn as the image runs it, on loopback. Returns when it is ready; raises RuntimeError when it is not."""
    environment = {**os.environ, **environment_of(settings), "PORT": str(port), "WEB_CONCURRENCY": str(WORKERS)}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"),
            env=environment,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(process, port, log)
    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(300):
            if process.returncode is not None:
                break
            try:
                if (await http.get(f"{service.url}/v1/health/ready")).is_success:
                    return service
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    await _end(service)
    raise RuntimeError(f"the service did not start; its log is {log}")


async def _end(service: Service) -> None:
    if service.process.returncode is None:
        service.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(service.process.wait(), 15)
        except TimeoutError:
            service.process.kill()
            await service.process.wait()


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as the environment variables that the service reads, secrets revealed."""
    plain = settings.model_dump(mode="json", exclude={"zone", "tenants", "tenants_file"})
    variables = {f"STARVIT_{name.upper()}": _text(value) for name, value in plain.items()}
    tenants = [_revealed(tenant.model_dump()) for tenant in settings.tenants]
    return {**variables, "ZONE": settings.zone, "STARVIT_TENANTS": json.dumps(tenants), "STARVIT_HOST": "127.0.0.1"}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _revealed(value: object) -> object:
    match value:
        case dict():
            return {key: _revealed(item) for key, item in value.items()}
        case list() | tuple():
            return [_revealed(item) for item in value]
        case _ if hasattr(value, "get_secret_value"):
            return value.get_secret_value()
    return value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
