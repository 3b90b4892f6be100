"""What production promises about topics and subscriptions themselves: names, bounds, defaults, and what may change."""

from collections.abc import Mapping
from typing import Any

import pytest
from google.api_core.exceptions import AlreadyExists, InvalidArgument, NotFound, OutOfRange

from tests.contracts.pubsub.world import World

REFUSED = (InvalidArgument, OutOfRange)  # production and the emulator differ in which of the two it is


async def test_a_topic_is_there_once_it_was_created_and_not_after_it_was_deleted(world: World) -> None:
    topic = await world.topic()
    assert (await world.publisher.get_topic(topic=topic)).name == topic
    with pytest.raises(AlreadyExists):
        await world.topic()
    name = await world.subscribe(topic)
    await world.publisher.delete_topic(topic=topic)
    with pytest.raises(NotFound):
        await world.publisher.get_topic(topic=topic)
    with pytest.raises(NotFound):
        await world.publish(topic, "x")
    assert (await world.subscriber.get_subscription(subscription=name)).topic == "_deleted-topic_"


async def test_a_subscription_outlives_its_topic_with_what_it_holds(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic)
    await world.publish(topic, "x")
    await world.publisher.delete_topic(topic=topic)
    [received] = await world.pull(name)
    assert received.message.data == b"x"


async def test_a_deleted_subscription_gets_no_more(world: World) -> None:
    topic = await world.topic()
    name = await world.push(topic)
    await world.subscriber.delete_subscription(subscription=name)
    await world.publish(topic, "x")
    assert await world.endpoint.quiet() == []
    with pytest.raises(NotFound):
        await world.subscriber.get_subscription(subscription=name)


async def test_defaults_are_filled_in(world: World) -> None:
    name = await world.subscribe(await world.topic())
    config = await world.subscriber.get_subscription(subscription=name)
    assert config.ack_deadline_seconds == 10
    assert config.message_retention_duration.total_seconds() == 7 * 86400


@pytest.mark.parametrize(
    "config",
    [
        {"dead_letter_policy": {"dead_letter_topic": "{topic}", "max_delivery_attempts": 4}},
        {"dead_letter_policy": {"dead_letter_topic": "{topic}", "max_delivery_attempts": 101}},
        {"retry_policy": {"minimum_backoff": {"seconds": 1}, "maximum_backoff": {"seconds": 601}}},
        {"retry_policy": {"minimum_backoff": {"seconds": 20}, "maximum_backoff": {"seconds": 10}}},
        {"push_config": {"push_endpoint": "nowhere"}},
    ],
)
async def test_a_subscription_outside_of_its_bounds_is_refused(world: World, config: dict[str, Any]) -> None:
    topic = await world.topic()
    policy = config.get("dead_letter_policy")
    if isinstance(policy, Mapping):
        config = {"dead_letter_policy": {**policy, "dead_letter_topic": topic}}
    with pytest.raises(REFUSED):
        await world.subscribe(topic, **config)


async def test_an_ack_deadline_has_ten_seconds_to_ten_minutes(world: World) -> None:
    topic = await world.topic()
    for seconds in (601, 9):
        with pytest.raises(REFUSED):
            await world.subscribe(topic, ack_deadline_seconds=seconds)


async def test_a_subscription_needs_its_topic_and_its_dead_letter_topic(world: World) -> None:
    missing = f"projects/{world.project}/topics/missing"
    with pytest.raises(NotFound):
        await world.subscribe(missing)
    policy = {"dead_letter_topic": missing, "max_delivery_attempts": 5}
    topic = await world.topic()
    with pytest.raises(NotFound):
        await world.subscribe(topic, dead_letter_policy=policy)


@pytest.mark.parametrize("name", ["x", "9lives", "goog-like", "with space"])
async def test_a_name_has_rules(world: World, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await world.topic(name)


async def test_a_subscription_can_be_changed_but_for_filter_and_ordering(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic)
    changed = await world.subscriber.update_subscription(
        subscription={"name": name, "ack_deadline_seconds": 60}, update_mask={"paths": ["ack_deadline_seconds"]}
    )
    assert changed.ack_deadline_seconds == 60
    for frozen in ({"filter": "attributes:x"}, {"enable_message_ordering": True}):
        with pytest.raises(InvalidArgument):
            await world.subscriber.update_subscription(
                subscription={"name": name, **frozen}, update_mask={"paths": list(frozen)}
            )


async def test_an_endpoint_that_was_changed_gets_what_waited_for_the_old_one(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic, push_config={"push_endpoint": "http://127.0.0.1:9/nobody"})
    await world.publish(topic, "x")
    await world.subscriber.update_subscription(
        subscription={"name": name, "push_config": {"push_endpoint": f"{world.endpoint.url}/new"}},
        update_mask={"paths": ["push_config"]},
    )
    [push] = await world.endpoint.until(1)
    assert (push.path, push.data) == ("/new", "x")


async def test_listings_come_in_pages(world: World) -> None:
    names = [await world.topic(f"topic-{n}") for n in range(5)]
    pager = await world.publisher.list_topics(request={"project": f"projects/{world.project}", "page_size": 2})
    assert sorted([topic.name async for topic in pager]) == names
    subscriptions = [await world.subscribe(names[0], f"sub-{n}") for n in range(3)]
    found = await world.subscriber.list_subscriptions(project=f"projects/{world.project}")
    assert sorted([subscription.name async for subscription in found]) == subscriptions
    of_topic = await world.publisher.list_topic_subscriptions(topic=names[0])
    assert sorted([name async for name in of_topic]) == subscriptions


async def test_a_request_has_a_thousand_messages_at_most(world: World) -> None:
    topic = await world.topic()
    assert len(await world.publish(topic, *["x"] * 1000)) == 1000
    with pytest.raises(InvalidArgument):
        await world.publish(topic, *["x"] * 1001)


async def test_a_request_has_ten_megabytes_at_most(world: World) -> None:
    topic = await world.topic()
    assert await world.publish(topic, b"x" * 9_900_000)
    with pytest.raises(InvalidArgument):
        await world.publish(topic, b"x" * 10_500_000)


async def test_a_message_is_not_empty(world: World) -> None:
    topic = await world.topic()
    with pytest.raises(InvalidArgument):
        await world.publish(topic, b"")


@pytest.mark.parametrize(
    "attributes", [{"name": "v" * 1025}, {"n" * 257: "v"}, {"googclient": "v"}, {f"n{i}": "v" for i in range(101)}]
)
async def test_attributes_have_bounds(world: World, attributes: dict[str, str]) -> None:
    topic = await world.topic()
    with pytest.raises(InvalidArgument):
        await world.publish(topic, "x", **attributes)
