"""What a process refuses to start with (design §2, §4.13): the wall between the zones stands here too.

Reasons name settings, never values.
"""

from collections.abc import Iterator, Mapping

from shared.settings import Settings, Tenant, Zone

_GOOGLE_KEYS = "https://www.googleapis.com/"
_PROXY_KEYS = "https://www.gstatic.com/iap/verify/"
_COLLECTORS = ("https://", "http://127.0.0.1:", "http://localhost:")
_NEEDS: dict[Zone, tuple[str, ...]] = {
    Zone.INGRESS: ("webhooks", "event_key"),
    Zone.CLINICAL: ("event_key", "reader", "auditors", "pseudonym_key"),
    Zone.ANALYTICS: (),
    Zone.OPS: (),
    Zone.ALL: ("webhooks", "event_key", "reader", "auditors", "pseudonym_key"),
}
_MAY_HAVE = {"sweeper": (Zone.CLINICAL, Zone.ALL), "graph_token": (Zone.ANALYTICS, Zone.ALL)}
_EMBEDDED = ("pubsub_endpoint", "bigquery_endpoint", "bigquery_url", "dlp_endpoint")
_SECRETS = ("webhooks", "event_key", "reader", "auditors", "pseudonym_key")


def refusals(settings: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    """Why this process may not start; nothing when it may."""
    if "K_SERVICE" in environment:
        if environment.get("GOOGLE_APPLICATION_CREDENTIALS"):
            yield "GOOGLE_APPLICATION_CREDENTIALS is set: workload identity only, no key files"
        if settings.zone is Zone.ALL:
            yield "ZONE=all is for one machine"
        if settings.local or any(getattr(settings, name) for name in _EMBEDDED):
            yield f"an embedded part is configured: local, {' or '.join(_EMBEDDED)}"
        if settings.text == "local":
            yield "text is local: in the cloud free text goes through DLP, or is withheld"
        if settings.trace_exporter == "otlp" and not settings.trace_endpoint.startswith(_COLLECTORS):
            yield "trace_endpoint is neither https nor a sidecar's"
        if not settings.jwks_url.startswith(_GOOGLE_KEYS):
            yield "jwks_url is not Google's: push tokens of a local issuer are not accepted"
        if not settings.ledger.startswith("firestore:") and settings.zone in (Zone.CLINICAL, Zone.ANALYTICS):
            yield "ledger must be firestore: instances share it"
        if settings.zone is Zone.OPS and not (settings.dead_letters or settings.ledger).startswith("firestore:"):
            yield "dead_letters must be firestore: instances and operators share it"
        if settings.console_key:
            yield "console_key is for one machine: in the cloud the Identity-Aware Proxy says who it is"
        if settings.console_roles and not settings.console_audience:
            yield "console_audience is missing: without the Identity-Aware Proxy nobody can be let in"
        if not settings.console_keys_url.startswith(_PROXY_KEYS):
            yield "console_keys_url is not Google's: assertions of another proxy are not accepted"
        if not (settings.console_url or "https://").startswith("https://"):
            yield "console_url is not https"
        for name in ("public_url", "medplum_url", "tigergraph_url"):
            if not str(getattr(settings, name) or "https://").startswith("https://"):
                yield f"{name} is not https"
    if settings.tigergraph_url and settings.zone not in _MAY_HAVE["graph_token"]:
        yield f"tigergraph_url is not for zone {settings.zone}"
    if not settings.tenants and settings.zone is not Zone.OPS:
        yield "tenants: none is configured"
    for tenant in settings.tenants:
        yield from _tenant(tenant, settings.zone)
        if settings.zone in _MAY_HAVE["graph_token"] and bool(settings.tigergraph_url) is not bool(tenant.graph_token):
            yield f"tenant {tenant.name}: graph_token and tigergraph_url go together"


def held_by(zone: Zone, tenant: Tenant) -> Tenant:
    """The tenant as a deployment of this zone holds it: only that zone's secrets."""
    gone: dict[str, object] = {
        name: {} if name == "webhooks" else () if name == "auditors" else None
        for name in _SECRETS
        if name not in _NEEDS[zone]
    }
    gone |= {name: None for name, zones in _MAY_HAVE.items() if zone not in zones}
    if "pseudonym_key" in gone:
        gone["also"] = tuple(release.model_copy(update={"pseudonym_key": None}) for release in tenant.also)
    return tenant.model_copy(update=gone)


def _tenant(tenant: Tenant, zone: Zone) -> Iterator[str]:
    for name in _SECRETS:
        value = getattr(tenant, name)
        if name in _NEEDS[zone] and not value:
            yield f"tenant {tenant.name}: {name} is missing"
        if name not in _NEEDS[zone] and value:
            yield f"tenant {tenant.name}: {name} is not for zone {zone}"
    for name, zones in _MAY_HAVE.items():
        if zone not in zones and getattr(tenant, name):
            yield f"tenant {tenant.name}: {name} is not for zone {zone}"
    for release in tenant.also:
        if ("pseudonym_key" in _NEEDS[zone]) is (release.pseudonym_key is None):
            wrong = "is missing" if release.pseudonym_key is None else f"is not for zone {zone}"
            yield f"tenant {tenant.name}: also pseudonym_key {wrong}"
    for path, secrets in tenant.webhooks.items():
        if not secrets or not all(secret.get_secret_value() for secret in secrets):
            yield f"tenant {tenant.name}: webhook {path} has an empty secret"
    if tenant.event_key and tenant.event_key in [release.pseudonym_key for release in tenant.releases]:
        yield f"tenant {tenant.name}: event_key and pseudonym_key are the same"
