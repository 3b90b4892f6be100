"""The `--hold` subscriptions: what a replay or a purge takes its messages from, page by page.

    pull ─► of the plan:  kept, renewed, and taken away once it is written down
       └──► of no plan:   parked, so that the next pull brings others; given back when we close

Pub/Sub can not be browsed: a pull gives what it likes, and what was given back at once would come again at once. Nothing
here grows without bound: a page is in memory, and of the parked only so many are remembered to be given back early; the
rest come back by themselves.

A runner that is killed gives nothing back. So that its followers need not wait for long, what is parked rests for one lease
and for as long as the run has lasted until then: in a run however long a message is seen again only as often as its length
can be doubled. The plan's own messages are hidden for one lease.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from handlers.deadletters.records import Delivered
from handlers.provisioning import hold
from shared.errors import Code, Problem
from shared.events.envelope import Message

if TYPE_CHECKING:
    from google.pubsub_v1 import SubscriberAsyncClient

PAGE = 500  # acknowledgement ids of a request; Pub/Sub takes 512 KiB of them
_LONGEST = 600  # seconds that Pub/Sub lets a message rest
_REMEMBERED = 400  # pages of parked messages: of 100,000 and more, some 40 MB
_TIMEOUT = 20.0


class Held(Struct, frozen=True):
    """A message that lies aside, leased to us by `ack`."""

    ack: str
    delivered: Delivered


class Holding:
    """What lies aside in one project. `lease`: seconds for which a pulled message is kept before it is renewed. `now` is in
    seconds of any clock that goes on."""

    def __init__(
        self,
        client: "SubscriberAsyncClient",
        project: str,
        lease: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._project, self._lease = client, f"projects/{project}", max(1, int(lease))
        self._now, self._begun = now, now()
        self._parked: deque[tuple[str, list[str]]] = deque(maxlen=_REMEMBERED)

    async def pull(self, topic: str, size: int = PAGE) -> list[Held]:
        """A page of the topic's messages, any of them; empty if there is none at the moment."""
        request = {"subscription": self._name(topic), "max_messages": size, "return_immediately": True}
        received = (await _call(self._client.pull, request=request)).received_messages
        held = [Held(one.ack_id, _delivered(topic, one.message)) for one in received]
        await self.renew(topic, held)
        return held

    async def renew(self, topic: str, held: Sequence[Held]) -> None:
        """Keep them for another lease."""
        await self._extend(topic, [one.ack for one in held], self._lease)

    async def park(self, topic: str, held: Sequence[Held]) -> None:
        """Put away what is not of the plan."""
        if held:
            acks = [one.ack for one in held]
            rest = self._lease + int(self._now() - self._begun)
            await self._extend(topic, acks, min(_LONGEST, rest))
            self._parked.append((topic, acks))

    async def take(self, topic: str, held: Sequence[Held]) -> None:
        """Take them away for good."""
        if held:
            acks = [one.ack for one in held]
            await _call(self._client.acknowledge, subscription=self._name(topic), ack_ids=acks)

    async def give_back(self, topic: str, held: Sequence[Held]) -> None:
        """Let others have them, at once."""
        await self._extend(topic, [one.ack for one in held], 0)

    async def close(self) -> None:
        """Give back what is parked, as far as it is remembered."""
        while self._parked:
            topic, acks = self._parked.popleft()
            await self._extend(topic, acks, 0)

    async def _extend(self, topic: str, acks: list[str], seconds: int) -> None:
        if acks:
            await _call(
                self._client.modify_ack_deadline,
                subscription=self._name(topic),
                ack_ids=acks,
                ack_deadline_seconds=seconds,
            )

    def _name(self, topic: str) -> str:
        return f"{self._project}/subscriptions/{hold(topic)}"


async def _call(method: Any, **arguments: Any) -> Any:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        return await method(timeout=_TIMEOUT, **arguments)
    except (GoogleAPIError, GoogleAuthError, OSError):
        raise Problem(Code.PUBSUB_DOWN, "hold") from None


def _delivered(topic: str, body: Any) -> Delivered:
    message = Message(body.data, dict(body.attributes), body.ordering_key)
    return Delivered(topic, body.message_id, body.publish_time.rfc3339(), message)
