"""What the embedded Pub/Sub has beyond production: planted faults, a planted loss, a look at every message, counts.

The promises of production are in tests/contracts/pubsub.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from google.api_core.exceptions import MethodNotImplemented

from shared.events.envelope import Message
from shared.local.pubsub import Counts, Fate, Faults, PubSub
from tests.contracts.pubsub.endpoint import Push
from tests.contracts.pubsub.world import World, world_at


class Fates:
    """The given fates, one each, then none."""

    def __init__(self, *fates: Fate) -> None:
        self.seen: list[tuple[str, Message]] = []
        self._fates: Iterator[Fate] = iter(fates)

    def before_push(self, subscription: str, message: Message) -> Fate:
        self.seen.append((subscription, message))
        return next(self._fates, "deliver")


@asynccontextmanager
async def running(faults: Faults | None = None, **more: Any) -> AsyncIterator[tuple[PubSub, World]]:
    pubsub = PubSub(faults=faults, **more)
    async with world_at(await pubsub.start(), {}) as world:
        yield pubsub, world
    await pubsub.stop()


async def settled(pubsub: PubSub, name: str = "handler") -> Counts:
    """The counts, once nothing is on its way."""
    async with asyncio.timeout(5):
        while pubsub.stats()[name].backlog:
            await asyncio.sleep(0.01)
    return pubsub.stats()[name]


async def test_a_dropped_push_is_never_sent_and_comes_again() -> None:
    faults = Fates("drop", "drop")
    async with running(faults) as (pubsub, world):
        topic = await world.topic()
        await world.push(topic)
        await world.publish(topic, "x", kind="Patient")
        assert await settled(pubsub) == Counts(delivered=3, acked=1, nacked=2)
        assert len(world.endpoint.pushes) == 1
        assert faults.seen == [("handler", Message(b"x", {"kind": "Patient"}, ""))] * 3


async def test_a_doubled_push_is_sent_twice_at_once() -> None:
    async with running(Fates("twice")) as (pubsub, world):
        both = asyncio.Barrier(2)

        async def answer_when_both_are_there(_: Push) -> int:
            async with both:
                return 204

        world.endpoint.answer = answer_when_both_are_there
        topic = await world.topic()
        await world.push(topic)
        [message_id] = await world.publish(topic, "x")
        assert (await settled(pubsub)).acked == 1
        assert [push.envelope["message"]["messageId"] for push in world.endpoint.pushes] == [message_id] * 2


async def test_a_delayed_push_is_overtaken() -> None:
    async with running(Fates(0.2)) as (pubsub, world):
        topic = await world.topic()
        await world.push(topic)
        await world.publish(topic, "first", "second")
        assert [push.data for push in await world.endpoint.until(2)] == ["second", "first"]
        assert (await settled(pubsub)).acked == 2


async def test_a_lost_message_counts_as_acknowledged_and_never_comes() -> None:
    async with running() as (pubsub, world):
        topic = await world.topic()
        await world.push(topic)
        pubsub.lose_next("handler")
        await world.publish(topic, "lost", "kept")
        assert [push.data for push in await world.endpoint.until(1)] == ["kept"]
        assert await settled(pubsub) == Counts(delivered=1, acked=2)
        with pytest.raises(KeyError):
            pubsub.lose_next("nobody")


async def test_every_published_message_is_seen_dead_lettered_ones_too() -> None:
    seen: list[tuple[str, bytes]] = []
    faults = Fates("drop", "drop", "drop", "drop", "drop")
    async with running(faults, observe=lambda topic, message: seen.append((topic, message.data))) as (pubsub, world):
        topic, dead = await world.topic(), await world.topic("dead")
        await world.push(topic, dead_letter_policy={"dead_letter_topic": dead}, retry_policy={"minimum_backoff": {}})
        await world.publish(topic, "poison")
        assert await settled(pubsub) == Counts(delivered=5, nacked=5, dead_lettered=1)
        assert seen == [("events", b"poison"), ("dead", b"poison")]


async def test_a_dead_letter_topic_that_is_gone_keeps_the_message_where_it_is() -> None:
    faults = Fates("drop", "drop", "drop", "drop", "drop", "drop")
    async with running(faults) as (pubsub, world):
        topic, dead = await world.topic(), await world.topic("dead")
        await world.push(topic, dead_letter_policy={"dead_letter_topic": dead}, retry_policy={"minimum_backoff": {}})
        await world.publisher.delete_topic(topic=dead)
        await world.publish(topic, "poison")
        assert await settled(pubsub) == Counts(delivered=7, acked=1, nacked=6)


async def test_the_pushes_under_way_are_bounded() -> None:
    under_way, most = 0, 0

    async def slow(_: Push) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1
        return 204

    async with running(in_flight=20) as (pubsub, world):
        world.endpoint.answer = slow
        topic = await world.topic()
        await world.push(topic)
        await world.publish(topic, *["x"] * 200)
        assert (await settled(pubsub)).acked == 200
        assert most == 20


async def test_a_receiver_that_hangs_up_between_pushes_loses_nothing() -> None:
    """As a server does that closes idle connections, or a worker that is replaced."""
    async with running() as (pubsub, world):
        topic = await world.topic()
        await world.push(topic)
        for n in range(3):
            await world.publish(topic, str(n))
            assert await settled(pubsub) == Counts(delivered=n + 1, acked=n + 1)
            await world.endpoint.stop()
        assert [push.data for push in world.endpoint.pushes] == ["0", "1", "2"]


async def test_a_receiver_that_hangs_up_instead_of_answering_has_refused() -> None:
    async with running() as (pubsub, world):
        answers = iter([1, 0])

        async def hang_up_once(_: Push) -> int:
            if next(answers, 0):
                raise ConnectionResetError
            return 204

        world.endpoint.answer = hang_up_once
        topic = await world.topic()
        await world.push(topic)
        await world.publish(topic, "x")
        assert await settled(pubsub) == Counts(delivered=2, acked=1, nacked=1)


async def test_without_a_retry_policy_a_push_backs_off_all_the_same() -> None:
    async with running(Fates()) as (_, world):

        async def no(_: Push) -> int:
            return 500

        world.endpoint.answer = no
        topic = await world.topic()
        await world.push(topic)
        await world.publish(topic, "x")
        pushes = await world.endpoint.until(4)
        gaps = [later.at - earlier.at for earlier, later in pairwise(pushes[:4])]
        assert gaps == pytest.approx([0.1, 0.2, 0.4], abs=0.1)


async def test_an_attribute_can_not_smuggle_a_header() -> None:
    async with running() as (pubsub, world):
        topic = await world.topic()
        await world.push(topic, no_wrapper={"write_metadata": True})
        forged = {"a: b\r\nX-Evil": "1", "Authorization": "Bearer x", "X-Goog-Pubsub-Message-Id": "1"}
        [message_id] = await world.publish(topic, "x", good="1", split="a\r\nX-Evil: 1", **forged)
        await settled(pubsub)
        [push] = world.endpoint.pushes
        assert (push.headers["good"], push.headers["x-goog-pubsub-message-id"]) == ("1", message_id)
        assert not {"x-evil", "split", "authorization"} & set(push.headers)


@pytest.mark.parametrize(
    "config",
    [
        {"enable_exactly_once_delivery": True},
        {"bigquery_config": {"table": "p.d.t"}},
        {"message_transforms": [{"javascript_udf": {"function_name": "f", "code": "function f(m) {return m}"}}]},
    ],
)
async def test_what_it_does_not_have_it_refuses(config: dict[str, Any]) -> None:
    async with running() as (_, world):
        topic = await world.topic()
        with pytest.raises(MethodNotImplemented):
            await world.subscribe(topic, **config)
