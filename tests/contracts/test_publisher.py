"""The contract of the Publisher port, on the memory twin and on Google's client against the embedded Pub/Sub."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import pytest

from shared.errors import Code, Problem
from shared.events.envelope import Message
from shared.local.pubsub import PubSub
from shared.sinks.channels import publisher_client
from shared.sinks.memory import MemoryPublisher
from shared.sinks.port import Publisher
from shared.sinks.pubsub import PubSubPublisher

TOPICS = ("fhir.changed", "fhir.validated")
MESSAGE = Message(b'{"id":"p1"}', {"ce-id": "a1", "Content-Type": "application/json"}, "k1")


class World(Protocol):
    @property
    def publisher(self) -> Publisher: ...
    @property
    def published(self) -> list[tuple[str, Message]]: ...
    async def go_down(self) -> None: ...
    async def come_back(self) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.publisher = MemoryPublisher()

    @property
    def published(self) -> list[tuple[str, Message]]:
        return self.publisher.published

    async def go_down(self) -> None:
        self.publisher.fail(1)

    async def come_back(self) -> None:
        """It was down for one publish."""


@dataclass(eq=False)
class EmbeddedWorld:
    publisher: PubSubPublisher
    published: list[tuple[str, Message]]
    pubsub: PubSub
    port: int

    async def go_down(self) -> None:
        await self.pubsub.stop()

    async def come_back(self) -> None:
        self.pubsub = PubSub(observe=lambda topic, message: self.published.append((topic, message)))
        await self.pubsub.start(port=self.port)
        await create_topics(f"127.0.0.1:{self.port}")


async def create_topics(address: str) -> None:
    async with publisher_client(address) as client:
        for topic in TOPICS:
            await client.create_topic(name=f"projects/p/topics/{topic}")


@asynccontextmanager
async def embedded() -> AsyncIterator[EmbeddedWorld]:
    published: list[tuple[str, Message]] = []
    pubsub = PubSub(observe=lambda topic, message: published.append((topic, message)))
    address = await pubsub.start()
    await create_topics(address)
    world = EmbeddedWorld(PubSubPublisher("p", address, timeout=2), published, pubsub, int(address.split(":")[1]))
    yield world
    await world.publisher.close()
    await world.pubsub.stop()


@pytest.fixture(params=["memory", "embedded"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        yield MemoryWorld()
        return
    async with embedded() as made:
        yield made


def down() -> pytest.RaisesExc[Problem]:
    return pytest.RaisesExc(Problem, check=lambda problem: problem.code is Code.PUBSUB_DOWN)


async def test_a_confirmed_message_is_all_that_was_given(world: World) -> None:
    await world.publisher.publish("fhir.changed", MESSAGE)
    assert world.published == [("fhir.changed", MESSAGE)]


async def test_each_topic_gets_its_own_messages(world: World) -> None:
    await asyncio.gather(*(world.publisher.publish(topic, MESSAGE) for topic in TOPICS * 20))
    assert sorted(topic for topic, _ in world.published) == sorted(TOPICS * 20)


async def test_who_waits_for_each_confirmation_publishes_in_order(world: World) -> None:
    messages = [Message(str(n).encode(), {}, "k1") for n in range(20)]
    for message in messages:
        await world.publisher.publish("fhir.changed", message)
    assert [message for _, message in world.published] == messages


async def test_what_is_not_confirmed_is_pubsub_down(world: World) -> None:
    await world.go_down()
    with down():
        await world.publisher.publish("fhir.changed", MESSAGE)
    assert world.published == []


async def test_publishing_goes_on_when_pubsub_is_back(world: World) -> None:
    await world.go_down()
    with down():
        await world.publisher.publish("fhir.changed", MESSAGE)
    await world.come_back()
    for _ in range(50):  # gRPC waits a while before it connects again
        try:
            await world.publisher.publish("fhir.changed", MESSAGE)
            break
        except Problem:
            await asyncio.sleep(0.1)
    assert world.published == [("fhir.changed", MESSAGE)]


async def test_closing_twice_does_no_harm(world: World) -> None:
    await world.publisher.publish("fhir.changed", MESSAGE)
    await world.publisher.close()
    await world.publisher.close()


async def test_a_topic_that_is_missing_is_pubsub_down() -> None:
    async with embedded() as world:
        with down():
            await world.publisher.publish("fhir.unknown", MESSAGE)


async def test_a_pubsub_that_never_answers_is_pubsub_down_at_the_deadline() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    publisher = PubSubPublisher("p", f"127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=0.5)
    started = time.monotonic()
    with down():
        await publisher.publish("fhir.changed", MESSAGE)
    assert time.monotonic() - started < 2
    await publisher.close()
    server.close()


async def test_publishes_in_flight_share_a_few_calls() -> None:
    async with embedded() as world:
        started = time.monotonic()
        for _ in range(50):
            await world.publisher.publish("fhir.changed", MESSAGE)
        one_call = (time.monotonic() - started) / 50
        started = time.monotonic()
        await asyncio.gather(*(world.publisher.publish("fhir.changed", MESSAGE) for _ in range(3000)))
        assert len(world.published) == 3050
        assert time.monotonic() - started < 3000 * one_call / 5
