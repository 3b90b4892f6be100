"""Rights come from the catalog's scopes, stand on single things, are added beside others' and never taken away."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from handlers.deadletters.accounts import TOPIC as TOLD
from handlers.provisioning import Retry, requests
from handlers.provisioning.changes import Act, Change
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.iam import IamArea, Policy, added, held
from handlers.provisioning.rights import AUDITED, CALLERS, SCOPES, Binding, Kind, account_names, bindings
from handlers.provisioning.wanted import served
from shared.settings import Zone
from shared.sinks.bigquery import schema
from shared.subscriber import Scope
from shared.views import shipped
from tests.provisioning.cloud import Cloud, cloud
from tests.tenant import settings

DEPLOYMENT = Deployment(project_number="415104041262", region="europe-west3", analysts="analysts@clinic.example")
WANTED = bindings(settings(), DEPLOYMENT)
WITH_A_GRAPH = bindings(settings(tigergraph_url="https://graph.example"), DEPLOYMENT)
SOMEBODY = "user:somebody@example.com"


def of(zone: Zone, wanted: tuple[Binding, ...] = WANTED) -> list[Binding]:
    return [one for one in wanted if one.member == f"serviceAccount:starvit-{zone}@starvit.iam.gserviceaccount.com"]


def test_every_scope_has_its_role_or_says_that_its_right_stands_elsewhere() -> None:
    assert set(SCOPES) == set(Scope)


def test_ingress_publishes_changes_and_reads_its_own_secret_and_nothing_else() -> None:
    assert {(one.kind, one.name, one.role.rpartition(".")[2]) for one in of(Zone.INGRESS)} == {
        (Kind.TOPIC, "fhir.changed", "publisher"),
        (Kind.SECRET, "starvit-ingress-tenants", "secretAccessor"),
        (Kind.PROJECT, "starvit", "agent"),
    }


def test_the_analytics_zone_has_no_right_on_what_the_clinical_zone_has() -> None:
    analytics = {(one.kind, one.name, one.role, one.condition) for one in of(Zone.ANALYTICS)}
    clinical = {(one.kind, one.name, one.role, one.condition) for one in of(Zone.CLINICAL)}
    shared = {"roles/cloudtrace.agent", "roles/bigquery.jobUser"}  # a trace of its own, a question of its own
    assert analytics & clinical == {(Kind.PROJECT, "starvit", role, "") for role in shared}
    assert not any(one.role.startswith("roles/dlp") for one in of(Zone.ANALYTICS))


def test_a_graph_gives_the_analytics_zone_its_own_quarantine_and_no_more() -> None:
    more = set(WITH_A_GRAPH) - set(WANTED)
    assert set(WANTED) < set(WITH_A_GRAPH)
    zone = {(one.kind, one.name, one.role) for one in of(Zone.ANALYTICS, WITH_A_GRAPH) if one in more}
    assert zone == {(Kind.TOPIC, "graph.quarantine", "roles/pubsub.publisher")}


def test_a_handler_that_is_not_served_is_given_nothing() -> None:
    assert any("graph" in f"{one.name} {one.member}" for one in WITH_A_GRAPH)
    assert not [one for one in WANTED if "graph" in f"{one.name} {one.member}"]


def test_operators_tell_the_tenant_what_they_did_and_reach_every_ledger() -> None:
    ops = {(one.kind, one.name, one.role, one.condition) for one in of(Zone.OPS)}
    assert (Kind.TOPIC, "ops.audit", "roles/pubsub.publisher", "") in ops
    assert AUDITED == TOLD
    for database in ("clinical", "analytics", "ops"):
        condition = f'resource.name == "projects/starvit/databases/{database}"'
        assert (Kind.PROJECT, "starvit", "roles/datastore.user", condition) in ops
    assert not [one for one in of(Zone.OPS) if one.kind in (Kind.SECRET, Kind.VIEW)]


def test_whatever_pushes_has_an_account_whose_tokens_pubsub_may_make() -> None:
    pushing = {
        request["push_config"]["oidc_token"]["service_account_email"]
        for request in requests(settings(), url=lambda zone: f"https://{zone}.example", retry=Retry())
        if "push_config" in request
    }
    tokens = {one.name for one in WANTED if one.role == "roles/iam.serviceAccountTokenCreator"}
    assert pushing == tokens <= set(account_names(settings()))
    assert settings().account("index") in pushing


def test_whoever_calls_has_an_account_and_every_account_calls_or_runs_something() -> None:
    members = {one.member.removeprefix("serviceAccount:") for one in WANTED}
    assert set(account_names(settings())) == {
        one
        for one in members
        if one.startswith(("starvit-", "push-")) and one.endswith("@starvit.iam.gserviceaccount.com")
    }


def test_the_smoke_test_of_a_release_may_call_the_internal_services_and_nothing_else() -> None:
    smoke = {(one.name, one.role) for one in WANTED if "starvit-smoke@" in one.member}
    assert smoke == {(f"starvit-{zone}", "roles/run.invoker") for zone in ("clinical", "analytics", "ops")}


def test_each_zone_reaches_only_its_own_ledger() -> None:
    reached = {zone: {one.condition for one in of(zone) if one.role == "roles/datastore.user"} for zone in Zone}
    ledger = 'resource.name == "projects/starvit/databases/{}"'
    assert reached[Zone.CLINICAL] == {ledger.format("clinical")}
    assert reached[Zone.ANALYTICS] == {ledger.format("analytics")}
    assert reached[Zone.INGRESS] == set()


def test_only_the_ingress_is_open_to_everybody_and_each_push_account_reaches_one_service() -> None:
    invokers = [(one.name, one.member) for one in WANTED if one.role == "roles/run.invoker"]
    assert [name for name, member in invokers if member == "allUsers"] == ["starvit-ingress"]
    pushers = [member for _, member in invokers if "push-" in member]
    assert len(pushers) == len(set(pushers)) == len(served(settings())) + len(CALLERS)
    assert [name for name, member in invokers if "push-index@" in member] == ["starvit-ops"]
    assert [name for name, member in invokers if "push-dead-letters@" in member] == ["starvit-ops"]


def test_the_analysts_group_has_views_and_no_table_and_no_project_role() -> None:
    group = [one for one in WANTED if one.member == "group:analysts@clinic.example"]
    names = {one.name.removeprefix("clinic.") for one in group}
    assert names == {*schema.VIEWS, *(view.name for view in shipped()), "view_counts"} - {"keys", "versions"}
    assert all(one.kind is Kind.VIEW and not one.name.endswith(("_rows", ".keys", ".versions")) for one in group)


def test_no_right_on_the_whole_project_is_one_to_read_or_write_messages_or_rows() -> None:
    wide = {one.role for one in WANTED if one.kind is Kind.PROJECT and not one.condition}
    assert wide == {"roles/bigquery.jobUser", "roles/cloudtrace.agent", "roles/dlp.user"}


@pytest.mark.parametrize("condition", ["", 'resource.name == "x"'])
def test_adding_a_binding_leaves_every_other_as_it_was(condition: str) -> None:
    policy: Policy = {
        "version": 3,
        "etag": "abc",
        "auditConfigs": [{"service": "allServices"}],
        "bindings": [
            {"role": "roles/a", "members": [SOMEBODY]},
            {"role": "roles/a", "members": [SOMEBODY], "condition": {"title": "t", "expression": "x"}},
        ],
    }
    wanted = Binding(Kind.PROJECT, "p", "roles/a", "group:g@example.com", condition)
    after = added(policy, wanted)
    assert set(held(after, Kind.PROJECT, "p")) == {*held(policy, Kind.PROJECT, "p"), wanted}
    assert {name: after[name] for name in ("etag", "auditConfigs", "version")} == {
        name: policy[name] for name in ("etag", "auditConfigs", "version")
    }


class Racing:
    """A policy that somebody else changes between each read and write, so many times."""

    def __init__(self, races: int) -> None:
        self.policy: Policy = {"etag": "0", "bindings": []}
        self.races = races

    async def get(self, kind: Kind, name: str) -> Policy | None:
        seen = dict(self.policy)
        if self.races:
            self.races -= 1
            other = Binding(kind, name, "roles/other", f"user:{self.races}@example.com")
            self.policy = added(self.policy, other) | {"etag": str(self.races + 1)}
        return seen

    async def set(self, kind: Kind, name: str, policy: Policy) -> bool:
        if policy["etag"] != self.policy["etag"]:
            return False
        self.policy = policy
        return True


async def test_who_changes_a_policy_meanwhile_loses_nothing() -> None:
    wanted = Binding(Kind.TOPIC, "t", "roles/pubsub.publisher", "serviceAccount:x@example.com")
    racing = Racing(races=2)
    area = IamArea([wanted], {Kind.TOPIC: racing})
    name = f"topic t: {wanted.role} {wanted.member}"
    await area.apply(Change("iam", "binding", name, Act.CREATE))
    assert {one.member for one in held(racing.policy, Kind.TOPIC, "t")} == {
        wanted.member,
        "user:1@example.com",
        "user:0@example.com",
    }


@pytest.fixture
async def made() -> AsyncIterator[Cloud]:
    async with cloud() as project:
        await project.provision()
        yield project


async def test_rights_of_others_are_shown_with_the_way_to_remove_them_and_stay_even_if_named(made: Cloud) -> None:
    resource = made.topic("fhir.changed")
    policy = await made.publisher.get_iam_policy(request={"resource": resource})
    policy.bindings.add(role="roles/pubsub.publisher", members=[SOMEBODY])
    await made.publisher.set_iam_policy(request={"resource": resource, "policy": policy})
    [extra] = await made.provision()
    assert extra.act is Act.EXTRA
    assert "gcloud pubsub topics remove-iam-policy-binding fhir.changed" in extra.how
    [refused] = [one for one in await made.provision("iam", delete=(extra.name,)) if one.name == extra.name][:1]
    assert not refused.done
    kept = await made.publisher.get_iam_policy(request={"resource": resource})
    assert SOMEBODY in [member for binding in kept.bindings for member in binding.members]


async def test_people_on_the_project_are_none_of_our_business(made: Cloud) -> None:
    policy = made.google.policy("starvit")
    people: dict[str, Any] = {"role": "roles/owner", "members": [SOMEBODY]}
    made.google.policies["starvit"] = {**policy, "bindings": [*policy["bindings"], people]}
    assert await made.provision() == []


async def test_a_service_that_is_not_deployed_yet_is_refused_with_the_way_and_all_else_is_done() -> None:
    async with cloud() as project:
        project.google.services.discard("starvit-clinical")
        made = await project.provision()
        refused = [one for one in made if one.act is Act.REFUSED]
        assert {one.name.partition(":")[0] for one in refused} == {"service starvit-clinical"}
        assert all("deploy" in one.how for one in refused)
        project.google.services.add("starvit-clinical")
        assert all(one.done for one in await project.provision())
        assert await project.provision() == []
