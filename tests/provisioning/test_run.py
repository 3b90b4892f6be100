"""`./dev provision` on a whole project: made once, kept, mended where it drifted, and nothing taken away unasked."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from handlers import catalog
from handlers.provisioning import hold
from handlers.provisioning.changes import Act, Change
from handlers.provisioning.scheduler import JOB
from shared.sinks.bigquery import schema
from tests.provisioning.cloud import ANALYSTS, Cloud, cloud

VALIDATION = "fhir.changed--validation"


@pytest.fixture
async def made() -> AsyncIterator[Cloud]:
    """A project that was provisioned."""
    async with cloud() as project:
        await project.provision()
        yield project


def told(changes: list[Change]) -> list[tuple[str, str, Act]]:
    return [(change.kind, change.name, change.act) for change in changes]


async def test_an_empty_project_is_made_whole_and_a_second_run_has_nothing_to_do() -> None:
    async with cloud() as project:
        before = await project.provision(apply=False)
        assert {change.act for change in before} == {Act.CREATE}
        assert not project.google.accounts
        assert project.google.writes == project.firestore.writes == 0
        made = await project.provision()
        assert {(change.act, change.done) for change in made} == {(Act.CREATE, True)}
        assert told(made) == told(before)
        writes = project.google.writes, project.firestore.writes
        assert await project.provision() == []
        assert await project.provision() == []
        assert (project.google.writes, project.firestore.writes) == writes


async def test_every_part_of_a_deployment_is_wanted(made: Cloud) -> None:
    seen = {(change.kind, change.name) for change in made.seen}
    assert {name for kind, name in seen if kind == "topic"} == {*catalog.topics(), "fhir.deidentified.clinic"}
    assert {f"clinic.{name}" for name in (*schema.TABLES, *schema.VIEWS)} <= {name for _, name in seen}
    assert ("field", "clinical/ledger.expires") in seen
    assert ("job", JOB) in seen
    assert {"starvit-ingress@starvit.iam.gserviceaccount.com", "push-deid@starvit.iam.gserviceaccount.com"} <= set(
        made.google.accounts
    )


DRIFTS: dict[str, dict[str, Any]] = {
    "ack_deadline_seconds": {"ack_deadline_seconds": 600},
    "retry_policy.minimum_backoff": {
        "retry_policy": {"minimum_backoff": {"seconds": 1}, "maximum_backoff": {"seconds": 600}}
    },
    "dead_letter_policy.max_delivery_attempts": {
        "dead_letter_policy": {
            "dead_letter_topic": f"projects/starvit/topics/{VALIDATION}.dead",
            "max_delivery_attempts": 5,
        }
    },
    "expiration_policy": {"expiration_policy": {"ttl": {"seconds": 86400}}},
    "labels": {"labels": {"app": "other", "owner": "somebody"}},
}


@pytest.mark.parametrize("fact", DRIFTS)
async def test_a_subscription_that_drifted_is_seen_and_mended(made: Cloud, fact: str) -> None:
    from google.pubsub_v1 import types

    name = made.subscription(VALIDATION)
    changed = types.Subscription({"name": name, **DRIFTS[fact]})
    request: Any = {"subscription": changed, "update_mask": {"paths": [fact.partition(".")[0]]}}
    await made.subscriber.update_subscription(request=request)
    [seen] = await made.provision(apply=False)
    assert told([seen]) == [("subscription", VALIDATION, Act.CHANGE)]
    assert list(seen.fields) == [fact]
    assert await made.provision() == [replace(seen, done=True)]
    assert await made.provision() == []


async def test_a_label_of_somebody_elses_survives_the_mending(made: Cloud) -> None:
    from google.pubsub_v1 import types

    name = made.subscription(VALIDATION)
    changed = types.Subscription({"name": name, **DRIFTS["labels"]})
    request: Any = {"subscription": changed, "update_mask": {"paths": ["labels"]}}
    await made.subscriber.update_subscription(request=request)
    await made.provision()
    assert (await made.subscriber.get_subscription(subscription=name)).labels["owner"] == "somebody"


@pytest.mark.parametrize(
    ("fact", "push"),
    [
        ("push_config.push_endpoint", {"push_endpoint": "https://elsewhere.example/v1/push/validation"}),
        ("push_config.oidc_token.audience", {"oidc_token": {"audience": "https://elsewhere.example"}}),
        ("push_config.oidc_token.service_account_email", {"oidc_token": {"service_account_email": "x@example.com"}}),
        ("push_config.no_wrapper", {"no_wrapper": {"write_metadata": False}}),
    ],
)
async def test_a_push_that_goes_astray_is_seen_and_mended(made: Cloud, fact: str, push: dict[str, Any]) -> None:
    name = made.subscription(VALIDATION)
    there = (await made.subscriber.get_subscription(subscription=name)).push_config
    right: dict[str, Any] = {
        "push_endpoint": there.push_endpoint,
        "oidc_token": {
            "service_account_email": there.oidc_token.service_account_email,
            "audience": there.oidc_token.audience,
        },
        "no_wrapper": {"write_metadata": True},
    }
    wrong = {k: {**v, **push.get(k, {})} if isinstance(v, dict) else push.get(k, v) for k, v in right.items()}
    await made.subscriber.modify_push_config(request={"subscription": name, "push_config": wrong})
    [seen] = await made.provision()
    assert list(seen.fields) == [fact]
    assert await made.provision() == []


async def test_what_can_not_be_changed_in_place_is_refused_with_the_way_and_made_anew_only_by_name(made: Cloud) -> None:
    name = made.subscription(VALIDATION)
    right = await made.subscriber.get_subscription(subscription=name)
    await made.subscriber.delete_subscription(subscription=name)
    right.enable_message_ordering = True
    await made.subscriber.create_subscription(request=right)
    [seen] = await made.provision("pubsub")
    assert told([seen]) == [("subscription", VALIDATION, Act.REFUSED)]
    assert f"--delete {VALIDATION}" in seen.how
    assert (await made.subscriber.get_subscription(subscription=name)).enable_message_ordering
    again = await made.provision("pubsub", delete=(VALIDATION,))
    assert [(change.act, change.done) for change in again] == [(Act.REFUSED, True), (Act.CREATE, True)]
    assert not (await made.subscriber.get_subscription(subscription=name)).enable_message_ordering


async def test_who_reads_along_is_shown_and_stays_until_named(made: Cloud) -> None:
    name = made.subscription("listener")
    await made.subscriber.create_subscription(request={"name": name, "topic": made.topic("fhir.changed")})
    [seen] = await made.provision()
    assert told([seen]) == [("subscription", "listener", Act.EXTRA)]
    assert await made.subscriber.get_subscription(subscription=name)
    await made.provision("pubsub", delete=(VALIDATION,))
    assert await made.subscriber.get_subscription(subscription=made.subscription(VALIDATION)), "wanted: never deleted"
    await made.provision("pubsub", delete=("listener",))
    assert await made.provision() == []


async def test_a_lost_hold_is_made_again(made: Cloud) -> None:
    lost = hold(f"{VALIDATION}.dead")
    await made.subscriber.delete_subscription(subscription=made.subscription(lost))
    changes = await made.provision()
    assert ("subscription", lost, Act.CREATE) in told(changes)
    assert {change.kind for change in changes} == {"subscription", "binding"}, "its policy went with it"
    assert await made.provision() == []


async def test_a_scheduler_that_was_paused_or_points_elsewhere_is_mended(made: Cloud) -> None:
    made.google.jobs[JOB]["state"] = "PAUSED"
    made.google.jobs[JOB]["schedule"] = "0 0 1 1 *"
    [seen] = await made.provision()
    assert set(seen.fields) == {"state", "schedule"}
    assert await made.provision() == []


async def test_a_ledger_whose_expiry_was_switched_off_is_mended(made: Cloud) -> None:
    [name] = [
        name for name in made.firestore.fields if name.endswith("clinical/collectionGroups/ledger/fields/expires")
    ]
    made.firestore.fields[name].ClearField("ttl_config")
    [seen] = await made.provision()
    assert (seen.name, dict(seen.fields)) == ("clinical/ledger.expires", {"ttl": (False, True)})
    assert await made.provision() == []


async def test_a_disabled_account_is_enabled_and_a_strange_one_only_shown(made: Cloud) -> None:
    deid, strange = "push-deid@starvit.iam.gserviceaccount.com", "push-old@starvit.iam.gserviceaccount.com"
    made.google.accounts[deid]["disabled"] = True
    made.google.accounts[strange] = {"email": strange}
    assert told(await made.provision()) == [("account", deid, Act.CHANGE), ("account", strange, Act.EXTRA)]
    assert "disabled" not in made.google.accounts[deid]
    assert strange in made.google.accounts


async def test_analysts_read_views_and_the_clinical_zone_only_keys(made: Cloud) -> None:
    bound = {change.name for change in made.seen if change.kind == "binding" and change.name.startswith("view ")}
    clinical = "serviceAccount:starvit-clinical@starvit.iam.gserviceaccount.com"
    viewer = "roles/bigquery.dataViewer"
    assert bound == {
        *(
            f"view clinic.{view}: {viewer} group:{ANALYSTS}"
            for view in schema.VIEWS
            if view not in ("keys", "versions")
        ),
        *(f"view clinic.{view}: {viewer} {clinical}" for view in ("keys", "versions")),
    }
