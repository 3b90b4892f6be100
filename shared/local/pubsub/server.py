"""The embedded Pub/Sub: a gRPC server on loopback for Google's own clients, and the pushes that it makes."""

from collections.abc import Callable
from copy import replace
from typing import Any

from grpc import aio

from shared.events.envelope import Message
from shared.local.pubsub.backlog import Backlog, Counts
from shared.local.pubsub.broker import Broker, Subscription
from shared.local.pubsub.iam import Policies
from shared.local.pubsub.names import short
from shared.local.pubsub.publisher import Publisher
from shared.local.pubsub.pusher import Faults, NoFaults, Pusher
from shared.local.pubsub.request import Signer
from shared.local.pubsub.subscriber import Subscriber
from shared.local.pubsub.wire import Wire

_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0))
_GRACE = 0.1  # seconds for calls under way; waiting pulls end with it


class PubSub:
    """`signer` makes the tokens of pushes that are to carry one; without it they carry none.

    `observe` sees every published message, dead-lettered ones too, with its topic's short name. `faults` decides about
    each push. `in_flight` bounds the pushes under way, for each subscription.
    """

    def __init__(
        self,
        *,
        signer: Signer | None = None,
        observe: Callable[[str, Message], None] = lambda topic, message: None,
        faults: Faults | None = None,
        in_flight: int = 64,
    ) -> None:
        self._signer, self._faults, self._in_flight = signer, faults or NoFaults(), in_flight
        self._wire = Wire()
        self._broker = Broker(observe, self._pusher)
        self._server: aio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; host:port. Port 0 is one that is free. Raises RuntimeError when the port is taken."""
        self._server = aio.server(options=_OPTIONS)
        servicers = (Publisher(self._broker), Subscriber(self._broker), Policies(self._broker))
        self._server.add_generic_rpc_handlers(tuple(servicer.service() for servicer in servicers))
        port = self._server.add_insecure_port(f"{host}:{port}")
        await self._server.start()
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Stop listening and pushing. What was not delivered is lost."""
        if self._server is not None:
            await self._server.stop(_GRACE)
        for name in tuple(self._broker.subscriptions):
            await self._broker.delete_subscription(name)
        self._wire.close()

    def stats(self) -> dict[str, Counts]:
        """What has happened so far, by the subscription's short name."""
        return {
            short(name): replace(subscription.backlog.counts, backlog=len(subscription.backlog))
            for name, subscription in self._broker.subscriptions.items()
        }

    def backlog(self, subscription: str) -> int:
        """What the subscription (short name) holds that is neither acknowledged nor buried. Raises KeyError."""
        return len(self._find(subscription).backlog)

    def lose_next(self, subscription: str) -> None:
        """Break the promise once: acknowledge the next message of the subscription (short name) undelivered.

        For a test of those who say that they would notice. Raises KeyError.
        """
        self._find(subscription).backlog.lose += 1

    def _find(self, name: str) -> Subscription:
        end = f"/{name}"
        for full, found in self._broker.subscriptions.items():
            if full.endswith(end):
                return found
        raise KeyError(name)

    def _pusher(self, backlog: Backlog, config: Any) -> Pusher:
        return Pusher(backlog, config, self._wire, signer=self._signer, faults=self._faults, limit=self._in_flight)
