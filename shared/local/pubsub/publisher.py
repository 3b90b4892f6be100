"""google.pubsub.v1.Publisher: topics, and the one call that matters."""

from collections.abc import Iterable
from typing import Any

import grpc
from google.pubsub_v1 import types

from shared.local.pubsub import names
from shared.local.pubsub.broker import Broker
from shared.local.pubsub.paging import page
from shared.local.pubsub.refusal import invalid, unsupported
from shared.local.pubsub.rpc import Empty, Method, service

_MOST_MESSAGES = 1000
_MOST_BYTES = 10_000_000
_MOST_ATTRIBUTES = 100
_MOST_NAME_BYTES = 256
_MOST_VALUE_BYTES = 1024
_MOST_KEY_BYTES = 1024
_UPDATABLE = frozenset({"labels", "message_retention_duration", "message_storage_policy"})
_LEFT_OUT = ("schema_settings", "ingestion_data_source_settings")

_Topic, _ListTopics = types.Topic.pb(), types.ListTopicsResponse.pb()
_ListSubscriptions, _Publish = types.ListTopicSubscriptionsResponse.pb(), types.PublishResponse.pb()


class Publisher:
    """The servicer."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def service(self) -> grpc.GenericRpcHandler:
        return service(
            "Publisher",
            {
                "CreateTopic": Method(_Topic, _Topic, self._create),
                "UpdateTopic": Method(types.UpdateTopicRequest.pb(), _Topic, self._update),
                "GetTopic": Method(types.GetTopicRequest.pb(), _Topic, self._get),
                "ListTopics": Method(types.ListTopicsRequest.pb(), _ListTopics, self._list),
                "ListTopicSubscriptions": Method(
                    types.ListTopicSubscriptionsRequest.pb(), _ListSubscriptions, self._list_subscriptions
                ),
                "DeleteTopic": Method(types.DeleteTopicRequest.pb(), Empty, self._delete),
                "Publish": Method(types.PublishRequest.pb(), _Publish, self._publish),
            },
        )

    async def _create(self, request: Any) -> Any:
        names.check(request.name, "topics")
        for name in _LEFT_OUT:
            if request.HasField(name):
                raise unsupported(name)
        if request.message_transforms:
            raise unsupported("message transforms")
        return self._broker.create_topic(request).config

    async def _update(self, request: Any) -> Any:
        topic = self._broker.topic(request.topic.name)
        for path in request.update_mask.paths:
            if path not in _UPDATABLE:
                raise invalid(f"{path} of a topic can not be updated")
            topic.config.ClearField(path)
        request.update_mask.MergeMessage(request.topic, topic.config)
        return topic.config

    async def _get(self, request: Any) -> Any:
        return self._broker.topic(request.topic).config

    async def _list(self, request: Any) -> Any:
        inside = f"{request.project}/topics/"
        found, token = page((n for n in self._broker.topics if n.startswith(inside)), request)
        return _ListTopics(topics=[self._broker.topics[n].config for n in found], next_page_token=token)

    async def _list_subscriptions(self, request: Any) -> Any:
        found, token = page(self._broker.topic(request.topic).subscriptions, request)
        return _ListSubscriptions(subscriptions=found, next_page_token=token)

    async def _delete(self, request: Any) -> Any:
        self._broker.delete_topic(request.topic)
        return Empty()

    async def _publish(self, request: Any) -> Any:
        if not 1 <= len(request.messages) <= _MOST_MESSAGES:
            raise invalid("a request must have 1 to 1000 messages")
        if request.ByteSize() > _MOST_BYTES:
            raise invalid("request payload size exceeds the limit: 10000000 bytes")
        messages = [(m.data, dict(m.attributes), m.ordering_key) for m in request.messages]
        _check(messages)
        return _Publish(message_ids=self._broker.publish(request.topic, messages))


def _check(messages: Iterable[tuple[bytes, dict[str, str], str]]) -> None:
    """The limits of a message. Raises Refused(INVALID_ARGUMENT): then none of the request is published."""
    for data, attributes, key in messages:
        if not data and not attributes:
            raise invalid("a message must have data or an attribute")
        if len(attributes) > _MOST_ATTRIBUTES:
            raise invalid("a message may have 100 attributes")
        if len(key.encode()) > _MOST_KEY_BYTES:
            raise invalid("an ordering key may have 1024 bytes")
        for name, value in attributes.items():
            if not name or len(name.encode()) > _MOST_NAME_BYTES or name.startswith("goog"):
                raise invalid("an attribute's name has 1 to 256 bytes and does not begin with goog")
            if len(value.encode()) > _MOST_VALUE_BYTES:
                raise invalid("an attribute's value may have 1024 bytes")
