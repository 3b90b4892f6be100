"""Topics and subscriptions come from the catalog, are made once, and nothing that is there is touched."""

from handlers import catalog
from handlers.provisioning import HOLD_DAYS, INDEX, Retry, aside, hold, index, provision, requests
from shared.local.pubsub import PubSub
from shared.settings import Zone
from shared.sinks.channels import publisher_client, subscriber_client
from tests.tenant import settings

SETTINGS = settings()


def url(zone: Zone) -> str:
    return f"https://{zone}.example"


async def test_what_is_missing_is_made_and_a_second_run_makes_nothing() -> None:
    pubsub = PubSub()
    address = await pubsub.start()
    try:
        async with publisher_client(address) as publisher, subscriber_client(address) as subscriber:
            made = await provision(SETTINGS, publisher, subscriber, url=url)
            again = await provision(SETTINGS, publisher, subscriber, url=url)
            there = [
                topic.name.split("/")[-1] async for topic in await publisher.list_topics(project="projects/starvit")
            ]
    finally:
        await pubsub.stop()
    assert again == []
    assert sorted(there) == sorted((*catalog.topics(), "fhir.deidentified.clinic"))
    assert set(made) >= {on.name for on in catalog.subscriptions()} | {hold(topic) for topic in aside()}


def test_every_subscription_is_pushed_with_a_token_of_its_own_to_its_zone() -> None:
    pushed = {request["name"].split("/")[-1]: request for request in requests(SETTINGS, url=url, retry=Retry())}
    for on in catalog.subscriptions():
        push = pushed[on.name]["push_config"]
        assert push["push_endpoint"] == f"https://{on.zone}.example/v1/push/{on.handler}"
        assert push["oidc_token"]["audience"] == push["push_endpoint"]
        assert push["oidc_token"]["service_account_email"] == SETTINGS.account(on.handler)
        assert push["no_wrapper"] == {"write_metadata": True}
        dead = pushed[on.name]["dead_letter_policy"]
        assert dead["max_delivery_attempts"] == 100
        assert dead["dead_letter_topic"].endswith(on.dead_letter)
        assert pushed[on.name]["ack_deadline_seconds"] > SETTINGS.deadline


def test_no_dead_letter_is_lost_for_want_of_a_subscription() -> None:
    made = {request["name"].split("/")[-1]: request for request in requests(SETTINGS, url=url, retry=Retry())}
    for topic in aside():
        held = made[hold(topic)]
        assert "push_config" not in held
        assert held["topic"].endswith(f"/{topic}")
        assert held["message_retention_duration"] == {"seconds": HOLD_DAYS * 86400}
        assert held["expiration_policy"] == {}


def test_what_went_wrong_is_told_to_the_ops_zone_wrapped_and_nothing_buries_it_again() -> None:
    made = {request["name"].split("/")[-1]: request for request in requests(SETTINGS, url=url, retry=Retry())}
    for topic in aside():
        told = made[index(topic)]
        push = told["push_config"]
        assert push["push_endpoint"] == push["oidc_token"]["audience"] == "https://ops.example/v1/push/index"
        assert push["oidc_token"]["service_account_email"] == SETTINGS.account(INDEX)
        assert "no_wrapper" not in push
        assert "dead_letter_policy" not in told
        assert told["expiration_policy"] == {}


def test_an_outage_of_an_hour_does_not_reach_the_last_attempt() -> None:
    retry, attempts, waited, wait = Retry(), 0, 0.0, Retry().least
    while waited < 3600:
        attempts, waited, wait = attempts + 1, waited + wait, min(wait * 2, retry.most)
    assert attempts < min(on.max_attempts for on in catalog.subscriptions())
