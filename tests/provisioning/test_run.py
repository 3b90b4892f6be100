"""`./dev provision` on a whole project: made once, kept, mended where it drifted, and nothing taken away unasked."""

import asyncio
from collections.abc import AsyncIterator
from copy import replace
from typing import Any

import pytest

from handlers.provisioning import hold
from handlers.provisioning.bigquery import name_of
from handlers.provisioning.changes import Act, Change
from handlers.provisioning.firestore import FIELDS, INDEXES
from handlers.provisioning.scheduler import DEAD_LETTERS, RECONCILE, job
from handlers.provisioning.wanted import names
from shared.deadletters.firestore import FirestoreIndex
from shared.sinks.bigquery import schema, view_tables
from shared.views import shipped
from tests.provisioning.cloud import ANALYSTS, Cloud, cloud, wanting

VALIDATION = "fhir.changed--validation"


@pytest.fixture
async def made() -> AsyncIterator[Cloud]:
    """A project that was provisioned."""
    async with cloud() as project:
        await project.provision()
        yield project


@pytest.fixture
async def bare() -> AsyncIterator[Cloud]:
    """A project in which a test provisions what it is about."""
    async with cloud() as project:
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
    assert {name for kind, name in seen if kind == "topic"} == set(names(made.settings))
    tables = {name_of(one) for one in view_tables.dataset("starvit", "clinic", "safe-harbor")}
    assert {f"clinic.{one}" for one in tables} == {name for kind, name in seen if kind in ("table", "view")}
    assert ("field", "clinical/ledger.expires") in seen
    assert ("index", "ops/dead-letters: aside, plan, order") in seen
    assert {name for kind, name in seen if kind == "job"} == {"starvit-reconcile", "starvit-dead-letters"}
    assert made.google.jobs["starvit-dead-letters"]["schedule"] == "* * * * *"
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
async def test_a_subscription_that_drifted_is_seen_and_mended(bare: Cloud, fact: str) -> None:
    await bare.provision("pubsub")
    from google.pubsub_v1 import types

    name = bare.subscription(VALIDATION)
    changed = types.Subscription({"name": name, **DRIFTS[fact]})
    request: Any = {"subscription": changed, "update_mask": {"paths": [fact.partition(".")[0]]}}
    await bare.subscriber.update_subscription(request=request)
    [seen] = await bare.provision("pubsub", apply=False)
    assert told([seen]) == [("subscription", VALIDATION, Act.CHANGE)]
    assert list(seen.fields) == [fact]
    assert await bare.provision("pubsub") == [replace(seen, done=True)]
    assert await bare.provision("pubsub") == []


async def test_a_label_of_somebody_elses_survives_the_mending(bare: Cloud) -> None:
    await bare.provision("pubsub")
    from google.pubsub_v1 import types

    name = bare.subscription(VALIDATION)
    changed = types.Subscription({"name": name, **DRIFTS["labels"]})
    request: Any = {"subscription": changed, "update_mask": {"paths": ["labels"]}}
    await bare.subscriber.update_subscription(request=request)
    await bare.provision("pubsub")
    assert (await bare.subscriber.get_subscription(subscription=name)).labels["owner"] == "somebody"


@pytest.mark.parametrize(
    ("fact", "push"),
    [
        ("push_config.push_endpoint", {"push_endpoint": "https://elsewhere.example/v1/push/validation"}),
        ("push_config.oidc_token.audience", {"oidc_token": {"audience": "https://elsewhere.example"}}),
        ("push_config.oidc_token.service_account_email", {"oidc_token": {"service_account_email": "x@example.com"}}),
        ("push_config.no_wrapper", {"no_wrapper": {"write_metadata": False}}),
    ],
)
async def test_a_push_that_goes_astray_is_seen_and_mended(bare: Cloud, fact: str, push: dict[str, Any]) -> None:
    await bare.provision("pubsub")
    name = bare.subscription(VALIDATION)
    there = (await bare.subscriber.get_subscription(subscription=name)).push_config
    right: dict[str, Any] = {
        "push_endpoint": there.push_endpoint,
        "oidc_token": {
            "service_account_email": there.oidc_token.service_account_email,
            "audience": there.oidc_token.audience,
        },
        "no_wrapper": {"write_metadata": True},
    }
    wrong = {k: {**v, **push.get(k, {})} if isinstance(v, dict) else push.get(k, v) for k, v in right.items()}
    await bare.subscriber.modify_push_config(request={"subscription": name, "push_config": wrong})
    [seen] = await bare.provision("pubsub")
    assert list(seen.fields) == [fact]
    assert await bare.provision("pubsub") == []


async def test_what_can_not_be_changed_in_place_is_refused_with_the_way_and_made_anew_only_by_name(bare: Cloud) -> None:
    await bare.provision("pubsub")
    name = bare.subscription(VALIDATION)
    right = await bare.subscriber.get_subscription(subscription=name)
    await bare.subscriber.delete_subscription(subscription=name)
    right.enable_message_ordering = True
    await bare.subscriber.create_subscription(request=right)
    [seen] = await bare.provision("pubsub")
    assert told([seen]) == [("subscription", VALIDATION, Act.REFUSED)]
    assert f"--delete {VALIDATION}" in seen.how
    assert (await bare.subscriber.get_subscription(subscription=name)).enable_message_ordering
    again = await bare.provision("pubsub", delete=(VALIDATION,))
    assert [(change.act, change.done) for change in again] == [(Act.REFUSED, True), (Act.CREATE, True)]
    assert not (await bare.subscriber.get_subscription(subscription=name)).enable_message_ordering


async def test_who_reads_along_is_shown_and_stays_until_named(bare: Cloud) -> None:
    await bare.provision("pubsub")
    name = bare.subscription("listener")
    await bare.subscriber.create_subscription(request={"name": name, "topic": bare.topic("fhir.changed")})
    [seen] = await bare.provision("pubsub")
    assert told([seen]) == [("subscription", "listener", Act.EXTRA)]
    assert await bare.subscriber.get_subscription(subscription=name)
    await bare.provision("pubsub", delete=(VALIDATION,))
    assert await bare.subscriber.get_subscription(subscription=bare.subscription(VALIDATION)), "wanted: never deleted"
    await bare.provision("pubsub", delete=("listener",))
    assert await bare.provision("pubsub") == []


async def test_a_lost_hold_is_made_again(made: Cloud) -> None:
    lost = hold(f"{VALIDATION}.dead")
    await made.subscriber.delete_subscription(subscription=made.subscription(lost))
    changes = await made.provision()
    assert ("subscription", lost, Act.CREATE) in told(changes)
    assert {change.kind for change in changes} == {"subscription", "binding"}, "its policy went with it"
    assert await made.provision() == []


@pytest.mark.parametrize("task", [RECONCILE, DEAD_LETTERS])
async def test_a_scheduler_that_was_paused_or_points_elsewhere_is_mended(bare: Cloud, task: str) -> None:
    await bare.provision("scheduler")
    bare.google.jobs[job(task)]["state"] = "PAUSED"
    bare.google.jobs[job(task)]["schedule"] = "0 0 1 1 *"
    [seen] = await bare.provision("scheduler")
    assert set(seen.fields) == {"state", "schedule"}
    assert await bare.provision("scheduler") == []


async def test_a_ledger_whose_expiry_was_switched_off_is_mended(bare: Cloud) -> None:
    await bare.provision("firestore")
    [name] = [
        name for name in bare.firestore.fields if name.endswith("clinical/collectionGroups/ledger/fields/expires")
    ]
    bare.firestore.fields[name].ClearField("ttl_config")
    [seen] = await bare.provision("firestore")
    assert (seen.name, dict(seen.fields)) == ("clinical/ledger.expires", {"ttl": (False, True)})
    assert await bare.provision("firestore") == []


async def test_an_index_that_was_dropped_or_another_that_costs_every_write_is_seen_and_mended(bare: Cloud) -> None:
    await bare.provision("firestore")
    dropped = next(name for name in bare.firestore.indexes if "plan" in name)
    del bare.firestore.indexes[dropped]
    [field] = [name for name in bare.firestore.fields if name.endswith("dead-letters/fields/*")]
    bare.firestore.fields[field].ClearField("index_config")
    first, second = await bare.provision("firestore")
    assert (first.name, dict(first.fields)) == ("ops/dead-letters.*", {"index": ("by default", "none")})
    assert (second.kind, second.act) == ("index", Act.CREATE)
    assert await bare.provision("firestore") == []


async def test_every_query_of_what_lies_aside_has_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for together, and how it is ordered; FIRESTORE_EMULATOR_HOST spares the client a login."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")
    asked: list[tuple[set[str], list[str]]] = []

    async def note(self: FirestoreIndex, query: Any) -> list[Any]:
        equal = {one.field.field_path for one in query._field_filters}
        asked.append((equal, [one.field.field_path for one in query._orders]))
        return []

    monkeypatch.setattr(FirestoreIndex, "_query", note)
    index = FirestoreIndex("ops", "starvit")
    await index.of_event("e")
    for plan in ("", "p"):
        for aside in (False, True):
            await index.page(plan=plan, aside=aside)
    await index.close()
    single = {field.path for field in FIELDS["ops"] if field.order != "none"}
    of_several = [paths for _, paths in INDEXES["ops"]]
    for equal, order in asked:
        assert order == ["order"]
        assert equal or "order" in single
        assert not equal or [paths for paths in of_several if set(paths[:-1]) == equal and paths[-1] == "order"]
    assert len([equal for equal, _ in asked if equal]) == len(of_several), "no index is built that nobody asks for"


async def test_a_disabled_account_is_enabled_and_a_strange_one_only_shown(made: Cloud) -> None:
    deid, strange = "push-deid@starvit.iam.gserviceaccount.com", "push-old@starvit.iam.gserviceaccount.com"
    made.google.accounts[deid]["disabled"] = True
    made.google.accounts[strange] = {"email": strange}
    assert told(await made.provision()) == [("account", deid, Act.CHANGE), ("account", strange, Act.EXTRA)]
    assert "disabled" not in made.google.accounts[deid]
    assert strange in made.google.accounts


async def test_analysts_read_every_published_view_and_the_clinical_zone_only_keys(made: Cloud) -> None:
    bound = {change.name for change in made.seen if change.kind == "binding" and change.name.startswith("view ")}
    clinical = "serviceAccount:starvit-clinical@starvit.iam.gserviceaccount.com"
    viewer = "roles/bigquery.dataViewer"
    published = {*schema.VIEWS, *(view.name for view in shipped()), view_tables.COUNTS} - {"keys", "versions"}
    assert bound == {
        *(f"view clinic.{view}: {viewer} group:{ANALYSTS}" for view in published),
        *(f"view clinic.{view}: {viewer} {clinical}" for view in ("keys", "versions")),
    }
    authorised = {change.name for change in made.seen if change.kind == "access" and " " in change.name}
    assert {f"clinic.authorised {view}" for view in {*published, "keys", "versions"}} <= authorised


async def test_a_table_that_lacks_a_column_is_given_it_and_one_that_can_not_grow_so_is_refused(
    bare: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bare.provision("bigquery")
    wanting(monkeypatch, {"name": "added", "type": "STRING", "mode": "REQUIRED"})
    [refused] = await bare.provision("bigquery")
    assert (refused.kind, refused.name, refused.act) == ("table", "clinic.current_rows", Act.REFUSED)
    assert "added is new and required" in refused.how
    assert "backfill" in refused.how
    wanting(monkeypatch, {"name": "added", "type": "STRING", "mode": "NULLABLE"})
    [grown] = await bare.provision("bigquery")
    assert (grown.act, grown.how, grown.done) == (Act.CHANGE, "adds added STRING", True)
    assert await bare.provision("bigquery") == []


async def test_a_table_that_nobody_wants_is_shown_and_stays(bare: Cloud) -> None:
    await bare.provision("bigquery")
    await asyncio.to_thread(_left_over, bare.settings.bigquery_url)
    [seen] = await bare.provision("bigquery")
    assert told([seen]) == [("view", "clinic.left_over", Act.EXTRA)]
    assert told(await bare.provision("bigquery")) == told([seen])


def _left_over(url: str) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    with bigquery.Client("starvit", AnonymousCredentials(), client_options={"api_endpoint": url}) as client:
        view = bigquery.Table("starvit.clinic.left_over")
        view.view_query = "SELECT 1 AS one"
        client.create_table(view)
