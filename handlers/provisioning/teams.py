"""Other teams' subscriptions of what a tenant sends out: each its own, made and kept like the service's.

    fhir.deidentified.<tenant> ─► fhir.deidentified.<tenant>--team-<name> ─► pull by the team's account
                                                                         └► push, with that account's token

A team reads its own subscription and no topic, so it sees neither another tenant's rows nor what was sent before it came.
There is no dead letter: what a team can not take waits for it, a week at most, and is nobody's business but its own.
"""

from collections.abc import Iterator
from typing import Any

from handlers import catalog
from handlers.provisioning.deployment import Deployment, Team
from handlers.provisioning.wanted import KEPT, LABELS, Retry, duration
from shared.settings import Settings


def subscription(name: str, topic: str) -> str:
    """The short name of a team's subscription."""
    return f"{topic}--team-{name}"


def each(settings: Settings, deployment: Deployment) -> Iterator[tuple[str, Team, str]]:
    """Each team: its subscription, itself, and the topic. One of a tenant that sends nothing out has none."""
    topics = {tenant: topic for (tenant, _), topic in catalog.outgoing(settings.tenants).items()}
    for name, team in deployment.teams.items():
        if topic := topics.get(team.project):
            yield subscription(name, topic), team, topic


def requests(settings: Settings, deployment: Deployment, retry: Retry) -> Iterator[dict[str, Any]]:
    """Every team's subscription, as google.pubsub.v1.Subscription."""
    project = f"projects/{settings.gcp_project}"
    for name, team, topic in each(settings, deployment):
        made: dict[str, Any] = {
            "name": f"{project}/subscriptions/{name}",
            "topic": f"{project}/topics/{topic}",
            "labels": LABELS,
            "ack_deadline_seconds": settings.ack_deadline,
            "message_retention_duration": {"seconds": KEPT},
            "retry_policy": {"minimum_backoff": duration(retry.least), "maximum_backoff": duration(retry.most)},
            "expiration_policy": {},
        }
        if team.endpoint:
            token = {"service_account_email": team.account, "audience": team.endpoint}
            made["push_config"] = {"push_endpoint": team.endpoint, "oidc_token": token}
        yield made
