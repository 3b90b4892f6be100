"""What only an operator's commands ask: where the deployment lives, and who may look at what it makes.

Read from the environment beside the service's own settings, with the same prefix. The service never reads these.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import Client, Settings, Zone

Severity = Literal["critical", "warning"]
Channel = Annotated[str, Field(pattern=r"^projects/[a-z0-9\-:.]+/notificationChannels/[0-9]+$")]


class Team(BaseModel):
    """Another team that a tenant's rows go to."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    project: str = Field(pattern=r"^[a-z][a-z0-9\-]{0,30}$", description="the tenant's public name")
    account: str = Field(
        pattern=r"^[^@\s]+@[^@\s]+$", description="the e-mail of the service account that pulls, or that a push bears"
    )
    kind: Literal["pull", "push"] = "pull"
    endpoint: str = Field(default="", pattern=r"^(https://\S+)?$", description="where to push to")

    @model_validator(mode="after")
    def _to_somewhere(self) -> Self:
        if (self.kind == "push") != bool(self.endpoint):
            raise ValueError("a push has an endpoint, and a pull has none")
        return self


class Deployment(BaseSettings):
    """For `./dev provision` and `./dev doctor`."""

    model_config = SettingsConfigDict(
        env_prefix="STARVIT_", frozen=True, extra="ignore", hide_input_in_errors=True, env_parse_none_str=""
    )

    region: str = Field(default="", description="the region of Cloud Run, Firestore, Scheduler and the datasets")
    project_number: str = Field(
        default="", pattern=r"^\d*$", description="the Google Cloud project's number: its service agents bear it"
    )
    zone_url: str = Field(
        default="https://starvit-{zone}-{number}.{region}.run.app", description="the https URL of a zone's service"
    )
    storage_regions: tuple[str, ...] = Field(
        default=(), description="the only regions in which Pub/Sub may store messages; empty: the organisation's policy"
    )
    topic_retention_days: int = Field(
        default=7, ge=0, le=31, description="how long a topic keeps what was acknowledged, for a replay; 0: not at all"
    )
    backoff_least: float = Field(default=10, ge=0, description="seconds before a message is pushed a second time")
    backoff_most: float = Field(default=600, le=600, description="the most that this grows to, in seconds")
    analysts: str = Field(default="", description="the e-mail of the analysts' group: reads the views, never a table")
    reconcile_schedule: str = Field(default="*/5 * * * *", description="when the scheduler asks for reconcile, in UTC")
    dead_letters_schedule: str = Field(
        default="* * * * *", description="when the scheduler asks for the replays that are due, in UTC"
    )
    alert_channels: dict[Severity, tuple[Channel, ...]] = Field(
        default_factory=dict,
        description="severity, critical or warning → the notification channels of its alerts, "
        "projects/P/notificationChannels/ID; none: policies without channels, which tell nobody but the console",
    )
    teams: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9\-]{0,30}$")], Team] = Field(
        default_factory=dict,
        description="team's name → {project: the tenant's public name, account, kind: pull or push, endpoint}: "
        "who else is sent a tenant's de-identified rows",
    )
    operators: dict[str, Client] = Field(
        default_factory=dict,
        description="tenant's name → a Medplum client that may read Subscriptions, memberships and access policies",
    )
    untold: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="tenant's name → types that no Subscription is meant to tell of, only reconcile",
    )
    google_url: str = Field(default="", description="URL of a local stand-in of Google's REST APIs; empty in the cloud")
    firestore_admin_endpoint: str = Field(
        default="", description="host:port of a local Firestore Admin; empty in the cloud"
    )

    def url(self, settings: Settings, zone: Zone) -> str:
        """Where a zone's service is. On one machine all zones are one service."""
        if settings.local:
            return settings.public_url
        return self.zone_url.format(zone=zone, number=self.project_number, region=self.region)

    def refusal(self, settings: Settings) -> str:
        """Why a deployment can not be described like this; empty if it can."""
        places = () if settings.local else ("region", "project_number")
        if lacking := [f"STARVIT_{name.upper()}" for name in places if not getattr(self, name)]:
            return f"not set: {', '.join(lacking)}"
        sending = {tenant.name for tenant in settings.tenants if tenant.outgoing}
        if lost := sorted(name for name, team in self.teams.items() if team.project not in sending):
            return f"STARVIT_TEAMS: no tenant that sends its rows out for {', '.join(lost)}"
        return ""


def zone_account(settings: Settings, zone: Zone) -> str:
    """The service account that a zone's service runs as (service.yaml)."""
    return f"starvit-{zone}@{settings.gcp_project}.iam.gserviceaccount.com"
