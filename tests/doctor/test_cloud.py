"""Each thing that can be wrong with a deployment in Google Cloud, planted once: the doctor names exactly that one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from google.iam.v1.policy_pb2 import Policy

from handlers.doctor.cloud import findings
from handlers.doctor.findings import Check, Finding
from handlers.provisioning import hold
from shared.local.bigquery.store import Store
from tests.provisioning.cloud import Cloud, cloud, wanting

VALIDATION = "fhir.changed--validation"
DEAD = f"{VALIDATION}.dead"

type Spoil = Callable[[Cloud], Awaitable[object]]


@pytest.fixture
async def made() -> AsyncIterator[Cloud]:
    async with cloud() as project:
        await project.provision()
        yield project


async def examined(project: Cloud) -> list[Finding]:
    await project.provision(apply=False)
    return [finding for change in project.seen for finding in findings(change)]


async def without_members(project: Cloud, resource: str, *, kept: str = "nobody") -> None:
    """Take everybody but some out of a policy, as an over-eager script does."""
    policy = await project.publisher.get_iam_policy(request={"resource": resource})
    left = Policy(version=policy.version, etag=policy.etag)
    for binding in policy.bindings:
        left.bindings.add(role=binding.role, members=[member for member in binding.members if kept in member])
    await project.publisher.set_iam_policy(request={"resource": resource, "policy": left})


async def no_right_on_the_dead_letter_topic(project: Cloud) -> None:
    await without_members(project, project.topic(DEAD))


async def no_right_on_the_source(project: Cloud) -> None:
    await without_members(project, project.subscription(VALIDATION))


async def nobody_may_publish(project: Cloud) -> None:
    await without_members(project, project.topic("fhir.validated"), kept="starvit-ops")


async def no_hold(project: Cloud) -> None:
    await project.subscriber.delete_subscription(subscription=project.subscription(hold(DEAD)))


async def other_audience(project: Cloud) -> None:
    there = (await project.subscriber.get_subscription(subscription=project.subscription(VALIDATION))).push_config
    there.oidc_token.audience = "https://elsewhere.example"
    request: Any = {"subscription": project.subscription(VALIDATION), "push_config": there}
    await project.subscriber.modify_push_config(request=request)


async def ordered(project: Cloud) -> None:
    name = project.subscription(VALIDATION)
    there = await project.subscriber.get_subscription(subscription=name)
    await project.subscriber.delete_subscription(subscription=name)
    there.enable_message_ordering = True
    await project.subscriber.create_subscription(request=there)
    await project.provision("iam")


async def no_topic(project: Cloud) -> None:
    for name in ("fhir.text-pending--text",):
        await project.subscriber.delete_subscription(subscription=project.subscription(name))
    await project.provision("pubsub", apply=False)


async def someone_reads_along(project: Cloud) -> None:
    request = {"name": project.subscription("listener"), "topic": project.topic("fhir.accessed")}
    await project.subscriber.create_subscription(request=request)


async def someone_may_publish(project: Cloud) -> None:
    resource = project.topic("fhir.changed")
    policy = await project.publisher.get_iam_policy(request={"resource": resource})
    policy.bindings.add(role="roles/pubsub.publisher", members=["user:somebody@example.com"])
    await project.publisher.set_iam_policy(request={"resource": resource, "policy": policy})


async def unindexed(project: Cloud) -> None:
    project.firestore.indexes.clear()


async def nobody_replays(project: Cloud) -> None:
    del project.google.jobs["starvit-dead-letters"]


async def paused(project: Cloud) -> None:
    project.google.jobs["starvit-reconcile"]["state"] = "PAUSED"


PLANTED: dict[str, tuple[Spoil, set[tuple[Check, str]]]] = {
    "the agent may not publish to the dead-letter topic": (
        no_right_on_the_dead_letter_topic,
        {(Check.DEAD_LETTER_IAM, f"topic {DEAD}")},
    ),
    "the agent may not take from the source": (
        no_right_on_the_source,
        {(Check.DEAD_LETTER_IAM, f"subscription {VALIDATION}")},
    ),
    "a zone may not publish": (nobody_may_publish, {(Check.IAM_MISSING, "topic fhir.validated")}),
    "nobody holds the dead letters": (
        no_hold,
        {(Check.DEAD_LETTER_UNHELD, hold(DEAD)), (Check.IAM_MISSING, f"subscription {hold(DEAD)}")},
    ),
    "the audience is another": (other_audience, {(Check.SUBSCRIPTION_DIFFERS, VALIDATION)}),
    "ordering was switched on": (ordered, {(Check.SUBSCRIPTION_FIXED, VALIDATION)}),
    "a subscription is gone": (
        no_topic,
        {
            (Check.NOT_PROVISIONED, "fhir.text-pending--text"),
            (Check.DEAD_LETTER_IAM, "subscription fhir.text-pending--text"),
        },
    ),
    "somebody reads along": (someone_reads_along, {(Check.READS_ALONG, "listener")}),
    "somebody may publish": (someone_may_publish, {(Check.IAM_EXTRA, "topic fhir.changed")}),
    "nobody asks for the replays": (nobody_replays, {(Check.NOT_PROVISIONED, "starvit-dead-letters")}),
    "operators can not list": (unindexed, {(Check.NOT_PROVISIONED, "ops/dead-letters")}),
    "reconcile is paused": (paused, {(Check.DIFFERS, "starvit-reconcile")}),
}


def shown(found: list[Finding]) -> set[tuple[Check, str]]:
    """The check, and the name without its kind and without who is bound."""
    return {(one.check, one.place.partition(" ")[2].partition(":")[0]) for one in found}


async def test_a_right_deployment_has_no_finding(made: Cloud) -> None:
    assert await examined(made) == []


@pytest.mark.parametrize("what", PLANTED)
async def test_what_is_wrong_is_found_with_its_mending(made: Cloud, what: str) -> None:
    spoil, wanted = PLANTED[what]
    await spoil(made)
    found = await examined(made)
    assert shown(found) == wanted
    assert all("./dev provision --apply" in one.fix or "remove-iam-policy-binding" in one.fix for one in found)


async def test_a_table_that_lacks_a_column_is_out_of_date_and_provision_mends_it(
    made: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanting(monkeypatch, {"name": "added", "type": "STRING"})
    [finding] = await examined(made)
    assert (finding.check, finding.place) == (Check.TABLE_OLD, "table clinic.current_rows")
    assert "adds added STRING" in finding.text
    await made.provision("bigquery")
    assert await examined(made) == []


async def test_a_view_with_an_older_query_is_out_of_date_and_provision_mends_it(made: Cloud) -> None:
    await asyncio.to_thread(replaced, made.settings.bigquery_url)
    [finding] = await examined(made)
    assert (finding.check, finding.place) == (Check.TABLE_OLD, "view clinic.keys")
    await made.provision("bigquery")
    assert await examined(made) == []


def replaced(url: str) -> None:
    """Somebody changes a view by hand."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    with bigquery.Client("starvit", AnonymousCredentials(), client_options={"api_endpoint": url}) as client:
        view = client.get_table("starvit.clinic.keys")
        view.view_query = "SELECT 1 AS one"
        client.update_table(view, ["view_query"])


def test_a_view_can_be_replaced_and_a_bad_query_leaves_the_old_one() -> None:
    from shared.local.bigquery.sql import BadSql

    store = Store()
    store.create_dataset("d")
    resource = {"tableReference": {"projectId": "p", "datasetId": "d", "tableId": "v"}}
    store.create_table(resource | {"view": {"query": "SELECT 1 AS n"}})
    store.update_table(resource | {"view": {"query": "SELECT 2 AS n"}})
    with pytest.raises(BadSql):
        store.update_table(resource | {"view": {"query": "SELECT n FROM `p.d.nothing`"}})
    assert store.rows("SELECT n FROM `p.d.v`") == [(2,)]
    store.close()
