"""What production promises about the policy of a topic or subscription: its etag guards it, and it goes with its owner."""

from typing import Any

import pytest
from google.api_core.exceptions import Aborted, InvalidArgument, MethodNotImplemented, NotFound
from google.iam.v1.policy_pb2 import Policy

from tests.contracts.pubsub.world import World

SOMEBODY, OTHER = "user:somebody@example.com", "group:others@example.com"


async def policy_of(world: World, resource: str) -> Any:
    """The policy; the test ends here where there are none (Google's emulator)."""
    try:
        return await world.publisher.get_iam_policy(request={"resource": resource})
    except MethodNotImplemented:
        pytest.skip("the emulator has no IAM: provision says so and goes on")


async def test_a_policy_is_empty_until_it_is_written_and_then_as_written(world: World) -> None:
    topic = await world.topic()
    policy = await policy_of(world, topic)
    assert not policy.bindings
    policy.bindings.add(role="roles/pubsub.publisher", members=[SOMEBODY])
    await world.publisher.set_iam_policy(request={"resource": topic, "policy": policy})
    found = await policy_of(world, topic)
    assert [(one.role, list(one.members)) for one in found.bindings] == [("roles/pubsub.publisher", [SOMEBODY])]
    assert found.etag != policy.etag


async def test_a_policy_that_somebody_changed_meanwhile_is_not_overwritten(world: World) -> None:
    topic = await world.topic()
    mine, theirs = await policy_of(world, topic), await policy_of(world, topic)
    theirs.bindings.add(role="roles/pubsub.publisher", members=[OTHER])
    await world.publisher.set_iam_policy(request={"resource": topic, "policy": theirs})
    mine.bindings.add(role="roles/pubsub.publisher", members=[SOMEBODY])
    with pytest.raises(Aborted):
        await world.publisher.set_iam_policy(request={"resource": topic, "policy": mine})


async def test_a_policy_goes_with_what_it_belongs_to(world: World) -> None:
    topic = await world.topic()
    name = await world.subscribe(topic)
    policy = await policy_of(world, name)
    policy.bindings.add(role="roles/pubsub.subscriber", members=[SOMEBODY])
    await world.publisher.set_iam_policy(request={"resource": name, "policy": policy})
    await world.subscriber.delete_subscription(subscription=name)
    with pytest.raises(NotFound):
        await world.publisher.get_iam_policy(request={"resource": name})
    await world.subscriber.create_subscription(request={"name": name, "topic": topic})
    assert not (await policy_of(world, name)).bindings


async def test_a_condition_needs_version_3_and_a_member_its_kind(world: World) -> None:
    topic = await world.topic()
    etag = (await policy_of(world, topic)).etag
    conditional = Policy(version=1, etag=etag)
    conditional.bindings.add(role="roles/viewer", members=[SOMEBODY]).condition.expression = "true"
    unknown = Policy(version=1, etag=etag)
    unknown.bindings.add(role="roles/viewer", members=["somebody@example.com"])
    for refused in (conditional, unknown):
        with pytest.raises(InvalidArgument):
            await world.publisher.set_iam_policy(request={"resource": topic, "policy": refused})
