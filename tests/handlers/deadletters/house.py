"""Dead letters in the embedded Pub/Sub, an index, a ledger, and an operator's desk over them; and a way to die anywhere."""

import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handlers import catalog
from handlers.deadletters.arrivals import Arrivals
from handlers.deadletters.desk import Desk
from handlers.deadletters.holding import Holding
from handlers.deadletters.ledgers import Ledgers
from handlers.deadletters.records import Delivered
from handlers.provisioning import Retry, aside, hold, requests
from shared.deadletters.memory import MemoryIndex
from shared.deadletters.port import Entry, Index
from shared.deadletters.sqlite import SqliteIndex
from shared.errors import Code
from shared.events.data import Committed, Data, Quarantined, Validated
from shared.events.envelope import Event, Message
from shared.ledger.memory import MemoryLedger
from shared.ledger.port import Lease, State
from shared.local.pubsub import PubSub
from shared.sinks.channels import publisher_client, subscriber_client
from shared.sinks.pubsub import PubSubPublisher
from tests.tenant import PROJECT, settings

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient

CANARY = "Canary-f00d"  # the FHIR id of every reference here
TYPES = ("Patient", "Observation", "Condition")
CODES = (Code.RESOURCE_INVALID, Code.RESOURCE_TOO_LARGE, Code.HANDLER_FAILED)


@dataclass(slots=True)
class House:
    """`published` is all that reached Pub/Sub; `later` moves the desk's clock on."""

    pubsub: PubSub
    publisher: "PublisherAsyncClient"
    subscriber: "SubscriberAsyncClient"
    index: Index
    ledger: MemoryLedger
    desk: Desk
    published: list[tuple[str, Message]] = field(default_factory=list)
    later: float = 0.0
    _number: int = 0

    def now(self) -> float:
        return time.time() + self.later

    async def quarantine(
        self, number: int = 1, *, handler: str = "deid", code: Code = Code.RESOURCE_INVALID, type: str = "Patient"
    ) -> list[Entry]:
        """So many events are set aside, as the pipeline does it, and indexed."""
        topic, events = f"{handler}.quarantine", [self._event(handler, type) for _ in range(number)]
        for event in events:
            await self.poison(handler, event.id, code)
        return await self.put(topic, [quarantined(handler, code, event) for event in events])

    async def again(self, entry: Entry) -> Entry:
        """The event is set aside once more, under another message of the same content."""
        event = self._event(entry.handler, entry.resource_type or "", id=entry.event)
        await self.poison(entry.handler, event.id, Code.of(entry.code))
        return (await self.put(entry.topic, [quarantined(entry.handler, Code.of(entry.code), event)]))[0]

    async def dead(
        self, number: int = 1, *, handler: str = "deid", code: Code | None = Code.MEDPLUM_DOWN
    ) -> list[Entry]:
        """So many events are dead-lettered by Pub/Sub; `code`: how their last attempt ended."""
        on = next(on for on in catalog.subscriptions() if on.handler == handler)
        messages = []
        for _ in range(number):
            event = self._event(handler, "Patient")
            if code is not None:
                lease = await self.ledger.claim(
                    f"{handler}:{event.id}", "f", owner="w", now=self.now() - 9, until=self.now()
                )
                assert isinstance(lease, Lease)
                await self.ledger.finish(lease, State.RETRY, code=code.slug, now=self.now() - 8)
            message = event.message()
            more = {
                "CloudPubSubDeadLetterSourceDeliveryCount": "100",
                "CloudPubSubDeadLetterSourceSubscription": on.name,
            }
            messages.append(Message(message.data, {**message.attributes, **more}, message.ordering_key))
        return await self.put(on.dead_letter, messages)

    async def poison(self, handler: str, event: str, code: Code) -> None:
        """The ledger's record of an event that was set aside."""
        now = self.now()
        lease = await self.ledger.claim(f"{handler}:{event}", "f", owner="w", now=now, until=now + 90)
        if isinstance(lease, Lease):
            await self.ledger.finish(lease, State.POISON, code=code.slug, now=now)

    async def works(self, entry: Entry) -> None:
        """The handler works on the event, and all is well."""
        now = self.now()
        lease = await self.ledger.claim(entry.key, "f", owner="w", now=now, until=now + 90)
        assert isinstance(lease, Lease), lease
        await self.ledger.finish(lease, State.DONE, now=now)

    async def put(self, topic: str, messages: Sequence[Message]) -> list[Entry]:
        """Publish to a topic of what went wrong, and index it, as a push would."""
        arrivals, entries = self.arrivals(), []
        for id, message in zip(await self.load(topic, messages), messages, strict=True):
            published = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds")
            entries.append(await arrivals.keep(Delivered(topic, id, published.replace("+00:00", "Z"), message)))
        return entries

    async def load(self, topic: str, messages: Sequence[Message]) -> list[str]:
        """Publish; the messages' ids."""
        request = {
            "topic": f"projects/starvit/topics/{topic}",
            "messages": [
                {"data": one.data, "attributes": dict(one.attributes), "ordering_key": one.ordering_key}
                for one in messages
            ],
        }
        return list((await self.publisher.publish(request=request)).message_ids)

    def arrivals(self) -> Arrivals:
        """What indexes; its tokens are another test's."""
        return Arrivals(self.desk.settings, None, self.index, self.desk.ledgers, self.now)  # type: ignore[arg-type]

    def held(self, topic: str) -> int:
        """How many messages lie in the hold of a topic."""
        return self.pubsub.stats()[hold(topic)].backlog

    def sent(self, topic: str = "fhir.validated") -> list[str]:
        """The ids of the events that were published to a topic of origin."""
        return [message.attributes["ce-id"] for to, message in self.published if to == topic]

    async def leases_end(self) -> None:
        """Time passes: what a dead runner had is free."""
        self.later += 700
        for topic in aside(self.desk.settings):
            name = f"projects/starvit/subscriptions/{hold(topic)}"
            await self.subscriber.seek(request={"subscription": name, "time": {"seconds": 1}})

    def _event(self, handler: str, type: str, id: str | None = None) -> Event[Data]:
        self._number += 1
        name = id or f"{self._number:064x}"
        if handler == "analytics":
            data: Data = Committed(
                project="clinic", key_id="k1", resource_type=type, key="f" * 64, sequence="1/0", deleted=False
            )
        else:
            data = reference(name, type).data
        at = datetime.fromtimestamp(self.now(), UTC)
        trace = f"00-{self._number % 4 + 1:032x}-{'2' * 16}-01"
        return Event(name, data, at, "deid", "3fa85f64-5717-4562-b3fc-2c963f66afa6", trace, "e" * 64)


@asynccontextmanager
async def house(path: Path | None = None, **changed: object) -> AsyncIterator[House]:
    """Pub/Sub over gRPC with the `--hold` subscriptions, and a desk."""
    published: list[tuple[str, Message]] = []
    pubsub = PubSub(observe=lambda topic, message: published.append((topic, message)))
    address = await pubsub.start()
    try:
        async with AsyncExitStack() as stack:
            using = settings("all", pubsub_endpoint=address, **({"replay_lease": 5.0} | changed))
            publisher = await stack.enter_async_context(publisher_client(address))
            subscriber = await stack.enter_async_context(subscriber_client(address))
            for topic in catalog.topics():
                await publisher.create_topic(name=f"projects/starvit/topics/{topic}")
            for request in requests(using, url=lambda _: "http://127.0.0.1:9", retry=Retry()):
                if "push_config" not in request:
                    await subscriber.create_subscription(request=request)
            index: Index = SqliteIndex(path) if path else MemoryIndex()
            stack.push_async_callback(index.close)
            ledger, out = MemoryLedger(), PubSubPublisher("starvit", address)
            stack.push_async_callback(out.close)
            made: House
            desk = Desk(using, index, Ledgers(ledger, ledger), out, partial(_holding, subscriber), lambda: made.now())
            made = House(pubsub, publisher, subscriber, index, ledger, desk, published)
            yield made
    finally:
        await pubsub.stop()


@asynccontextmanager
async def _holding(client: "SubscriberAsyncClient") -> AsyncIterator[Holding]:
    yield Holding(client, "starvit", 5.0)


class Killed(BaseException):
    """The process is gone: nothing of it runs on, not even its clean-up."""


class Mortal:
    """Ports of a process that dies with its n-th call, before or after that call has had its effect."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.calls, self._at, self._after = 0, at, after

    def dead(self) -> bool:
        return self.calls >= self._at

    def port(self, real: Any) -> Any:
        """The port, as the dying process has it."""
        return _Port(self, real)

    async def call(self, method: Any, *given: Any, **named: Any) -> Any:
        if self.dead():
            raise Killed
        self.calls += 1
        if self.dead() and not self._after:
            raise Killed
        answer = await method(*given, **named)
        if self.dead():
            raise Killed
        return answer


class _Port:
    def __init__(self, life: Mortal, real: Any) -> None:
        self._life, self._real = life, real

    def __getattr__(self, name: str) -> Any:
        return partial(self._life.call, getattr(self._real, name))


def mortal(made: House, life: Mortal) -> Desk:
    """The desk of a process that will be killed."""
    ledger = life.port(made.ledger)
    holding = partial(_holding, life.port(made.subscriber))
    return Desk(
        made.desk.settings,
        life.port(made.index),
        Ledgers(ledger, ledger),
        life.port(made.desk.publisher),
        holding,
        made.now,
    )


async def mixed(made: House, number: int, chance: random.Random) -> list[Entry]:
    """Dead letters of all kinds, some events twice."""
    entries: list[Entry] = []
    for _ in range(number):
        kind, quarantined = chance.randrange(4), [one for one in entries if one.kind == "quarantine"]
        if kind == 0 and quarantined:
            entries.append(await made.again(chance.choice(quarantined)))
        elif kind == 1:
            entries += await made.dead(handler=chance.choice(("deid", "validation")))
        else:
            handler = chance.choice(("deid", "validation", "analytics"))
            entries += await made.quarantine(handler=handler, code=chance.choice(CODES), type=chance.choice(TYPES))
        made.later += chance.choice((0.0, 60.0, 4000.0))
    return entries


def reference(id: str, type: str) -> Event[Data]:
    """An event of a reference to the canary."""
    data = Validated(
        project=PROJECT,
        type=type,
        id=CANARY,
        version="v1",
        last_updated="2026-11-23T10:41:55.279Z",
        generation=65536,
        op="write",
    )
    at, trace = datetime(2026, 11, 23, tzinfo=UTC), f"00-{1:032x}-{'2' * 16}-01"
    return Event(id, data, at, "deid", "3fa85f64-5717-4562-b3fc-2c963f66afa6", trace, "e" * 64)


def quarantined(handler: str, code: Code, event: Event[Data]) -> Message:
    """The event as the pipeline sets it aside."""
    data = Quarantined(
        handler=handler,
        topic="elsewhere",
        code=code.slug,
        at="Patient.birthDate",
        event_id=event.id,
        event_type=event.data.TYPE,
        event=event.data.model_dump(mode="json"),
    )
    return Event(
        event.id, data, event.time, handler, event.correlation, event.traceparent, event.ordering_key
    ).message()
