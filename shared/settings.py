"""All settings: one frozen model, read once from the environment (and from mounted secrets), printed redacted at start.

Each field says what it does; docs/backend/STACK.md lists them and a test holds the two together. Secrets are
SecretStr, so that printing the model never shows one. A deployment of one zone holds only that zone's secrets: the
start refuses the rest.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Zone(StrEnum):
    """Which handlers an instance mounts, and so what its service account may touch (design §2)."""

    INGRESS = "ingress"
    CLINICAL = "clinical"
    ANALYTICS = "analytics"
    OPS = "ops"
    ALL = "all"  # one machine only; the cloud refuses it


class Client(BaseModel):
    """A Medplum ClientApplication."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    id: str = Field(min_length=1)
    secret: SecretStr = Field(min_length=1)


HexKey = Annotated[SecretStr, Field(min_length=64, description="32 random bytes or more, in hex")]


class Release(BaseModel):
    """A dataset: one policy, one pseudonym key. Two that share a key could be joined, and what each withholds be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    dataset: str = Field(pattern=r"^[a-z][a-z0-9_]{0,60}$", description="the BigQuery dataset")
    policy: Literal["safe-harbor", "expert"] = "safe-harbor"
    pseudonym_key: HexKey | None = Field(default=None, description="HMAC key of all beyond the door")
    key_id: str = Field(pattern=r"^[a-z0-9\-]{1,16}$", description="names the pseudonym key on each row")


class Tenant(BaseModel):
    """A Medplum project and all that is its own. What a zone may not have is left out of its deployment."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    project: str = Field(pattern=r"^[A-Za-z0-9\-\.]{1,64}$", description="the Medplum project's id")
    name: str = Field(pattern=r"^[a-z][a-z0-9\-]{0,30}$", description="the public name, used beyond the door")
    dataset: str = Field(pattern=r"^[a-z][a-z0-9_]{0,60}$", description="the BigQuery dataset")
    policy: Literal["safe-harbor", "expert"] = "safe-harbor"
    epoch: int = Field(default=1, ge=1, lt=2**31, description="raised with every policy, view or rule change")
    webhooks: dict[str, tuple[SecretStr, ...]] = Field(
        default_factory=dict,
        description="subscription name in the webhook's path → its secrets, newest first (several while rotating)",
    )
    event_key: HexKey | None = Field(default=None, description="HMAC key of ce-ids and ordering keys")
    reader: Client | None = Field(default=None, description="reads resources")
    sweeper: Client | None = Field(
        default=None, description="lists resources for reconcile, so that a sweep does not spend the reader's quota"
    )
    types: tuple[str, ...] = Field(default=(), description="the types that reconcile sweeps; empty: all that it can")
    auditors: tuple[Client, ...] = Field(default=(), description="write AuditEvents; each has a quota of its own")
    pseudonym_key: HexKey | None = Field(default=None, description="HMAC key of all beyond the door")
    key_id: str = Field(default="k1", pattern=r"^[a-z0-9\-]{1,16}$", description="names the pseudonym key on each row")
    graph_token: Annotated[SecretStr, Field(min_length=1)] | None = Field(
        default=None, description="TigerGraph's token for this tenant's graphs, which bear their datasets' names"
    )
    outgoing: bool = Field(
        default=True, description="a copy of each row of `dataset` goes to the topic `fhir.deidentified.<name>`"
    )
    also: tuple[Release, ...] = Field(
        default=(),
        description="further datasets, written too: under another policy, or under the next key of a rotation",
    )

    @property
    def releases(self) -> tuple[Release, ...]:
        """Every dataset that this tenant's rows go to."""
        own = Release(dataset=self.dataset, policy=self.policy, pseudonym_key=self.pseudonym_key, key_id=self.key_id)
        return (own, *self.also)

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        keys = [release.pseudonym_key.get_secret_value() for release in self.releases if release.pseudonym_key]
        if len({release.key_id for release in self.releases}) != len(self.releases) or len(set(keys)) != len(keys):
            raise ValueError("each release has a pseudonym key and a key_id of its own")
        return self

    @property
    def generation(self) -> int:
        """The generation of a first attempt: epoch × 2^16 (design §1)."""
        return self.epoch << 16


class Settings(BaseSettings):
    """Environment variables carry the prefix `STARVIT_`; PORT and ZONE are Cloud Run's and ours."""

    model_config = SettingsConfigDict(
        env_prefix="STARVIT_", frozen=True, extra="ignore", hide_input_in_errors=True, env_parse_none_str=""
    )

    zone: Zone = Field(default=Zone.ALL, validation_alias="ZONE", description="which handlers are mounted")
    local: bool = Field(default=False, description="the embedded parts of one machine are allowed")
    tenants: tuple[Tenant, ...] = Field(default=(), description="the Medplum projects served, as JSON")
    tenants_file: Path | None = Field(default=None, description="the same from a mounted secret; wins over `tenants`")
    gcp_project: str = Field(default="starvit", description="the Google Cloud project of topics and datasets")
    public_url: str = Field(
        default="http://127.0.0.1:8080", description="this zone's https URL: the push tokens' audience"
    )
    push_account: str = Field(
        default="push-{handler}@{project}.iam.gserviceaccount.com",
        description="the service account whose token a handler's subscription sends",
    )
    oidc_issuers: tuple[str, ...] = Field(
        default=("https://accounts.google.com", "accounts.google.com"), description="accepted `iss` of push tokens"
    )
    jwks_url: str = Field(
        default="https://www.googleapis.com/oauth2/v3/certs", description="where the issuer publishes its keys"
    )
    medplum_url: str = Field(default="https://api.medplum.com", description="the Medplum server")
    pubsub_endpoint: str = Field(default="", description="host:port of a local Pub/Sub; empty in the cloud")
    bigquery_endpoint: str = Field(default="", description="host:port of a local warehouse (gRPC); empty in the cloud")
    bigquery_url: str = Field(default="", description="URL of a local warehouse (REST); empty in the cloud")
    tigergraph_url: str = Field(default="", description="the TigerGraph server; empty: there is no graph")
    rules: Literal["none", "default", "us-core"] = Field(
        default="default",
        description="our rules beyond FHIR R4 (docs/validation.md); us-core: the default ones and US Core's",
    )
    outcomes: Literal["none", "task", "audit-event"] = Field(
        default="none",
        description="where what validation found is written in Medplum: nowhere, as a Task or as an AuditEvent, "
        "each with the OperationOutcome",
    )
    text: Literal["dlp", "local", "withhold"] = Field(
        default="dlp", description="who scrubs free text after the local matcher: DLP, nobody; or no text leaves at all"
    )
    dlp_location: str = Field(default="us-central1", description="the region of Sensitive Data Protection (DLP)")
    dlp_endpoint: str = Field(default="", description="host:port of a local DLP; empty in the cloud")
    dlp_per_minute: int = Field(
        default=600, gt=0, description="DLP requests a minute of this instance, under the quota"
    )
    ledger: str = Field(default="memory", description="memory | sqlite:<path> | firestore:<database>")
    trace_exporter: Literal["none", "gcp", "otlp"] = Field(
        default="none", description="where spans go: nowhere, to Cloud Trace, or by OTLP over HTTP to a collector"
    )
    trace_endpoint: str = Field(
        default="http://127.0.0.1:4318/v1/traces", description="the collector's URL, for `otlp`: a sidecar's"
    )
    trace_ratio: float = Field(default=0.1, ge=0, le=1, description="the share of threads whose spans are recorded")
    metrics_every: float = Field(
        default=30, gt=0, description="seconds between two snapshots of the metrics, to the log and to ops"
    )
    ledger_analytics: str = Field(
        default="", description="ops: the ledger of the analytics zone; empty: the same as `ledger`"
    )
    dead_letters: str = Field(
        default="", description="ops: the index of dead letters, as `ledger` is written; empty: beside the ledger"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="least level logged")

    # application deadline < ack deadline ≤ Cloud Run timeout < lease (design §4.6); all in seconds
    deadline: float = Field(default=25, gt=0, description="the most that a handler may take")
    ack_deadline: int = Field(default=30, ge=10, le=600, description="Pub/Sub's, and so its HTTP timeout")
    request_timeout: float = Field(default=60, gt=0, description="Cloud Run's and gunicorn's")
    lease: float = Field(default=90, gt=0, description="how long a key stays leased to a worker that died")
    retention: float = Field(default=40 * 86400, ge=31 * 86400, description="how long a ledger record is kept")

    webhook_limit: int = Field(default=10_000_000, gt=0, description="bytes of a webhook's body")
    push_limit: int = Field(default=14_000_000, gt=0, description="bytes of a push: 10 MB of data as base64 in JSON")
    resource_limit: int = Field(default=2_000_000, gt=0, description="bytes of a resource read from Medplum")
    body_room: int = Field(default=128_000_000, gt=0, description="bytes of bodies in hand at once; more are sent back")
    concurrency: int = Field(default=100, gt=0, description="messages in work at once; more are sent back (429)")
    audit_linger: float = Field(
        default=0.03, ge=0, le=1, description="seconds for which an access to PHI waits for others to share an event"
    )
    poison_limit: int = Field(
        default=50, gt=0, le=100, description="set aside of a handler's and tenant's last 100 messages before it stops"
    )
    unsigned_per_minute: int = Field(default=120, gt=0, description="webhooks without a valid signature, per address")
    proxies: int = Field(
        default=1,
        ge=0,
        description="how many proxies of ours add to X-Forwarded-For: Cloud Run's front end alone is 1, "
        "a load balancer before it makes 2; 0: the peer itself is who asks",
    )
    claims_per_minute: int = Field(
        default=600, gt=0, description="delete claims per subscription; the rest is reconcile's"
    )

    settle: float = Field(default=300, ge=0, description="seconds for which reconcile takes a change to be on its way")

    replay_limit: int = Field(default=3, gt=0, description="replays after which an event that comes back is looping")
    replay_lease: float = Field(
        default=30, ge=1, le=600, description="seconds for which a replay keeps its plan and its held messages"
    )
    require_approval: bool = Field(default=False, description="a plan needs a second person's approval")

    console_roles: dict[str, tuple[Literal["viewer", "operator", "approver"], ...]] = Field(
        default_factory=dict,
        description="ops: who may do what at the console, as JSON: an e-mail, or `group:` and a group → roles",
    )
    console_url: str = Field(default="", description="ops: where people reach the console; empty: `public_url`")
    console_audience: str = Field(
        default="", description="ops: the audience of the Identity-Aware Proxy's assertions; empty: there is no proxy"
    )
    console_keys_url: str = Field(
        default="https://www.gstatic.com/iap/verify/public_key-jwk", description="where the proxy publishes its keys"
    )
    console_key: HexKey | None = Field(
        default=None, description="one machine: signs the console's sessions; the cloud refuses it"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.deadline < self.ack_deadline <= self.request_timeout < self.lease:
            raise ValueError("must hold: deadline < ack_deadline <= request_timeout < lease")
        datasets = [release.dataset for tenant in self.tenants for release in tenant.releases]
        if len(set(datasets)) != len(datasets):
            raise ValueError("each release has a dataset of its own")
        for own in ("project", "name"):
            if len({getattr(tenant, own) for tenant in self.tenants}) != len(self.tenants):
                raise ValueError(f"each tenant has a {own} of its own")
        paths = [path for t in self.tenants for path in t.webhooks]
        if len(set(paths)) != len(paths):
            raise ValueError("a webhook subscription belongs to one tenant")
        return self

    @property
    def ledger_beyond(self) -> str:
        """The ledger of the analytics zone, for those who look at it from another one."""
        return self.ledger_analytics or self.ledger

    def account(self, handler: str) -> str:
        """The service account whose token a push to `handler` must carry."""
        return self.push_account.format(handler=handler, project=self.gcp_project)

    @property
    def console_origin(self) -> str:
        """Where forms of the console may come from."""
        return self.console_url or self.public_url

    @property
    def reconcile_url(self) -> str:
        """Where Cloud Scheduler asks for a sweep, and the audience of its token."""
        return f"{self.public_url}/v1/tasks/reconcile"

    @property
    def dead_letters_url(self) -> str:
        """Where Cloud Scheduler asks for the replays that are due, and the audience of its token."""
        return f"{self.public_url}/v1/tasks/dead-letters"

    def audience(self, handler: str) -> str:
        """The exact audience of a push to `handler`: the endpoint's URL, Pub/Sub's default."""
        return f"{self.public_url}/v1/push/{handler}"


def load() -> Settings:
    """The settings of this process. Raises pydantic.ValidationError (without values) and OSError."""
    settings = Settings()
    if settings.tenants_file is None:
        return settings
    text = settings.tenants_file.read_text()
    return Settings.model_validate({**dict(settings), "tenants": _tenants(text)})


def _tenants(text: str) -> tuple[Tenant, ...]:
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[Tenant, ...]).validate_json(text)


def key_bytes(secret: SecretStr | None) -> bytes:
    """A key as bytes. Raises ValueError where there is none; startup.refusals sees to it that a service has all of its."""
    if secret is None:
        raise ValueError("the tenant has no such key")
    return bytes.fromhex(secret.get_secret_value())


def in_cloud() -> bool:
    """Cloud Run sets K_SERVICE for every container."""
    return "K_SERVICE" in os.environ
