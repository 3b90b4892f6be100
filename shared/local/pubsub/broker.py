"""Topics and subscriptions: what is published reaches every subscription that wants it.

    publish ─► topic ─► filter ─► backlog of a subscription ─► push or pull
                 ▲                      └─ after so many attempts ─┐
                 └────────── dead-letter topic ◄───────────────────┘

Nothing here waits: a publish is confirmed when every backlog has it. All state is in memory.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any

from shared.events.envelope import Message
from shared.local.pubsub import rules
from shared.local.pubsub.backlog import Backlog, Item
from shared.local.pubsub.message import Stored, instant
from shared.local.pubsub.names import short
from shared.local.pubsub.pusher import Pusher
from shared.local.pubsub.refusal import missing, taken

DELETED_TOPIC = "_deleted-topic_"
_SOURCE = "CloudPubSubDeadLetterSource"

type Observe = Callable[[str, Message], None]
type MakePusher = Callable[[Backlog, Any], Pusher]


@dataclass(slots=True, eq=False)
class Topic:
    """`config` is a google.pubsub.v1.Topic. `log` holds what can be replayed, while anybody may want to."""

    config: Any
    subscriptions: dict[str, "Subscription"] = field(default_factory=dict)
    snapshots: dict[str, "Snapshot"] = field(default_factory=dict)
    log: list[Stored] = field(default_factory=list)

    @property
    def retains(self) -> bool:
        return (
            self.config.HasField("message_retention_duration")
            or bool(self.snapshots)
            or any(subscription.backlog.rules.retains for subscription in self.subscriptions.values())
        )


@dataclass(slots=True, eq=False)
class Subscription:
    """`config` is a google.pubsub.v1.Subscription, with its defaults filled in."""

    config: Any
    topic: Topic
    backlog: Backlog
    pusher: Pusher


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a subscription had not acknowledged at a moment. All that is published later belongs to it too."""

    config: Any
    topic: Topic
    pending: tuple[Stored, ...]
    logged: int  # the length of the topic's log at that moment


class Broker:
    """Names are full names (`projects/p/topics/t`)."""

    def __init__(self, observe: Observe, make_pusher: MakePusher) -> None:
        self.topics: dict[str, Topic] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self._observe, self._make_pusher = observe, make_pusher
        self._random = SystemRandom()

    def topic(self, name: str) -> Topic:
        """Raises Refused(NOT_FOUND)."""
        try:
            return self.topics[name]
        except KeyError:
            raise missing(name) from None

    def subscription(self, name: str) -> Subscription:
        """Raises Refused(NOT_FOUND)."""
        try:
            return self.subscriptions[name]
        except KeyError:
            raise missing(name) from None

    def create_topic(self, config: Any) -> Topic:
        """Raises Refused(ALREADY_EXISTS)."""
        if config.name in self.topics:
            raise taken(config.name)
        topic = self.topics[config.name] = Topic(config)
        return topic

    def delete_topic(self, name: str) -> None:
        """Its subscriptions stay, with what they hold."""
        topic = self.topic(name)
        del self.topics[name]
        for subscription in topic.subscriptions.values():
            subscription.config.topic = DELETED_TOPIC

    def publish(self, name: str, messages: Iterable[tuple[bytes, dict[str, str], str]]) -> list[str]:
        """Data, attributes and ordering key of each; the ids that they get. Raises Refused(NOT_FOUND)."""
        topic = self.topic(name)
        retains = topic.retains
        if not retains:
            topic.log.clear()
        stored = [
            Stored(self._new_id(), time.time_ns() // 1_000_000, data, attributes, key)
            for data, attributes, key in messages
        ]
        for message in stored:
            self._observe(short(name), message.message())
            if retains:
                topic.log.append(message)
            for subscription in topic.subscriptions.values():
                if subscription.backlog.rules.wants(message.attributes):
                    subscription.backlog.add(message)
        return [message.id for message in stored]

    def create_subscription(self, config: Any) -> Subscription:
        """Raises Refused: ALREADY_EXISTS, NOT_FOUND (topic or dead-letter topic), INVALID_ARGUMENT, UNIMPLEMENTED."""
        if config.name in self.subscriptions:
            raise taken(config.name)
        topic = self.topic(config.topic)
        backlog = Backlog(self._rules(config), lambda item: self._bury(config.name, item))
        subscription = Subscription(config, topic, backlog, self._make_pusher(backlog, config))
        self.subscriptions[config.name] = topic.subscriptions[config.name] = subscription
        return subscription

    def change_subscription(self, config: Any) -> None:
        """Put a changed configuration in place of the old one. Raises as `create_subscription`."""
        subscription = self.subscription(config.name)
        subscription.backlog.rules = self._rules(config)
        subscription.config = config
        subscription.pusher.retarget(config)

    async def delete_subscription(self, name: str) -> None:
        subscription = self.subscription(name)
        del self.subscriptions[name]
        subscription.topic.subscriptions.pop(name, None)
        await subscription.pusher.stop()
        subscription.backlog.clear()

    def _rules(self, config: Any) -> rules.Rules:
        rules.check_endpoint(config.push_config)
        made = rules.read(config)
        if made.dead_letter:
            self.topic(made.dead_letter)
        return made

    def _bury(self, name: str, item: Item) -> bool:
        """Forward to the dead-letter topic; while that is missing, the message stays where it is."""
        message, dead_letter = item.message, self.subscription(name).backlog.rules.dead_letter
        if dead_letter not in self.topics:
            return False
        attributes = {
            **message.attributes,
            f"{_SOURCE}DeliveryCount": str(item.attempts),
            f"{_SOURCE}Subscription": short(name),
            f"{_SOURCE}SubscriptionProject": name.split("/")[1],
            f"{_SOURCE}TopicPublishTime": instant(message.published),
        }
        self.publish(dead_letter, [(message.data, attributes, message.ordering_key)])
        return True

    def _new_id(self) -> str:
        """16 random digits, as large as production's: nobody may take them for a counter."""
        return str(self._random.randrange(10**15, 10**16))
