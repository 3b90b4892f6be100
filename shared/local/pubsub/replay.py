"""Seek: a subscription goes back, or forward, to a time or to a snapshot.

What was acknowledged can come back only if somebody retained it: the subscription (retain_acked_messages), the topic
(message_retention_duration), or a snapshot. A replayed message keeps its id and its publish time. Retention here ends
with the process, never before.
"""

import time
from typing import Any

from google.pubsub_v1 import types

from shared.local.pubsub.broker import Broker, Snapshot, Subscription
from shared.local.pubsub.message import Stored
from shared.local.pubsub.refusal import invalid, missing, taken

_SNAPSHOT_LIFE = 7 * 86400
_Config = types.Snapshot.pb()


def to_time(subscription: Subscription, milliseconds: int) -> None:
    """What was published before is acknowledged; what was published since, as far as it is retained, is not."""
    pending = [m for m in subscription.backlog if m.published >= milliseconds]
    logged = [m for m in subscription.topic.log if m.published >= milliseconds]
    subscription.backlog.reset(_merged(subscription, pending, logged))


def to_snapshot(broker: Broker, subscription: Subscription, name: str) -> None:
    """What the snapshot's subscription had not acknowledged then, and all that was published since. Raises Refused."""
    snapshot = _find(broker, name)
    if snapshot.topic is not subscription.topic:
        raise invalid("the snapshot is of another topic")
    since = snapshot.topic.log[snapshot.logged :]
    subscription.backlog.reset(_merged(subscription, list(snapshot.pending), since))


def create_snapshot(broker: Broker, request: Any) -> Any:
    """Raises Refused: ALREADY_EXISTS, NOT_FOUND."""
    if request.name in broker.snapshots:
        raise taken(request.name)
    subscription = broker.subscription(request.subscription)
    topic = subscription.topic
    config = _Config(name=request.name, topic=topic.config.name, labels=dict(request.labels))
    config.expire_time.FromSeconds(int(time.time()) + _SNAPSHOT_LIFE)
    snapshot = Snapshot(config, topic, tuple(subscription.backlog), len(topic.log))
    broker.snapshots[request.name] = topic.snapshots[request.name] = snapshot
    return config


def delete_snapshot(broker: Broker, name: str) -> None:
    """Raises Refused(NOT_FOUND)."""
    del _find(broker, name).topic.snapshots[name]
    del broker.snapshots[name]


def _find(broker: Broker, name: str) -> Snapshot:
    try:
        return broker.snapshots[name]
    except KeyError:
        raise missing(name) from None


def _merged(subscription: Subscription, *parts: list[Stored]) -> list[Stored]:
    """Each message once, in the order of publishing, if the subscription wants it."""
    wants = subscription.backlog.rules.wants
    messages = {m.id: m for part in parts for m in part if wants(m.attributes)}
    return sorted(messages.values(), key=lambda m: m.published)
