"""What a subscription promises, checked when it is created or changed, and read once for the delivering code.

Bounds and defaults are production's. One is looser: a push endpoint may be plain http, for it is on this machine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.local.pubsub import filters
from shared.local.pubsub.refusal import invalid, unsupported

_DEADLINES = range(10, 601)
_ATTEMPTS = range(5, 101)
_LONGEST_BACKOFF = 600.0
_PUSH_BACKOFF = (0.1, 60.0)  # of a push subscription without a retry policy; a pull one redelivers at once
_MOST_DOUBLINGS = 32
_LEFT_OUT = ("bigquery_config", "cloud_storage_config", "bigtable_config")


@dataclass(frozen=True, slots=True)
class Rules:
    """`backoff` is the least and the most delay of a redelivery in seconds; `bury_after` is 0 without a dead letter."""

    ordered: bool
    ack_deadline: float
    backoff: tuple[float, float]
    dead_letter: str
    bury_after: int
    retains: bool
    wants: Callable[[Mapping[str, str]], bool]

    def delay(self, attempts: int) -> float:
        """How long a message waits that was delivered `attempts` times in vain."""
        least, most = self.backoff
        return float(min(most, least * 2 ** min(attempts - 1, _MOST_DOUBLINGS)))


def read(config: Any) -> Rules:
    """The rules of a google.pubsub.v1.Subscription. Fills in the defaults that production would. Raises Refused."""
    for name in _LEFT_OUT:
        if config.HasField(name):
            raise unsupported(name)
    if config.enable_exactly_once_delivery:
        raise unsupported("exactly-once delivery")
    if config.message_transforms:
        raise unsupported("message transforms")
    config.ack_deadline_seconds = config.ack_deadline_seconds or _DEADLINES.start
    if config.ack_deadline_seconds not in _DEADLINES:
        raise invalid("ack_deadline_seconds must be between 10 and 600")
    if not config.HasField("message_retention_duration"):
        config.message_retention_duration.FromSeconds(7 * 86400)
    dead_letter, bury_after = _dead_letter(config)
    return Rules(
        ordered=config.enable_message_ordering,
        ack_deadline=config.ack_deadline_seconds,
        backoff=_backoff(config),
        dead_letter=dead_letter,
        bury_after=bury_after,
        retains=config.retain_acked_messages,
        wants=filters.predicate(config.filter),
    )


def check_endpoint(config: Any) -> None:
    """A push config names an http or https URL, or nothing: then the subscription is pulled. Raises Refused."""
    if config.push_endpoint:
        parts = urlsplit(config.push_endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise invalid("push_endpoint is not a URL")


def _dead_letter(config: Any) -> tuple[str, int]:
    if not config.HasField("dead_letter_policy"):
        return "", 0
    policy = config.dead_letter_policy
    policy.max_delivery_attempts = policy.max_delivery_attempts or _ATTEMPTS.start
    if policy.max_delivery_attempts not in _ATTEMPTS:
        raise invalid("max_delivery_attempts must be between 5 and 100")
    return policy.dead_letter_topic, policy.max_delivery_attempts


def _backoff(config: Any) -> tuple[float, float]:
    if not config.HasField("retry_policy"):
        return _PUSH_BACKOFF if config.push_config.push_endpoint else (0.0, 0.0)
    policy = config.retry_policy
    if not policy.HasField("minimum_backoff"):
        policy.minimum_backoff.FromSeconds(10)
    if not policy.HasField("maximum_backoff"):
        policy.maximum_backoff.FromSeconds(int(_LONGEST_BACKOFF))
    least = policy.minimum_backoff.ToNanoseconds() / 1e9
    most = policy.maximum_backoff.ToNanoseconds() / 1e9
    if not 0 <= least <= most <= _LONGEST_BACKOFF:
        raise invalid("retry_policy must hold: 0 <= minimum_backoff <= maximum_backoff <= 600 s")
    return least, most
