"""What production promises about pulling: leases, dead letters, filters, replay; and Google's threaded clients."""

import asyncio
import queue
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import pubsub_v1

from tests.contracts.pubsub.world import World


async def ack(world: World, subscription: str, *received: Any) -> None:
    await world.subscriber.acknowledge(subscription=subscription, ack_ids=[r.ack_id for r in received])


async def nack(world: World, subscription: str, *received: Any) -> None:
    ids = [r.ack_id for r in received]
    await world.subscriber.modify_ack_deadline(subscription=subscription, ack_ids=ids, ack_deadline_seconds=0)


async def data(world: World, subscription: str, count: int, within: float = 5.0) -> list[str]:
    """What is pulled, acknowledged at once."""
    received = await world.pull(subscription, count, within)
    if received:
        await ack(world, subscription, *received)
    return [r.message.data.decode() for r in received]


async def test_a_pulled_message_is_all_that_was_published(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic, enable_message_ordering=True)
    [message_id] = await world.publish(topic, "x", key="k1", kind="Patient")
    [received] = await world.pull(name)
    message = received.message
    assert (message.data, dict(message.attributes), message.ordering_key) == (b"x", {"kind": "Patient"}, "k1")
    assert message.message_id == message_id
    assert abs(message.publish_time - datetime.now(UTC)) < timedelta(seconds=10)
    assert received.delivery_attempt == 0


async def test_a_message_id_is_no_counter(world: World) -> None:
    ids = await world.publish(await world.topic(), "a", "b", "c")
    assert len(set(ids)) == 3
    assert all(len(message_id) >= 15 and message_id.isdigit() for message_id in ids)


async def test_an_acknowledged_message_is_gone(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic)
    await world.publish(topic, "x")
    assert await data(world, name, 1) == ["x"]
    assert await data(world, name, 1, within=0.5) == []


async def test_every_subscription_has_a_copy_and_late_ones_miss_what_was(world: World) -> None:
    topic = await world.topic()
    first, second = await world.subscribe(topic, "first"), await world.subscribe(topic, "second")
    await world.publish(topic, "x")
    late = await world.subscribe(topic, "late")
    assert [await data(world, name, 1, within=0.5) for name in (first, second, late)] == [["x"], ["x"], []]


async def test_a_message_given_back_comes_again_with_another_ack_id(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic)
    await world.publish(topic, "x")
    [first] = await world.pull(name)
    await nack(world, name, first)
    [second] = await world.pull(name)
    assert second.message.message_id == first.message.message_id
    assert second.ack_id != first.ack_id


async def test_a_message_that_is_not_acknowledged_in_time_comes_again(world: World) -> None:
    """And a lease that was extended lasts."""
    topic = await world.topic()
    name = await world.subscribe(topic, ack_deadline_seconds=10)
    await world.publish(topic, "kept", "forgotten")
    received = {r.message.data: r for r in await world.pull(name, 2)}
    kept = received[b"kept"]
    await world.subscriber.modify_ack_deadline(subscription=name, ack_ids=[kept.ack_id], ack_deadline_seconds=60)
    assert await data(world, name, 1, within=8) == []
    assert await data(world, name, 1, within=5) == ["forgotten"]
    assert await data(world, name, 1, within=0.5) == []


async def test_a_key_waits_for_its_oldest_message(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic, enable_message_ordering=True)
    await world.publish(topic, "a0", "a1", "a2", key="a")
    got: list[str] = []
    while len(got) < 3:
        got += await data(world, name, 1)
    assert got == ["a0", "a1", "a2"]


async def test_the_delivery_attempt_counts_up_to_the_dead_letter(world: World) -> None:
    topic, dead = await world.topic(), await world.topic("dead")
    hold = await world.subscribe(dead, "hold")
    policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
    name = await world.subscribe(topic, dead_letter_policy=policy)
    await world.publish(topic, "poison")
    attempts = []
    for _ in range(5):
        [received] = await world.pull(name)
        attempts.append(received.delivery_attempt)
        await nack(world, name, received)
    assert attempts == [1, 2, 3, 4, 5]
    assert await data(world, name, 1, within=0.5) == []
    assert await data(world, hold, 1) == ["poison"]


async def test_a_filter_decides_what_a_subscription_gets(world: World) -> None:
    topic = await world.topic()
    filters = {
        "equal": 'attributes.kind = "Patient"',
        "other": 'attributes.kind != "Patient"',
        "prefix": 'hasPrefix(attributes."ce-type", "io.starvit.") AND NOT attributes:test',
        "either": '(attributes:test OR attributes.kind = "Patient") AND attributes:kind',
    }
    names = {key: await world.subscribe(topic, key, filter=text) for key, text in filters.items()}
    await world.publish(topic, "patient", kind="Patient", **{"ce-type": "io.starvit.changed"})
    await world.publish(topic, "test", kind="Observation", test="", **{"ce-type": "io.starvit.changed"})
    await world.publish(topic, "bare")
    got = await asyncio.gather(*(data(world, name, 3, within=0.5) for name in names.values()))
    assert {key: sorted(texts) for key, texts in zip(names, got, strict=True)} == {
        "equal": ["patient"],
        "other": ["bare", "test"],
        "prefix": ["patient"],
        "either": ["patient", "test"],
    }


@pytest.mark.parametrize("text", ["kind = 1", 'attributes.kind = "a" AND attributes.kind = "b" OR attributes:c'])
async def test_a_filter_that_can_not_be_read_is_refused(world: World, text: str) -> None:
    topic = await world.topic()
    with pytest.raises(InvalidArgument):
        await world.subscribe(topic, filter=text)


async def test_seeking_back_brings_again_what_was_acknowledged_under_the_same_ids(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic, retain_acked_messages=True)
    await world.publish(topic, "before")
    await asyncio.sleep(0.05)
    since = datetime.now(UTC)
    ids = await world.publish(topic, "a", "b")
    assert sorted(await data(world, name, 3)) == ["a", "b", "before"]
    await world.subscriber.seek(request={"subscription": name, "time": since})
    received = await world.pull(name, 2)
    assert {r.message.message_id for r in received} == set(ids)


async def test_seeking_ahead_throws_away_what_waits(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic)
    await world.publish(topic, "old")
    await world.subscriber.seek(request={"subscription": name, "time": datetime.now(UTC) + timedelta(minutes=1)})
    assert await data(world, name, 1, within=0.5) == []


async def test_a_snapshot_brings_back_what_waited_then_and_all_that_came_since(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic)
    await world.publish(topic, "done")
    assert await data(world, name, 1) == ["done"]
    await world.publish(topic, "waiting")
    snapshot = f"projects/{world.project}/snapshots/before-deploy"
    await world.subscriber.create_snapshot(name=snapshot, subscription=name)
    await world.publish(topic, "since")
    assert sorted(await data(world, name, 2)) == ["since", "waiting"]
    await world.subscriber.seek(request={"subscription": name, "snapshot": snapshot})
    assert sorted(await data(world, name, 2)) == ["since", "waiting"]
    await world.subscriber.delete_snapshot(snapshot=snapshot)


async def test_googles_threaded_clients_run_unchanged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """PublisherClient with its batches and futures, SubscriberClient with its streaming pull and leases."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", world.address)
    topic = await world.topic()
    name = await world.subscribe(topic)
    got: queue.Queue[str] = queue.Queue()

    def take(message: Any) -> None:
        got.put(message.data.decode())
        message.ack()

    def run() -> list[str]:
        with pubsub_v1.PublisherClient() as publisher, pubsub_v1.SubscriberClient() as subscriber:
            pulling = subscriber.subscribe(name, callback=take)
            for future in [publisher.publish(topic, f"m{n}".encode()) for n in range(200)]:
                future.result(10)
            messages = [got.get(timeout=10) for _ in range(200)]
            pulling.cancel()
            pulling.result(10)
        return messages

    assert sorted(await asyncio.to_thread(run)) == sorted(f"m{n}" for n in range(200))
    assert await data(world, name, 1, within=0.5) == []
