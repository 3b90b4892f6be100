"""The messages of one subscription that are not acknowledged yet, and whose turn it is.

    add ─► ready ─take─► leased ─ack──────────────► gone; the next of its ordering key is ready
             ▲              └─nack, or lease over─► waits ─► ready
             └────── backoff ────────────────────────┘   └─► buried (dead letter), after so many attempts

With ordering, only the oldest message of a key is ever ready, waiting or leased: a failing head holds up its own key
and no other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.local.pubsub.message import Stored
from shared.local.pubsub.rules import Rules


@dataclass(slots=True, eq=False)
class Item:
    """A message on its way to one subscription. `lease` grows with each delivery: an old lease's answer is void."""

    message: Stored
    attempts: int = 0
    lease: int = 0
    leased: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def ack_id(self) -> str:
        return f"{self.message.id}-{self.lease}"


@dataclass(slots=True)
class Counts:
    """`delivered` counts attempts; `backlog` is what is neither acknowledged nor buried."""

    delivered: int = 0
    acked: int = 0
    nacked: int = 0
    dead_lettered: int = 0
    backlog: int = 0


class Backlog:
    """`bury` forwards a message to the dead-letter topic and says whether that worked.

    `listeners` are told, in the same turn of the loop, that something is ready.
    """

    def __init__(self, rules: Rules, bury: Callable[[Item], bool]) -> None:
        self.rules = rules
        self.counts = Counts()
        self.lose = 0  # so many of the next messages are acknowledged without having been delivered
        self.listeners: set[Callable[[], None]] = set()
        self._bury = bury
        self._items: dict[str, Item] = {}
        self._ready: deque[Item] = deque()
        self._keys: dict[str, deque[Item]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Stored]:
        """What is not acknowledged, in the order of publishing."""
        return (item.message for item in self._items.values())

    def add(self, message: Stored) -> None:
        """A message was published that this subscription wants."""
        item = self._items[message.id] = Item(message)
        if self.rules.ordered and message.ordering_key:
            line = self._keys.setdefault(message.ordering_key, deque())
            line.append(item)
            if line[0] is not item:
                return
        self._turn(item)

    def take(self) -> Item | None:
        """Lease the next message, if one is ready."""
        while self._ready:
            item = self._ready.popleft()
            item.attempts += 1
            item.lease += 1
            item.leased = True
            if self.lose:
                self.lose -= 1
                self.ack(item)
                continue
            self.counts.delivered += 1
            return item
        return None

    async def something(self) -> None:
        """Return when a message is ready. Another taker may be faster: then `take` gives nothing."""
        if self._ready:
            return
        ready = asyncio.Event()
        self.listeners.add(ready.set)
        try:
            await ready.wait()
        finally:
            self.listeners.discard(ready.set)

    def leased(self, ack_id: str) -> Item | None:
        """The message that was leased under this id, if it still is."""
        item = self._items.get(ack_id.partition("-")[0])
        return item if item is not None and item.leased and item.ack_id == ack_id else None

    def ack(self, item: Item) -> None:
        """The message has arrived."""
        self.counts.acked += 1
        self._remove(item)

    def nack(self, item: Item) -> None:
        """The message has not arrived: again after the backoff, or into the dead letter."""
        self._release(item)
        self.counts.nacked += 1
        if self.rules.bury_after and item.attempts >= self.rules.bury_after and self._bury(item):
            self.counts.dead_lettered += 1
            self._remove(item)
            return
        # Even without a backoff in the loop's next turn: whoever answers no at once must not starve the others.
        item.timer = asyncio.get_running_loop().call_later(self.rules.delay(item.attempts), self._turn, item)

    def extend(self, item: Item, seconds: float) -> None:
        """The lease of a pulled message ends in so many seconds; 0 gives it back."""
        self._release(item)
        if seconds <= 0:
            self.nack(item)
            return
        item.leased = True
        item.timer = asyncio.get_running_loop().call_later(seconds, self.nack, item)

    def reset(self, messages: Iterable[Stored]) -> None:
        """From now on exactly these are not acknowledged; every lease is void."""
        self.clear()
        for message in messages:
            self.add(message)

    def clear(self) -> None:
        """Forget everything."""
        for item in self._items.values():
            self._release(item)
        self._items.clear()
        self._ready.clear()
        self._keys.clear()

    def _turn(self, item: Item) -> None:
        """It is this message's turn."""
        item.timer = None
        self._ready.append(item)
        for listener in tuple(self.listeners):
            listener()

    def _release(self, item: Item) -> None:
        item.leased = False
        if item.timer is not None:
            item.timer.cancel()
            item.timer = None

    def _remove(self, item: Item) -> None:
        self._release(item)
        del self._items[item.message.id]
        line = self._keys.get(item.message.ordering_key)
        if line is None or line[0] is not item:
            return
        line.popleft()
        if line:
            self._turn(line[0])
        else:
            del self._keys[item.message.ordering_key]
