"""Topics and subscriptions as the catalog wants them.

<topic>                          what handlers publish to
<topic>--<handler>               push, unwrapped with metadata, OIDC token of the handler's own account, retry policy
<topic>--<handler>.dead          where Pub/Sub puts what was not acknowledged 100 times
<handler>.quarantine             where the pipeline puts what no retry can mend
…--hold                          a pull subscription on each of the last two: a topic without one loses messages
…--index                         a push one to the ops zone, so that operators see without pulling
fhir.deidentified.<tenant>       a tenant's rows for others; …--team-<name> is a team's subscription of it (teams.py)

A handler that a deployment does not serve has no subscription, and neither a quarantine nor a dead letter.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from handlers import catalog
from handlers.provisioning.deployment import Deployment
from shared.settings import Settings, Zone
from shared.subscriber import Subscription

HOLD_DAYS = 31  # Pub/Sub's longest retention
INDEX = "index"  # the ops zone's push endpoint, and the last part of its account's name
_DAY = 86400
KEPT = 7 * _DAY  # Pub/Sub's default, said aloud so that a drift is seen
LABELS = {"app": "starvit-events", "managed-by": "dev-provision"}


class Retry(Struct, frozen=True):
    """Backoff of redelivery, in seconds. An outage of hours must not reach `max_attempts`."""

    least: float = 10
    most: float = 600


USUAL = Retry()


def hold(topic: str) -> str:
    """The pull subscription that keeps a dead-letter or quarantine topic's messages."""
    return f"{topic}--hold"


def index(topic: str) -> str:
    """The push subscription that tells the ops zone of a dead-letter or quarantine topic's messages."""
    return f"{topic}--{INDEX}"


def served(settings: Settings) -> tuple[Subscription, ...]:
    """What the deployment listens to."""
    return tuple(on for on in catalog.subscriptions() if on.served(settings))


def aside(settings: Settings | None = None) -> tuple[str, ...]:
    """The topics that hold what went wrong: of a deployment, or of the whole catalog."""
    every = catalog.subscriptions() if settings is None else served(settings)
    return tuple(topic for on in every for topic in (on.quarantine, on.dead_letter))


def names(settings: Settings) -> tuple[str, ...]:
    """Every topic of a deployment, by its short name."""
    unserved = set(aside()) - set(aside(settings))
    return *(name for name in catalog.topics() if name not in unserved), *catalog.outgoing(settings.tenants).values()


def topics(settings: Settings, deployment: Deployment) -> Iterator[dict[str, Any]]:
    """Every topic, as google.pubsub.v1.Topic. What lies aside is kept by its hold, not by its topic."""
    put_aside = set(aside(settings))
    days = 0 if settings.local else deployment.topic_retention_days  # the embedded Pub/Sub retains in memory
    for name in names(settings):
        topic: dict[str, Any] = {"name": f"projects/{settings.gcp_project}/topics/{name}", "labels": LABELS}
        if days and name not in put_aside:
            topic["message_retention_duration"] = {"seconds": days * _DAY}
        if deployment.storage_regions:
            topic["message_storage_policy"] = {"allowed_persistence_regions": sorted(deployment.storage_regions)}
        yield topic


def requests(settings: Settings, *, url: Callable[[Zone], str], retry: Retry) -> Iterator[dict[str, Any]]:
    """Every subscription of the service's own, as google.pubsub.v1.Subscription. `url` gives a zone's https URL."""
    project = f"projects/{settings.gcp_project}"
    for on in served(settings):
        yield _push(settings, project, on, url(on.zone), retry)
    for topic in aside(settings):
        yield {
            "name": f"{project}/subscriptions/{hold(topic)}",
            "topic": f"{project}/topics/{topic}",
            "labels": LABELS,
            "ack_deadline_seconds": 60,
            "message_retention_duration": {"seconds": HOLD_DAYS * _DAY},
            "expiration_policy": {},  # never expires, however quiet the nights are
        }
        yield _index(settings, project, topic, url(Zone.OPS), retry)


def _push(settings: Settings, project: str, on: Subscription, url: str, retry: Retry) -> dict[str, Any]:
    endpoint = f"{url}{on.path}"
    return {
        "name": f"{project}/subscriptions/{on.name}",
        "topic": f"{project}/topics/{on.topic}",
        "labels": LABELS,
        "push_config": {
            "push_endpoint": endpoint,
            "oidc_token": {"service_account_email": settings.account(on.handler), "audience": endpoint},
            "no_wrapper": {"write_metadata": True},
        },
        "ack_deadline_seconds": settings.ack_deadline,
        "message_retention_duration": {"seconds": KEPT},
        "enable_message_ordering": on.ordered,
        "retry_policy": {"minimum_backoff": duration(retry.least), "maximum_backoff": duration(retry.most)},
        "dead_letter_policy": {
            "dead_letter_topic": f"{project}/topics/{on.dead_letter}",
            "max_delivery_attempts": on.max_attempts,
        },
        "expiration_policy": {},
    }


def _index(settings: Settings, project: str, topic: str, url: str, retry: Retry) -> dict[str, Any]:
    """Wrapped (handlers/deadletters/arrivals.py says why), and without a dead letter of its own."""
    endpoint = f"{url}/v1/push/{INDEX}"
    return {
        "name": f"{project}/subscriptions/{index(topic)}",
        "topic": f"{project}/topics/{topic}",
        "labels": LABELS,
        "push_config": {
            "push_endpoint": endpoint,
            "oidc_token": {"service_account_email": settings.account(INDEX), "audience": endpoint},
        },
        "ack_deadline_seconds": settings.ack_deadline,
        "message_retention_duration": {"seconds": HOLD_DAYS * _DAY},
        "retry_policy": {"minimum_backoff": duration(retry.least), "maximum_backoff": duration(retry.most)},
        "expiration_policy": {},
    }


def duration(seconds: float) -> dict[str, int]:
    """A google.protobuf.Duration."""
    return {"seconds": int(seconds), "nanos": round((seconds % 1) * 1e9)}
