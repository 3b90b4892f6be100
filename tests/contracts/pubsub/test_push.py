"""What production promises about a push: its form, its token, who acknowledges it, and when it comes again."""

import asyncio
from itertools import pairwise
from urllib.parse import urlsplit

import jwt

from tests.contracts.pubsub.endpoint import Push
from tests.contracts.pubsub.world import World

ACCOUNT = "push-deid@starvit.iam.gserviceaccount.com"
UNWRAPPED = {"write_metadata": True}


async def no(_: Push) -> int:
    return 503


async def test_a_wrapped_push_has_every_field_of_production(world: World) -> None:
    topic = await world.topic()
    name = await world.push(topic, path="/push/deid?x=1", enable_message_ordering=True)
    [message_id] = await world.publish(topic, '{"id": "p1"}', key="k1", kind="Patient")
    [push] = await world.endpoint.until(1)
    assert push.path == "/push/deid?x=1"
    assert push.headers["content-type"] == "application/json"
    assert push.headers["host"] == urlsplit(world.endpoint.url).netloc
    assert push.data == '{"id": "p1"}'
    assert push.envelope["subscription"] == name
    message = push.envelope["message"]
    assert message["attributes"] == {"kind": "Patient"}
    assert message["messageId"] == message["message_id"] == message_id
    assert message["publishTime"] == message["publish_time"]
    assert message["orderingKey"] == "k1"
    assert "deliveryAttempt" not in push.envelope


async def test_a_message_may_have_attributes_and_no_data(world: World) -> None:
    topic = await world.topic()
    await world.push(topic)
    await world.publish(topic, b"", kind="Zürich")
    [push] = await world.endpoint.until(1)
    assert push.data == ""
    assert push.envelope["message"]["attributes"] == {"kind": "Zürich"}


async def test_an_unwrapped_push_without_metadata_is_the_bare_data(world: World) -> None:
    topic = await world.topic()
    await world.push(topic, no_wrapper={"write_metadata": False})
    await world.publish(topic, '{"id": "p1"}', kind="Patient")
    [push] = await world.endpoint.until(1)
    assert push.body == b'{"id": "p1"}'
    assert not [name for name in push.headers if name.startswith("x-goog") or name == "kind"]


async def test_the_metadata_of_an_unwrapped_push_are_headers_and_so_are_attributes(world: World) -> None:
    topic = await world.topic()
    name = await world.push(topic, no_wrapper=UNWRAPPED)
    attributes = {"ce-id": "a1", "ce-specversion": "1.0", "Content-Type": "application/json"}
    [message_id] = await world.publish(topic, '{"id": "p1"}', **attributes)
    [push] = await world.endpoint.until(1)
    assert push.body == b'{"id": "p1"}'
    assert {k: v for k, v in push.headers.items() if k.startswith("ce-")} == {"ce-id": "a1", "ce-specversion": "1.0"}
    assert push.headers["content-type"] == "application/json"
    assert push.headers["x-goog-pubsub-subscription-name"] == name
    assert push.headers["x-goog-pubsub-message-id"] == message_id
    assert push.headers["x-goog-pubsub-publish-time"].endswith("Z")


async def test_the_ordering_key_of_an_unwrapped_push_is_a_header(world: World) -> None:
    topic = await world.topic()
    await world.push(topic, no_wrapper=UNWRAPPED, enable_message_ordering=True)
    await world.publish(topic, "x", key="k1")
    [push] = await world.endpoint.until(1)
    assert push.headers["x-goog-pubsub-ordering-key"] == "k1"


async def test_an_unwrapped_push_keeps_bytes_that_are_no_text(world: World) -> None:
    topic = await world.topic()
    await world.push(topic, no_wrapper=UNWRAPPED)
    await world.publish(topic, bytes(range(0x78, 0x8C)))
    [push] = await world.endpoint.until(1)
    assert push.body == bytes(range(0x78, 0x8C))


async def test_a_push_says_that_google_sends_it(world: World) -> None:
    topic = await world.topic()
    await world.push(topic)
    await world.publish(topic, "x")
    [push] = await world.endpoint.until(1)
    assert push.headers["user-agent"].startswith("APIs-Google")


async def test_a_push_carries_a_token_of_its_service_account(world: World) -> None:
    topic = await world.topic()
    await world.push(topic, oidc_token={"service_account_email": ACCOUNT, "audience": "https://starvit.example"})
    await world.publish(topic, "a", "b")
    pushes = await world.endpoint.until(2)
    tokens = {push.headers["authorization"].removeprefix("Bearer ") for push in pushes}
    assert len(tokens) == 1, "one token serves many pushes: it is no nonce"
    [token] = tokens
    key = jwt.PyJWKSet.from_dict(world.keys)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="https://starvit.example")
    assert set(claims) == {"aud", "azp", "email", "email_verified", "exp", "iat", "iss", "sub"}
    assert (claims["email"], claims["email_verified"]) == (ACCOUNT, True)
    assert claims["iss"] == "https://accounts.google.com"
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["sub"] == claims["azp"]


async def test_the_audience_of_a_token_is_the_endpoint_unless_one_is_set(world: World) -> None:
    topic = await world.topic()
    await world.push(topic, path="/push/deid", oidc_token={"service_account_email": ACCOUNT})
    await world.publish(topic, "a")
    [push] = await world.endpoint.until(1)
    token = push.headers["authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == f"{world.endpoint.url}/push/deid"


async def test_five_status_codes_acknowledge_and_no_others(world: World) -> None:
    """Each code has a subscription and a path of its own; what comes twice was not acknowledged."""
    codes = (102, 200, 201, 202, 203, 204, 205, 301, 400, 401, 404, 409, 429, 500, 503)

    async def answer(push: Push) -> int:
        return int(push.path.strip("/"))

    world.endpoint.answer = answer
    topic = await world.topic()
    for code in codes:
        await world.push(topic, f"code-{code}", path=f"/{code}")
    await world.publish(topic, "x")
    await world.endpoint.until(len(codes) * 2 - 5)
    pushes = [int(push.path.strip("/")) for push in await world.endpoint.quiet(0.2)]
    assert {code for code in codes if pushes.count(code) == 1} == {102, 200, 201, 202, 204}


async def test_a_refused_push_comes_again_after_its_backoff(world: World) -> None:
    world.endpoint.answer = no
    topic = await world.topic()
    policy = {"minimum_backoff": {"nanos": 200_000_000}, "maximum_backoff": {"nanos": 500_000_000}}
    await world.push(topic, retry_policy=policy)
    await world.publish(topic, "x")
    pushes = await world.endpoint.until(5, within=4)
    gaps = [later.at - earlier.at for earlier, later in pairwise(pushes[:5])]
    late = [gap - backoff for gap, backoff in zip(gaps, [0.2, 0.4, 0.5, 0.5], strict=True)]
    assert min(late) > -0.01
    assert max(late) < 0.3
    assert len({push.envelope["message"]["messageId"] for push in pushes}) == 1


async def test_a_push_that_nobody_answers_comes_again_at_the_ack_deadline(world: World) -> None:
    waiting = asyncio.Event()

    async def hang(_: Push) -> int:
        await waiting.wait()
        return 204

    world.endpoint.answer = hang
    topic = await world.topic()
    await world.push(topic, ack_deadline_seconds=10)
    await world.publish(topic, "x")
    first, second = await world.endpoint.until(2, within=13)
    assert 9.9 < second.at - first.at < 12


async def test_a_redirect_is_a_refusal_and_is_not_followed(world: World) -> None:
    async def redirect(_: Push) -> int:
        return 302

    world.endpoint.answer = redirect
    topic = await world.topic()
    await world.push(topic)
    await world.publish(topic, "x")
    assert {push.path for push in await world.endpoint.until(2)} == {"/"}


async def test_messages_of_a_key_arrive_in_the_order_of_publishing(world: World) -> None:
    topic = await world.topic()
    await world.push(topic, enable_message_ordering=True)
    for n in range(10):
        await asyncio.gather(*(world.publish(topic, f"{key}{n}", key=key) for key in "abc"))
    pushes = await world.endpoint.until(30)
    for key in "abc":
        assert [p.data for p in pushes if p.data[0] == key] == [f"{key}{n}" for n in range(10)]


async def test_a_failing_head_holds_up_its_own_key_only(world: World) -> None:
    failures = iter([503])

    async def first_of_a_fails(push: Push) -> int:
        return next(failures, 204) if push.data == "a0" else 204

    world.endpoint.answer = first_of_a_fails
    topic = await world.topic()
    await world.push(topic, enable_message_ordering=True)
    await world.publish(topic, "a0", "a1", key="a")
    await world.publish(topic, "b0", "b1", key="b")
    data = [push.data for push in await world.endpoint.until(5)]
    assert [d for d in data if d[0] == "a"] == ["a0", "a0", "a1"]
    assert data.index("b1") < data.index("a1")


async def test_a_message_that_always_fails_is_dead_lettered(world: World) -> None:
    world.endpoint.answer = no
    topic, dead = await world.topic(), await world.topic("dead")
    await world.push(topic, dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 5})
    hold = await world.subscribe(dead, "hold")
    [message_id] = await world.publish(topic, "poison", kind="Patient")
    [received] = await world.pull(hold, within=10)
    assert received.message.data == b"poison"
    assert received.message.message_id != message_id
    attributes = dict(received.message.attributes)
    assert attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime").endswith("Z")
    assert attributes == {
        "kind": "Patient",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": "handler",
        "CloudPubSubDeadLetterSourceSubscriptionProject": world.project,
    }
    assert len(await world.endpoint.quiet()) == 5


async def test_a_push_with_a_dead_letter_says_which_attempt_it_is(world: World) -> None:
    world.endpoint.answer = no
    topic, dead = await world.topic(), await world.topic("dead")
    await world.push(topic, dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 5})
    await world.publish(topic, "poison")
    pushes = await world.endpoint.until(3)
    assert [push.envelope["deliveryAttempt"] for push in pushes[:3]] == [1, 2, 3]


async def test_many_pushes_are_under_way_at_once(world: World) -> None:
    under_way, most = 0, 0

    async def slow(_: Push) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.1)
        under_way -= 1
        return 204

    world.endpoint.answer = slow
    topic = await world.topic()
    await world.push(topic)
    await world.publish(topic, *(f"m{n}" for n in range(60)))
    await world.endpoint.until(60)
    assert most > 10


async def test_a_subscription_can_turn_from_push_to_pull_and_back(world: World) -> None:
    topic = await world.topic()
    name = await world.push(topic)
    await world.subscriber.modify_push_config(subscription=name, push_config={})
    await world.publish(topic, "pulled")
    [received] = await world.pull(name)
    assert received.message.data == b"pulled"
    await world.subscriber.acknowledge(subscription=name, ack_ids=[received.ack_id])
    await world.subscriber.modify_push_config(subscription=name, push_config={"push_endpoint": world.endpoint.url})
    await world.publish(topic, "pushed")
    [push] = await world.endpoint.until(1)
    assert push.data == "pushed"
