"""A tenant and settings for tests: fixed keys, so that ids are the same in every run."""

import json
import os

from shared.settings import Settings, Tenant, Zone

PROJECT = "5f0d3f9c-2c5e-4c0b-9a55-c11a1c0de000"
EVENT_KEY, PSEUDONYM_KEY = "e1" * 32, "d0" * 32
HOOK_SECRET = "hook-secret"

# Which zones may hold which secret (design §2).
_ZONES = {
    "webhooks": ("ingress",),
    "event_key": ("ingress", "clinical"),
    "reader": ("clinical",),
    "auditors": ("clinical",),
    "pseudonym_key": ("clinical",),
}
GRAPH_TOKEN = "graph-token"


def tenant_json(zone: str = "all") -> dict[str, object]:
    """The tenant as a deployment of this zone holds it: only that zone's secrets."""
    values: dict[str, object] = {
        "webhooks": {"clinic": [HOOK_SECRET]},
        "event_key": EVENT_KEY,
        "reader": {"id": "reader", "secret": "reader-secret"},
        "auditors": [{"id": "auditor", "secret": "auditor-secret"}],
        "pseudonym_key": PSEUDONYM_KEY,
    }
    kept = {name: value for name, value in values.items() if zone == "all" or zone in _ZONES[name]}
    return {"project": PROJECT, "name": "clinic", "dataset": "clinic", **kept}


def tenant(zone: str = "all") -> Tenant:
    """The tenant."""
    return Tenant.model_validate(tenant_json(zone))


def settings(zone: str = "all", **changed: object) -> Settings:
    """Settings with this tenant."""
    return Settings.model_validate(
        {"ZONE": Zone(zone), "local": True, "text": "local", "tenants": (tenant(zone),), **changed}
    )


def environment(zone: str, **changed: str) -> dict[str, str]:
    """The environment of a process of this zone on one machine."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    graph = {"graph_token": GRAPH_TOKEN} if "STARVIT_TIGERGRAPH_URL" in changed else {}
    tenants = json.dumps([tenant_json(zone) | graph])
    return {
        **kept,
        "ZONE": zone,
        "STARVIT_LOCAL": "true",
        "STARVIT_TEXT": "local",
        "STARVIT_TENANTS": tenants,
        **changed,
    }
