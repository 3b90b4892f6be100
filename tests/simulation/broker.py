"""Pub/Sub, as it promises and no better: at least once, in any order, until somebody acknowledges.

    publish ─► every subscription of the topic ─► push to a process of its zone ─► 2xx: done
                                                     └► else, or no answer in time: again after 10 … 600 s

What was acknowledged may come again, up to a day later, when no memo remembers it. `max_attempts` ends in the
dead-letter topic, which is a failure here: nothing in these worlds deserves it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from shared.events.envelope import Message
from shared.head import Headers
from shared.subscriber import Subscription
from tests.simulation.process import Weather

ACK_DEADLINE = 30.0
_BACKOFF = (10.0, 600.0)
_A_DAY = 86_400.0

type Push = Callable[[Subscription, str, Headers, bytes], Awaitable[int | None]]


class Broker:
    """A Publisher. `published` is everything; `dead` what ended in a dead-letter topic."""

    def __init__(self, weather: Weather, subscriptions: Sequence[Subscription], push: Push) -> None:
        self._weather, self._subscriptions, self._push = weather, subscriptions, push
        self._under_way: set[asyncio.Task[None]] = set()
        self.published: list[tuple[str, Message]] = []
        self.dead: list[str] = []

    async def publish(self, topic: str, message: Message) -> None:
        self.published.append((topic, message))
        for on in self._subscriptions:
            if on.topic == topic:
                name = f"{on.name} {message.attributes['ce-id']}"
                self._start(on, message, name, self._weather.dice.between(f"{name} delay", 0.01, 2.0))
                if not self._weather.calm and self._weather.dice.happens(f"{name} twice", self._weather.plan.doubled):
                    late = self._weather.dice.one_of(f"{name} late", (1.0, 300.0, _A_DAY))
                    self._start(on, message, name, self._weather.dice.between(f"{name} again", 0.01, late))

    async def close(self) -> None:
        """Nothing to close."""

    async def quiet(self) -> None:
        """Returns when nothing is under way any more."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _start(self, on: Subscription, message: Message, name: str, delay: float) -> None:
        task = asyncio.create_task(self._deliver(on, message, name, delay))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, on: Subscription, message: Message, name: str, delay: float) -> None:
        await asyncio.sleep(delay)
        headers = [(key.lower().encode(), value.encode()) for key, value in message.attributes.items()]
        for attempt in count(1):
            status = await self._push(on, name, headers, message.data)
            lost = not self._weather.calm and self._weather.dice.happens(f"{name} ack", self._weather.plan.lost_answers)
            if status is not None and 200 <= status < 300 and not lost:
                return
            if attempt >= on.max_attempts:
                self.dead.append(on.dead_letter)
                return
            await asyncio.sleep(min(_BACKOFF[1], _BACKOFF[0] * 2 ** (attempt - 1)))
