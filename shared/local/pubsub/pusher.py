"""Push delivery of one subscription: many requests under way at once, within a window that the receiver's answers set.

    backlog.take() ─► request ─POST─► 102 200 201 202 204: ack
                                  └─► any other status, a broken connection, no answer by the ack deadline: nack

The window starts small, grows with each ack, and shrinks with each nack: less harshly than production's, which halves,
so that a machine with many planted faults still gets somewhere.
"""

import asyncio
from typing import Any, Literal, Protocol

from shared.events.envelope import Message
from shared.local.pubsub.backlog import Backlog, Item
from shared.local.pubsub.names import short
from shared.local.pubsub.request import Signer, Target
from shared.local.pubsub.wire import Wire

_ACKS = frozenset({102, 200, 201, 202, 204})
_FIRST_WINDOW = 8.0
_SHRINK = 0.75

type Fate = Literal["deliver", "drop", "twice"] | float


class Faults(Protocol):
    """What the network does to a push, decided for each attempt.

    `drop`: never sent, so it is nacked; `twice`: sent twice at once; a number: sent after so many seconds.
    """

    def before_push(self, subscription: str, message: Message) -> Fate: ...


class NoFaults:
    """A network that does what it should."""

    def before_push(self, subscription: str, message: Message) -> Fate:
        return "deliver"


class Pusher:
    """`limit` bounds the requests under way. A pulled subscription has one too, for it may become a pushed one."""

    def __init__(
        self, backlog: Backlog, config: Any, wire: Wire, *, signer: Signer | None, faults: Faults, limit: int
    ) -> None:
        self._target = Target.of(config)
        self._backlog, self._wire, self._signer, self._faults = backlog, wire, signer, faults
        self._limit, self._window = float(limit), min(_FIRST_WINDOW, limit)
        self._under_way: set[asyncio.Task[None]] = set()
        backlog.listeners.add(self.pump)

    def retarget(self, config: Any) -> None:
        """Push from now on as this configuration says, or no more."""
        self._target = Target.of(config)
        self.pump()

    def pump(self) -> None:
        """Push what is ready, as far as the window goes."""
        while self._target is not None and len(self._under_way) < int(self._window):
            item = self._backlog.take()
            if item is None:
                return
            task = asyncio.create_task(self._deliver(self._target, item))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End at once; what is under way is neither acked nor nacked."""
        self._target = None
        self._backlog.listeners.discard(self.pump)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self.pump()

    async def _deliver(self, target: Target, item: Item) -> None:
        ack_id = item.ack_id
        fate = self._faults.before_push(short(target.subscription), item.message.message())
        match fate:
            case "drop":
                arrived = False
            case "twice":
                arrived = any(await asyncio.gather(self._post(target, item), self._post(target, item)))
            case "deliver":
                arrived = await self._post(target, item)
            case _:
                await asyncio.sleep(fate)
                arrived = await self._post(target, item)
        self._window = min(self._limit, self._window + 1) if arrived else max(1.0, self._window * _SHRINK)
        if self._backlog.leased(ack_id) is not item:
            return  # a seek has made the delivery void
        if arrived:
            self._backlog.ack(item)
        else:
            self._backlog.nack(item)

    async def _post(self, target: Target, item: Item) -> bool:
        """Send it. The ack deadline is the HTTP timeout: a later answer would not be heard."""
        request = target.request(item.message, item.attempts, self._signer)
        try:
            async with asyncio.timeout(self._backlog.rules.ack_deadline):
                return await self._wire.send(target.place, request) in _ACKS
        except OSError:  # TimeoutError is one
            return False
