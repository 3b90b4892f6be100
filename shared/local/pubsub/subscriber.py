"""google.pubsub.v1.Subscriber, without streaming: subscriptions, pull, acknowledge."""

import asyncio
import contextlib
from typing import Any

import grpc
from google.pubsub_v1 import types

from shared.local.pubsub import names, replay
from shared.local.pubsub.broker import Broker
from shared.local.pubsub.paging import page
from shared.local.pubsub.refusal import Refused, invalid
from shared.local.pubsub.rpc import Empty, Method, service
from shared.local.pubsub.streaming import streaming_pull, take

_PATIENCE = 20.0  # seconds that a pull waits for a first message, unless its caller gives up before
_LONGEST_DEADLINE = 600
_UPDATABLE = frozenset(
    {
        "push_config",
        "ack_deadline_seconds",
        "retain_acked_messages",
        "message_retention_duration",
        "labels",
        "expiration_policy",
        "dead_letter_policy",
        "retry_policy",
    }
)

_Subscription, _Snapshot = types.Subscription.pb(), types.Snapshot.pb()
_List, _Pull = types.ListSubscriptionsResponse.pb(), types.PullResponse.pb()
_Seek = types.SeekResponse.pb()


class Subscriber:
    """The servicer."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def service(self) -> grpc.GenericRpcHandler:
        return service(
            "Subscriber",
            {
                "CreateSubscription": Method(_Subscription, _Subscription, self._create),
                "GetSubscription": Method(types.GetSubscriptionRequest.pb(), _Subscription, self._get),
                "UpdateSubscription": Method(types.UpdateSubscriptionRequest.pb(), _Subscription, self._update),
                "ListSubscriptions": Method(types.ListSubscriptionsRequest.pb(), _List, self._list),
                "DeleteSubscription": Method(types.DeleteSubscriptionRequest.pb(), Empty, self._delete),
                "ModifyPushConfig": Method(types.ModifyPushConfigRequest.pb(), Empty, self._modify_push),
                "Pull": Method(types.PullRequest.pb(), _Pull, self._pull),
                "Acknowledge": Method(types.AcknowledgeRequest.pb(), Empty, self._acknowledge),
                "ModifyAckDeadline": Method(types.ModifyAckDeadlineRequest.pb(), Empty, self._modify_deadline),
                "CreateSnapshot": Method(types.CreateSnapshotRequest.pb(), _Snapshot, self._snapshot),
                "DeleteSnapshot": Method(types.DeleteSnapshotRequest.pb(), Empty, self._delete_snapshot),
                "Seek": Method(types.SeekRequest.pb(), _Seek, self._seek),
            },
            streams={"StreamingPull": streaming_pull(self._broker)},
        )

    async def _create(self, request: Any) -> Any:
        names.check(request.name, "subscriptions")
        return self._broker.create_subscription(request).config

    async def _get(self, request: Any) -> Any:
        return self._broker.subscription(request.subscription).config

    async def _update(self, request: Any) -> Any:
        changed = _Subscription()
        changed.CopyFrom(self._broker.subscription(request.subscription.name).config)
        for path in request.update_mask.paths:
            if path.partition(".")[0] not in _UPDATABLE:
                raise invalid(f"{path} of a subscription can not be updated")
            if "." not in path:
                changed.ClearField(path)
        request.update_mask.MergeMessage(request.subscription, changed)
        self._broker.change_subscription(changed)
        return changed

    async def _modify_push(self, request: Any) -> Any:
        changed = _Subscription()
        changed.CopyFrom(self._broker.subscription(request.subscription).config)
        changed.push_config.CopyFrom(request.push_config)
        self._broker.change_subscription(changed)
        return Empty()

    async def _list(self, request: Any) -> Any:
        inside = f"{request.project}/subscriptions/"
        found, token = page((name for name in self._broker.subscriptions if name.startswith(inside)), request)
        return _List(subscriptions=[self._broker.subscriptions[n].config for n in found], next_page_token=token)

    async def _delete(self, request: Any) -> Any:
        await self._broker.delete_subscription(request.subscription)
        return Empty()

    async def _pull(self, request: Any) -> Any:
        subscription = self._broker.subscription(request.subscription)
        if subscription.config.push_config.push_endpoint:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "this subscription is pushed")
        if request.max_messages < 1:
            raise invalid("max_messages must be positive")
        if not request.return_immediately:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await subscription.backlog.something()
        taken = take(subscription.backlog, request.max_messages, subscription.backlog.rules.ack_deadline)
        return _Pull(received_messages=taken)

    async def _acknowledge(self, request: Any) -> Any:
        backlog = self._broker.subscription(request.subscription).backlog
        for ack_id in request.ack_ids:
            item = backlog.leased(ack_id)
            if item is not None:  # else its lease is over: the message comes again
                backlog.ack(item)
        return Empty()

    async def _modify_deadline(self, request: Any) -> Any:
        backlog = self._broker.subscription(request.subscription).backlog
        if not 0 <= request.ack_deadline_seconds <= _LONGEST_DEADLINE:
            raise invalid("ack_deadline_seconds must be between 0 and 600")
        for ack_id in request.ack_ids:
            item = backlog.leased(ack_id)
            if item is not None:
                backlog.extend(item, request.ack_deadline_seconds)
        return Empty()

    async def _snapshot(self, request: Any) -> Any:
        names.check(request.name, "snapshots")
        return replay.create_snapshot(self._broker, request)

    async def _delete_snapshot(self, request: Any) -> Any:
        replay.delete_snapshot(self._broker, request.snapshot)
        return Empty()

    async def _seek(self, request: Any) -> Any:
        subscription = self._broker.subscription(request.subscription)
        if request.HasField("snapshot"):
            replay.to_snapshot(self._broker, subscription, request.snapshot)
        else:
            replay.to_time(subscription, request.time.ToMilliseconds())
        return _Seek()
