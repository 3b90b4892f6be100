"""What only an operator's commands ask: where the deployment lives, and who may look at what it makes.

Read from the environment beside the service's own settings, with the same prefix. The service never reads these.
"""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import Client, Settings, Zone


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
    operators: dict[str, Client] = Field(
        default_factory=dict,
        description="tenant's name → a Medplum client that may read Subscriptions, memberships and access policies",
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

    def lacks(self, settings: Settings) -> list[str]:
        """The variables without which a deployment in the cloud can not be described."""
        if settings.local:
            return []
        return [f"STARVIT_{name.upper()}" for name in ("region", "project_number") if not getattr(self, name)]


def zone_account(settings: Settings, zone: Zone) -> str:
    """The service account that a zone's service runs as (service.yaml)."""
    return f"starvit-{zone}@{settings.gcp_project}.iam.gserviceaccount.com"
