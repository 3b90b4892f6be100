"""Other teams' subscriptions: each its own, with no right but on that, and never mistaken for somebody who reads along."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.provisioning.changes import Act
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.rights import Binding, Kind, bindings
from handlers.provisioning.wanted import names
from tests.provisioning.cloud import cloud
from tests.tenant import settings

TOPIC = "fhir.deidentified.clinic"
RESEARCH, QUALITY = f"{TOPIC}--team-research", f"{TOPIC}--team-quality"
READER, PUSHED = "reader@research.iam.gserviceaccount.com", "quality@starvit.iam.gserviceaccount.com"
ENDPOINT = "https://quality.clinic.example/rows"
TEAMS: dict[str, Any] = {
    "research": {"project": "clinic", "account": READER},
    "quality": {"project": "clinic", "account": PUSHED, "kind": "push", "endpoint": ENDPOINT},
}


def deployment(**teams: Any) -> Deployment:
    return Deployment.model_validate({"project_number": "415104041262", "region": "europe-west3", "teams": teams})


def test_the_teams_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARVIT_TEAMS", json.dumps(TEAMS))
    assert Deployment().teams == deployment(**TEAMS).teams


def test_a_team_has_a_right_on_its_own_subscription_and_on_nothing_else() -> None:
    more = set(bindings(settings(), deployment(**TEAMS))) - set(bindings(settings(), deployment()))
    agent = "serviceAccount:service-415104041262@gcp-sa-pubsub.iam.gserviceaccount.com"
    assert more == {
        Binding(Kind.SUBSCRIPTION, RESEARCH, "roles/pubsub.subscriber", f"serviceAccount:{READER}"),
        Binding(Kind.ACCOUNT, PUSHED, "roles/iam.serviceAccountTokenCreator", agent),
    }


def test_a_tenant_that_sends_nothing_out_has_no_topic_and_a_team_of_it_is_refused() -> None:
    closed = settings()
    [tenant] = closed.tenants
    closed = closed.model_copy(update={"tenants": (tenant.model_copy(update={"outgoing": False}),)})
    assert TOPIC in names(settings())
    assert TOPIC not in names(closed)
    assert deployment(**TEAMS).refusal(settings()) == ""
    assert "quality, research" in deployment(**TEAMS).refusal(closed)
    assert "lost" in deployment(lost={"project": "elsewhere", "account": READER}).refusal(settings())


@pytest.mark.parametrize(
    "team",
    [
        {"project": "clinic", "account": READER, "kind": "push"},
        {"project": "clinic", "account": READER, "endpoint": ENDPOINT},
        {"project": "clinic", "account": READER, "kind": "push", "endpoint": "http://quality.clinic.example"},
        {"project": "clinic", "account": "nobody"},
    ],
)
def test_a_push_needs_an_endpoint_by_https_and_a_pull_none(team: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        deployment(one=team)


async def test_teams_are_provisioned_and_one_that_left_is_shown_as_reading_along() -> None:
    async with cloud() as project:
        project.google.accounts[PUSHED] = {"email": PUSHED}  # the team's own: nobody here makes it
        project.deployment = project.deployment.model_copy(update={"teams": deployment(**TEAMS).teams})
        await project.provision()
        assert await project.provision() == []
        pull = await project.subscriber.get_subscription(subscription=project.subscription(RESEARCH))
        push = await project.subscriber.get_subscription(subscription=project.subscription(QUALITY))
        assert (pull.topic, pull.push_config.push_endpoint) == (project.topic(TOPIC), "")
        assert (push.push_config.push_endpoint, push.push_config.oidc_token.audience) == (ENDPOINT, ENDPOINT)
        assert push.push_config.oidc_token.service_account_email == PUSHED
        assert not pull.dead_letter_policy.dead_letter_topic
        project.deployment = project.deployment.model_copy(update={"teams": {}})
        left = {(one.name, one.act) for one in await project.provision()}
        assert left == {(RESEARCH, Act.EXTRA), (QUALITY, Act.EXTRA)}
