"""StreamingPull: messages flow down one call, acknowledgements may come up it.

The client says how much it can take; what it has neither acknowledged nor given back counts against that. When the call
ends, leases stay until they run out, as in production.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.pubsub_v1 import types
from grpc import aio

from shared.local.pubsub.backlog import Backlog
from shared.local.pubsub.broker import Broker, Subscription
from shared.local.pubsub.refusal import Refused, invalid

_MOST_AT_ONCE = 100  # messages in one response
_RESPITE = 0.01  # seconds after which a full client is looked at again: its acks may come by other calls

_Request, _Response = types.StreamingPullRequest.pb(), types.StreamingPullResponse.pb()
_Received = types.ReceivedMessage.pb()


def take(backlog: Backlog, most: int, deadline: float) -> list[Any]:
    """Lease up to `most` messages for `deadline` seconds, as google.pubsub.v1.ReceivedMessage."""
    received: list[Any] = []
    while len(received) < most and (item := backlog.take()):
        backlog.extend(item, deadline)
        attempt = item.attempts if backlog.rules.bury_after else 0
        received.append(_Received(ack_id=item.ack_id, message=item.message.proto(), delivery_attempt=attempt))
    return received


def streaming_pull(broker: Broker) -> "grpc.RpcMethodHandler[Any, Any]":
    """The method's handler."""

    async def call(requests: AsyncIterator[Any], context: "aio.ServicerContext[Any, Any]") -> AsyncIterator[Any]:
        try:
            first = await anext(aiter(requests), None)
            if first is None:
                return  # the client has changed its mind
            stream = _Stream(broker.subscription(first.subscription), first)
        except Refused as refused:
            await context.abort(refused.status, refused.text)
        upward = asyncio.create_task(stream.listen(requests))
        try:
            async for response in stream.responses():
                yield response
        finally:
            upward.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await upward

    return grpc.stream_stream_rpc_method_handler(
        call, request_deserializer=_Request.FromString, response_serializer=_Response.SerializeToString
    )


class _Stream:
    def __init__(self, subscription: Subscription, first: Any) -> None:
        if subscription.config.push_config.push_endpoint:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "this subscription is pushed")
        if not 10 <= first.stream_ack_deadline_seconds <= 600:
            raise invalid("stream_ack_deadline_seconds must be between 10 and 600")
        self._subscription = subscription
        self._deadline = float(first.stream_ack_deadline_seconds)
        self._most = first.max_outstanding_messages
        self._outstanding: set[str] = set()

    async def listen(self, requests: AsyncIterator[Any]) -> None:
        """Take what the client sends up: acknowledgements, and changed deadlines."""
        backlog = self._subscription.backlog
        async for request in requests:
            if request.stream_ack_deadline_seconds:
                self._deadline = float(request.stream_ack_deadline_seconds)
            for ack_id in request.ack_ids:
                if item := backlog.leased(ack_id):
                    backlog.ack(item)
            for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
                if item := backlog.leased(ack_id):
                    backlog.extend(item, seconds)

    async def responses(self) -> AsyncIterator[Any]:
        """What goes down, for as long as the client listens."""
        backlog = self._subscription.backlog
        while True:
            self._outstanding = {ack_id for ack_id in self._outstanding if backlog.leased(ack_id)}
            room = self._most - len(self._outstanding) if self._most > 0 else _MOST_AT_ONCE
            if room <= 0:
                await asyncio.sleep(_RESPITE)
                continue
            await backlog.something()
            received = take(backlog, min(room, _MOST_AT_ONCE), self._deadline)
            if received:
                self._outstanding.update(message.ack_id for message in received)
                response = _Response(received_messages=received)
                response.subscription_properties.message_ordering_enabled = backlog.rules.ordered
                yield response
