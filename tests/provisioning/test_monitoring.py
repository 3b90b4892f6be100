"""Alerts are where the night shift looks for them: made, kept, mended where they drifted, and nothing taken away unasked."""

from collections.abc import AsyncIterator
from copy import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.alerts import alerts
from handlers.provisioning.changes import Act
from handlers.provisioning.deployment import Deployment
from shared.telemetry.metrics import METRICS
from tests.provisioning.cloud import Cloud, cloud

ALERTS = alerts(Path(__file__).resolve().parents[2])
CHANNELS = {
    "critical": ("projects/starvit/notificationChannels/1", "projects/starvit/notificationChannels/2"),
    "warning": ("projects/starvit/notificationChannels/2",),
}


@pytest.fixture
async def made() -> AsyncIterator[Cloud]:
    """A project with its alerts."""
    async with cloud() as project:
        await project.provision("monitoring")
        yield project


def policy(project: Cloud, alert: str) -> dict[str, Any]:
    [found] = [p for p in project.google.monitoring.policies.values() if p["displayName"] == f"starvit {alert}"]
    return found


def telling(project: Cloud) -> None:
    project.deployment = project.deployment.model_copy(update={"alert_channels": CHANNELS})


async def test_every_alert_and_every_metric_is_made_once_and_kept() -> None:
    async with cloud() as project:
        before = await project.provision("monitoring", apply=False)
        assert {change.act for change in before} == {Act.CREATE}
        assert project.google.writes == 0
        await project.provision("monitoring")
        google = project.google.monitoring
        assert {one["displayName"] for one in google.policies.values()} == {f"starvit {one.name}" for one in ALERTS}
        assert set(google.metrics) == {f"starvit_{metric.name}" for metric in METRICS}
        assert not any(one.get("notificationChannels") for one in google.policies.values())
        writes = project.google.writes
        assert await project.provision("monitoring") == []
        assert project.google.writes == writes


async def test_whom_an_alert_tells_depends_on_how_bad_it_is(made: Cloud) -> None:
    made.google.monitoring.channels = {name for names in CHANNELS.values() for name in names}
    telling(made)
    changes = await made.provision("monitoring")
    assert {tuple(change.fields) for change in changes} == {("channels",)}
    assert len(changes) == len(ALERTS)
    for alert in ALERTS:
        assert policy(made, alert.name)["notificationChannels"] == list(CHANNELS[alert.severity])
    assert await made.provision("monitoring") == []


async def test_a_channel_that_is_not_there_is_refused_and_the_policy_stays_as_it_was(made: Cloud) -> None:
    telling(made)
    assert {change.act for change in await made.provision("monitoring")} == {Act.REFUSED}
    assert "notificationChannels" not in policy(made, "ledger-down")


async def test_channels_that_somebody_gave_stay_where_none_are_set(made: Cloud) -> None:
    policy(made, "ledger-down")["notificationChannels"] = ["projects/starvit/notificationChannels/9"]
    assert await made.provision("monitoring") == []


DRIFTS: dict[str, dict[str, Any]] = {
    "enabled": {"enabled": False},
    "severity": {"userLabels": {"severity": "low", "owner": "night"}},
    "documentation": {"documentation": {"content": "ask Ann"}},
    "combiner": {"combiner": "AND"},
}


@pytest.mark.parametrize("fact", DRIFTS)
async def test_a_policy_that_drifted_is_seen_and_mended(made: Cloud, fact: str) -> None:
    found = policy(made, "gate-shut")
    condition = found["conditions"][0]["name"]
    found |= DRIFTS[fact]
    [seen] = await made.provision("monitoring", apply=False)
    assert (seen.name, seen.act, list(seen.fields)) == ("starvit gate-shut", Act.CHANGE, [fact])
    assert await made.provision("monitoring") == [replace(seen, done=True)]
    assert await made.provision("monitoring") == []
    assert policy(made, "gate-shut")["conditions"][0]["name"] == condition, "an open incident stays open"
    assert policy(made, "gate-shut")["userLabels"].get("owner") == ("night" if fact == "severity" else None)


async def test_a_threshold_that_was_moved_by_hand_is_moved_back_in_the_same_condition(made: Cloud) -> None:
    [condition] = policy(made, "audit-lag")["conditions"]
    right = condition["conditionPrometheusQueryLanguage"]["query"]
    condition["conditionPrometheusQueryLanguage"]["query"] = right.replace("900", "90000")
    [seen] = await made.provision("monitoring")
    assert seen.fields["query"][1] == right
    [after] = policy(made, "audit-lag")["conditions"]
    assert (after["name"], after["conditionPrometheusQueryLanguage"]["query"]) == (condition["name"], right)


async def test_a_metric_that_was_changed_or_lost_is_mended(made: Cloud) -> None:
    google = made.google.monitoring
    google.metrics["starvit_messages"]["filter"] = "severity=ERROR"
    del google.metrics["starvit_webhooks"]
    assert {(change.name, change.act) for change in await made.provision("monitoring")} == {
        ("starvit_messages", Act.CHANGE),
        ("starvit_webhooks", Act.CREATE),
    }
    assert await made.provision("monitoring") == []


async def test_a_policy_or_a_metric_that_nobody_wants_is_shown_and_stays_until_named(made: Cloud) -> None:
    google, ours = made.google.monitoring, policy(made, "gate-shut")
    for id, name in (("901", "starvit old-alert"), ("902", "starvit gate-shut"), ("903", "pager of another team")):
        google.policies[id] = ours | {"name": f"projects/starvit/alertPolicies/{id}", "displayName": name}
    for name in ("starvit_old", "theirs"):
        google.metrics[name] = google.metrics["starvit_messages"] | {"name": name}
    seen = await made.provision("monitoring")
    assert {(change.kind, change.name, change.act) for change in seen} == {
        ("alert", "901", Act.EXTRA),
        ("alert", "902", Act.EXTRA),
        ("metric", "starvit_old", Act.EXTRA),
    }
    await made.provision("monitoring", delete=("902", "starvit_old", "starvit gate-shut", "903"))
    assert {"901", "903"} <= set(google.policies)
    assert "902" not in google.policies
    assert {"theirs", "starvit_messages"} <= set(google.metrics)
    assert "starvit_old" not in google.metrics


async def test_google_would_refuse_a_policy_whose_metric_has_no_data_yet(made: Cloud) -> None:
    """So each of ours says that this is not to be looked at: the stand-in refuses it otherwise."""
    query = policy(made, "webhooks-silent")["conditions"][0]["conditionPrometheusQueryLanguage"]
    assert query["disableMetricValidation"] is True
    assert made.google.monitoring.known == set()


@pytest.mark.parametrize("wrong", [{"info": ()}, {"critical": ("ops@clinic.example",)}, {"warning": ("1",)}])
def test_a_channel_is_named_as_google_names_it(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Deployment(alert_channels=wrong)
