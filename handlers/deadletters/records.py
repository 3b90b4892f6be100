"""A dead letter as an operator sees it: without PHI.

    a message of <handler>.quarantine or <subscription>.dead ─► [this] ─► Record, and the message as it was at its origin

A record names the event by its id and the resource by its ordering key: both are keyed hashes. The reference itself stays
in the message, for the replay alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from handlers import catalog
from shared.errors import Code
from shared.events.data import Quarantined
from shared.events.envelope import CONTENT_TYPE, Message
from shared.subscriber import Subscription

_SOURCE_SUBSCRIPTION = "CloudPubSubDeadLetterSourceSubscription"
_DELIVERIES = "CloudPubSubDeadLetterSourceDeliveryCount"
_THREAD = ("ce-correlationid", "ce-traceparent")


@dataclass(frozen=True, slots=True)
class Record:
    """One message that lies aside. `origin` is the topic that a replay goes to; `replayable` is false if it never parsed."""

    event: str | None
    handler: str
    code: str
    at: str
    kind: str  # "quarantine" or "dead-letter"
    topic: str
    origin: str
    type: str | None
    resource_type: str | None
    resource: str  # the ordering key: a keyed hash of type and id
    set_aside: str  # when, RFC 3339
    deliveries: int | None
    correlation: str | None
    replayable: bool

    @property
    def key(self) -> str:
        """The ledger's key of the event."""
        return f"{self.handler}:{self.event}"


def meaning(code: str) -> str:
    """What a code says. A dead letter's own is `dead-letter`."""
    if code == "dead-letter":
        return "Pub/Sub gave up after the subscription's last delivery attempt; the attempts' codes are in the ledger."
    return Code.of(code).value.text


def record_of(topic: str, message: Message, published: str) -> Record:
    """The record of a message that lies in a quarantine or dead-letter topic."""
    return (
        _quarantined(topic, message, published) if topic.endswith(".quarantine") else _dead(topic, message, published)
    )


def origin_of(topic: str, message: Message) -> Message | None:
    """The message as it was published to its topic of origin; None if it never parsed and so can not be sent back."""
    if not topic.endswith(".quarantine"):
        own = {k: v for k, v in message.attributes.items() if not k.startswith(("CloudPubSub", "googclient_"))}
        return Message(message.data, own, message.ordering_key)
    aside = Quarantined.model_validate_json(message.data)
    if aside.event is None or aside.event_id is None or aside.event_type is None:
        return None
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": aside.event_id,
        "ce-source": "urn:starvit:events:replay",
        "ce-type": aside.event_type,
        "ce-time": message.attributes["ce-time"],
        "Content-Type": CONTENT_TYPE,
        **{name: message.attributes[name] for name in _THREAD if name in message.attributes},
    }
    return Message(json.dumps(aside.event, separators=(",", ":")).encode(), attributes, message.ordering_key)


def _quarantined(topic: str, message: Message, published: str) -> Record:
    aside = Quarantined.model_validate_json(message.data)
    return Record(
        event=aside.event_id,
        handler=aside.handler,
        code=aside.code,
        at=aside.at,
        kind="quarantine",
        topic=topic,
        origin=aside.topic,
        type=aside.event_type,
        resource_type=_resource_type(aside.event or {}),
        resource=message.ordering_key,
        set_aside=published,
        deliveries=None,
        correlation=message.attributes.get("ce-correlationid"),
        replayable=aside.event is not None,
    )


def _dead(topic: str, message: Message, published: str) -> Record:
    attributes = message.attributes
    on = _subscription(topic)
    data = _object(message.data)
    deliveries = attributes.get(_DELIVERIES, "")
    return Record(
        event=attributes.get("ce-id"),
        handler=on.handler,
        code="dead-letter",
        at="",
        kind="dead-letter",
        topic=topic,
        origin=on.topic,
        type=attributes.get("ce-type"),
        resource_type=_resource_type(data),
        resource=message.ordering_key,
        set_aside=published,
        deliveries=int(deliveries) if deliveries.isdigit() else None,
        correlation=attributes.get("ce-correlationid"),
        replayable=attributes.get(_SOURCE_SUBSCRIPTION, on.name) == on.name,
    )


def _subscription(topic: str) -> Subscription:
    for on in catalog.subscriptions():
        if on.dead_letter == topic:
            return on
    raise LookupError("not a dead-letter topic of the catalog")


def _resource_type(data: Mapping[str, object]) -> str | None:
    named = data.get("type") or data.get("resourceType")
    return named if isinstance(named, str) else None


def _object(data: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
