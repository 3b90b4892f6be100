"""Zone ingress: Medplum's webhooks, one for each path that a tenant has a secret for."""

from collections.abc import Callable

from handlers.endpoints import World
from handlers.webhook import Hook, Webhooks
from shared.identity.event_ids import EventIds
from shared.limits import Allowance, Recent
from shared.settings import key_bytes
from shared.sinks.port import Publisher


def open(world: World, publisher: Publisher, now: Callable[[], float]) -> None:
    """Nothing here has to be closed."""
    settings = world.settings
    hooks = {
        path: Hook(tenant, EventIds(key_bytes(tenant.event_key)), [s.get_secret_value().encode() for s in secrets])
        for tenant in settings.tenants
        for path, secrets in tenant.webhooks.items()
    }
    unsigned, claims = Allowance(settings.unsigned_per_minute), Allowance(settings.claims_per_minute)
    world.webhooks = Webhooks(hooks, publisher, now, unsigned, claims, Recent())
