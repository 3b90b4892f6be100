"""A topic or subscription as flat facts that can be compared and shown: the path in google.pubsub.v1 → a plain value.

The first step of a path is what an update mask names. A default that production fills in is written out.
"""

from collections.abc import Collection, Mapping
from typing import Any

IMMUTABLE = ("topic", "filter", "enable_message_ordering")
NEVER, DEFAULT_EXPIRY = "never", "31 days idle"


def topic(config: Any, labels: Collection[str]) -> dict[str, object]:
    """Facts of a google.pubsub.v1.Topic; of its labels only these."""
    return {
        "labels": _labels(config.labels, labels),
        "message_retention_duration": _seconds(config, "message_retention_duration"),
        "message_storage_policy": sorted(config.message_storage_policy.allowed_persistence_regions),
    }


def subscription(config: Any, labels: Collection[str]) -> dict[str, object]:
    """Facts of a google.pubsub.v1.Subscription; of its labels only these."""
    push, dead = config.push_config, config.dead_letter_policy
    unwrapped = push.HasField("no_wrapper")
    return {
        "topic": _short(config.topic),
        "filter": config.filter,
        "enable_message_ordering": config.enable_message_ordering,
        "labels": _labels(config.labels, labels),
        "push_config.push_endpoint": push.push_endpoint,
        "push_config.oidc_token.service_account_email": push.oidc_token.service_account_email,
        "push_config.oidc_token.audience": push.oidc_token.audience,
        "push_config.no_wrapper": "with metadata" if unwrapped and push.no_wrapper.write_metadata else str(unwrapped),
        "ack_deadline_seconds": config.ack_deadline_seconds,
        "message_retention_duration": _seconds(config, "message_retention_duration"),
        "retry_policy.minimum_backoff": _seconds(config.retry_policy, "minimum_backoff"),
        "retry_policy.maximum_backoff": _seconds(config.retry_policy, "maximum_backoff"),
        "dead_letter_policy.dead_letter_topic": _short(dead.dead_letter_topic),
        "dead_letter_policy.max_delivery_attempts": dead.max_delivery_attempts,
        "expiration_policy": _expiry(config),
    }


def _labels(there: Mapping[str, str], named: Collection[str]) -> dict[str, str]:
    return {name: there[name] for name in sorted(named) if name in there}


def _seconds(message: Any, field: str) -> float | None:
    if not message.HasField(field):
        return None
    duration = getattr(message, field)
    return float(duration.ToNanoseconds() / 1e9)


def _expiry(config: Any) -> str:
    if not config.HasField("expiration_policy"):
        return DEFAULT_EXPIRY
    policy = config.expiration_policy
    return f"{policy.ttl.ToSeconds() / 86400:g} days idle" if policy.HasField("ttl") else NEVER


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1]
