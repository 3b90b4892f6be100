"""A Medplum project that is right in every way, the ingress that it tells, and the doctor who looks at it."""

import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from handlers.doctor import mend
from handlers.doctor.examination import outbound
from handlers.doctor.findings import Finding
from handlers.doctor.medplum import Project
from handlers.doctor.subscriptions import Subscription, ours
from handlers.provisioning.deployment import Deployment
from shared.local.medplum import Medplum
from shared.local.medplum.listener import Listener
from shared.settings import Settings, Tenant
from tests.tenant import PROJECT, settings, tenant_json

TYPES = ("Patient", "Observation")
OPERATOR = {"id": "operator", "secret": "operator-secret"}
READS, SWEEPS = ["read", "vread", "history"], ["search", "history"]
APPENDS = ["create", "search", "read"]
RULES: dict[str, list[dict[str, Any]]] = {
    "operator": [
        {"resourceType": "Subscription"},
        *({"resourceType": type, "readonly": True} for type in ("ProjectMembership", "AccessPolicy")),
        *({"resourceType": type, "interaction": ["search"]} for type in TYPES),
    ],
    "reader": [{"resourceType": type, "interaction": READS} for type in TYPES],
    "sweeper": [{"resourceType": type, "interaction": SWEEPS} for type in TYPES],
    "auditor": [{"resourceType": type, "interaction": APPENDS} for type in ("AuditEvent", "Provenance")],
}


class Ingress:
    """What stands at the endpoint: it refuses what is unsigned, or redirects, or is down."""

    def __init__(self) -> None:
        self.status = 401
        self.listener = Listener()
        self.url = f"http://127.0.0.1:{self.listener.port}"

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        headers = [(b"location", b"/elsewhere"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@dataclass(slots=True)
class Clinic:
    medplum: Medplum
    ingress: Ingress
    settings: Settings
    deployment: Deployment
    ids: dict[str, str]
    policies: dict[str, str]
    now: Callable[[], float] = time.time

    async def examined(self) -> list[Finding]:
        """What the doctor finds in the project."""
        [tenant] = self.settings.tenants
        async with outbound(self.settings, self.deployment) as http:
            project = Project(tenant, self.settings, self.deployment, http, self.now)
            return [finding async for finding in project.examined()]

    def change(self, type: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Spoil the Subscription of a type."""
        resource: Any = self.there("Subscription", self.ids[type])
        change(resource)
        self.medplum.update(PROJECT, resource)

    def allow(self, client: str, *rules: dict[str, Any]) -> None:
        """Put other rules into a client's policy."""
        resource: Any = self.there("AccessPolicy", self.policies[client])
        resource["resource"] = list(rules)
        self.medplum.update(PROJECT, resource)

    def there(self, type: str, id: str) -> dict[str, Any]:
        return next(one for one in self.all(type) if one["id"] == id)

    def all(self, type: str) -> list[dict[str, Any]]:
        import orjson

        return [orjson.loads(record.current.plain()) for record in self.medplum.store.since(PROJECT, type, 0)]

    def aimed(self) -> list[Subscription]:
        return ours(self.all("Subscription"))


def tenant() -> Tenant:
    given = tenant_json() | {
        "types": TYPES,
        "sweeper": {"id": "sweeper", "secret": "sweeper-secret"},
        "webhooks": {f"clinic-{type.lower()}": [f"secret of {type}", f"older secret of {type}"] for type in TYPES},
    }
    return Tenant.model_validate(given)


@asynccontextmanager
async def clinic(**medplum_options: Any) -> AsyncIterator[Clinic]:
    """All of it right: a Subscription for each type, and clients that may what they need and nothing else."""
    medplum, ingress = Medplum(**medplum_options), Ingress()
    await ingress.listener.start(ingress)
    url = await medplum.start()
    medplum.add_project(PROJECT, [(id, f"{id}-secret") for id in RULES])
    policies = {id: medplum.grant(PROJECT, id, *rules) for id, rules in RULES.items()}
    using = settings(medplum_url=url, public_url=ingress.url).model_copy(update={"tenants": (tenant(),)})
    deployment = Deployment.model_validate({"operators": {"clinic": OPERATOR}})
    made = Clinic(medplum, ingress, using, deployment, {}, policies)
    async with outbound(using, deployment) as http:
        project = Project(using.tenants[0], using, deployment, http, made.now)
        operator = project.operator()
        assert operator is not None
        for type in TYPES:
            mending = mend.planned(type, await mend.look(operator), project.expected, None)
            made.ids[type] = await mend.write(operator, mending)
    try:
        yield made
    finally:
        await medplum.stop()
        await ingress.listener.stop()
