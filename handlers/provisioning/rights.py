"""Who may do what, from the catalog: one binding for each right that a zone needs, and none that it does not.

    Subscription.publishes, quarantine ─► publisher on those topics, for the zone's account
    Scope                              ─► a role on what that scope is about
    Subscription.path                  ─► invoker on the zone's service, for the account whose token Pub/Sub sends
    dead_letter                        ─► publisher and subscriber for Pub/Sub's own agent, or nothing is ever dead-lettered

Roles stand on single topics, subscriptions, secrets, services and views; on the project only where Google has no finer
place (DLP, traces, jobs), and for Firestore under a condition on the database's name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from handlers import catalog
from handlers.provisioning import tables
from handlers.provisioning.deployment import Deployment, zone_account
from handlers.provisioning.wanted import aside, hold
from shared.settings import Settings, Zone
from shared.subscriber import Scope

PUBLISHER, SUBSCRIBER = "roles/pubsub.publisher", "roles/pubsub.subscriber"
INVOKER, TOKENS, SECRET = (
    "roles/run.invoker",
    "roles/iam.serviceAccountTokenCreator",
    "roles/secretmanager.secretAccessor",
)
VIEWER, JOBS, LEDGER = "roles/bigquery.dataViewer", "roles/bigquery.jobUser", "roles/datastore.user"
KEYS_ONLY = ("keys", "versions")  # the views that the clinical zone may read: no column of theirs is a resource's
ZONES = (Zone.INGRESS, Zone.CLINICAL, Zone.ANALYTICS, Zone.OPS)

# What publishes and is no handler of the catalog: the webhook and reconcile.
_ALSO = {Zone.INGRESS: ("fhir.changed",), Zone.CLINICAL: ("fhir.changed", "fhir.deidentified", "fhir.accessed")}
_SECRETS = (Zone.INGRESS, Zone.CLINICAL, Zone.ANALYTICS)
_LEDGERS = {Zone.CLINICAL: ("clinical",), Zone.ANALYTICS: ("analytics",), Zone.OPS: ("clinical", "analytics")}
# A scope's role on the project. None: the right stands elsewhere, at a topic, a dataset, or in the zone's own secret.
SCOPES: dict[Scope, str | None] = {
    Scope.MEDPLUM_READ: None,
    Scope.MEDPLUM_AUDIT: None,
    Scope.DLP: "roles/dlp.user",
    Scope.PUBLISH: None,
    Scope.BIGQUERY_WRITE: None,
    Scope.PSEUDONYM_KEYS: None,
    Scope.EVENT_KEYS: None,
    Scope.BIGQUERY_READ: JOBS,
    Scope.GRAPH_WRITE: None,
}


class Kind(StrEnum):
    """What a policy can stand on."""

    TOPIC = "topic"
    SUBSCRIPTION = "subscription"
    PROJECT = "project"
    ACCOUNT = "account"
    SERVICE = "service"
    SECRET = "secret"  # noqa: S105 - a kind of resource
    VIEW = "view"


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """A role for a member on one thing. `name` of a view is `dataset.view`. `condition` is CEL."""

    kind: Kind
    name: str
    role: str
    member: str
    condition: str = ""


def bindings(settings: Settings, deployment: Deployment) -> tuple[Binding, ...]:
    """All that is wanted, each once."""
    every = (
        *_publishing(settings),
        *_scoped(settings),
        *_calling(settings),
        *_operating(settings),
        *_dead_letters(settings, deployment),
        *_reading(settings, deployment),
    )
    return tuple(sorted(set(every)))


def account_names(settings: Settings) -> dict[str, str]:
    """E-mail of each service account of this project that the deployment has → what it is for."""
    own = f"@{settings.gcp_project}.iam.gserviceaccount.com"
    callers = {settings.account(on.handler): f"pushes to {on.handler}" for on in catalog.subscriptions()}
    callers[settings.account("reconcile")] = "asks for reconcile"
    zones = {zone_account(settings, zone): f"runs zone {zone}" for zone in ZONES}
    return {email: what for email, what in (zones | callers).items() if email.endswith(own)}


def agent(deployment: Deployment) -> str:
    """Pub/Sub's service agent in this project."""
    return f"serviceAccount:service-{deployment.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"


def service(zone: Zone) -> str:
    """The Cloud Run service of a zone (service.yaml)."""
    return f"starvit-{zone}"


def _publishing(settings: Settings) -> Iterator[Binding]:
    for zone, topics in _ALSO.items():
        for topic in topics:
            yield Binding(Kind.TOPIC, topic, PUBLISHER, _member(settings, zone))
    for on in catalog.subscriptions():
        for topic in (*on.publishes, on.quarantine):
            yield Binding(Kind.TOPIC, topic, PUBLISHER, _member(settings, on.zone))
    for topic in catalog.outgoing(settings.tenants).values():
        yield Binding(Kind.TOPIC, topic, PUBLISHER, _member(settings, Zone.ANALYTICS))


def _scoped(settings: Settings) -> Iterator[Binding]:
    for on in catalog.subscriptions():
        for scope in on.scopes:
            if role := SCOPES[scope]:
                yield Binding(Kind.PROJECT, settings.gcp_project, role, _member(settings, on.zone))
    for zone in ZONES:
        yield Binding(Kind.PROJECT, settings.gcp_project, "roles/cloudtrace.agent", _member(settings, zone))
    for zone in _SECRETS:
        yield Binding(Kind.SECRET, f"starvit-{zone}-tenants", SECRET, _member(settings, zone))
    for zone, databases in _LEDGERS.items():
        for database in databases:
            condition = f'resource.name == "projects/{settings.gcp_project}/databases/{database}"'
            yield Binding(Kind.PROJECT, settings.gcp_project, LEDGER, _member(settings, zone), condition)


def _calling(settings: Settings) -> Iterator[Binding]:
    for on in catalog.subscriptions():
        yield Binding(Kind.SERVICE, service(on.zone), INVOKER, f"serviceAccount:{settings.account(on.handler)}")
    reconcile = f"serviceAccount:{settings.account('reconcile')}"
    yield Binding(Kind.SERVICE, service(Zone.CLINICAL), INVOKER, reconcile)
    # Medplum has no Google identity: its signature is checked by the webhook itself, and nothing else is served there.
    yield Binding(Kind.SERVICE, service(Zone.INGRESS), INVOKER, "allUsers")


def _operating(settings: Settings) -> Iterator[Binding]:
    for topic in aside():
        yield Binding(Kind.SUBSCRIPTION, hold(topic), SUBSCRIBER, _member(settings, Zone.OPS))
    for on in catalog.subscriptions():
        yield Binding(Kind.TOPIC, on.topic, PUBLISHER, _member(settings, Zone.OPS))


def _dead_letters(settings: Settings, deployment: Deployment) -> Iterator[Binding]:
    for on in catalog.subscriptions():
        yield Binding(Kind.TOPIC, on.dead_letter, PUBLISHER, agent(deployment))
        yield Binding(Kind.SUBSCRIPTION, on.name, SUBSCRIBER, agent(deployment))
        yield Binding(Kind.ACCOUNT, settings.account(on.handler), TOKENS, agent(deployment))


def _reading(settings: Settings, deployment: Deployment) -> Iterator[Binding]:
    releases = [release for tenant in settings.tenants for release in tenant.releases]
    clinical = _member(settings, Zone.CLINICAL)
    if releases:
        yield Binding(Kind.PROJECT, settings.gcp_project, JOBS, clinical)
    for release in releases:
        dataset = release.dataset
        for view in tables.view_names(settings.gcp_project, release):
            if view in KEYS_ONLY:
                yield Binding(Kind.VIEW, f"{dataset}.{view}", VIEWER, clinical)
            elif deployment.analysts:
                yield Binding(Kind.VIEW, f"{dataset}.{view}", VIEWER, f"group:{deployment.analysts}")


def _member(settings: Settings, zone: Zone) -> str:
    return f"serviceAccount:{zone_account(settings, zone)}"
