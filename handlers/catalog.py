"""Every handler of the service, named by hand. Nothing registers itself.

A zone's handlers are imported only where that zone is mounted: an analytics instance never even loads the code that can
hold PHI (tests/walls proves it), and a cold start pays for what it uses.
"""

from collections.abc import Iterable

from shared.settings import Tenant, Zone
from shared.subscriber import Subscription


def clinical() -> tuple[Subscription, ...]:
    """May see PHI."""
    from handlers import audit, deid, erase, validation

    return (validation.ON, deid.ON, deid.TEXT, audit.ON, audit.OPERATIONS, erase.ON)


def analytics() -> tuple[Subscription, ...]:
    """Can not reach PHI."""
    from handlers import analytics, graph, quality

    return (analytics.ON, graph.ON, quality.ON)


def subscriptions(zone: Zone = Zone.ALL) -> tuple[Subscription, ...]:
    """The subscriptions of a zone; ingress and ops have none."""
    here = {Zone.CLINICAL: (clinical,), Zone.ANALYTICS: (analytics,), Zone.ALL: (clinical, analytics)}.get(zone, ())
    return tuple(on for handlers in here for on in handlers())


def topics() -> tuple[str, ...]:
    """Every topic that anything publishes to or listens to, dead letters and quarantines included."""
    names = dict.fromkeys(on.topic for on in subscriptions())
    for on in subscriptions():
        names |= dict.fromkeys((*on.publishes, on.quarantine, on.dead_letter))
    return tuple(names)


def outgoing(tenants: Iterable[Tenant]) -> dict[tuple[str, str], str]:
    """The topics that others subscribe to: (tenant's name, key id) of the rows that go there → topic.

    Only the tenant's own dataset's: rows of two policies on one topic could be compared, and what each withholds be told.
    """
    return {(one.name, one.key_id): f"fhir.deidentified.{one.name}" for one in tenants if one.outgoing}
