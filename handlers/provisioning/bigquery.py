"""Each release's dataset with its tables and views, and who may come near them.

    dataset   WRITER for the analytics zone alone; its views are authorised, so that a reader of a view needs no table
    table     grows by columns and by nothing else: what else differs is refused, with the migration to do
    view      gets its query anew; who may read which is a matter of rights.py

What is wanted, and how it may change, is the sink's own (shared/sinks/bigquery): the views that analysts read among it.
Google's client blocks, so each call is made in a thread.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handlers.provisioning.changes import Act, Change
from handlers.provisioning.deployment import zone_account
from handlers.provisioning.refusals import in_our_words
from handlers.provisioning.wanted import LABELS
from shared.settings import Release, Settings, Zone
from shared.sinks.bigquery import evolution, view_tables
from shared.sinks.bigquery.evolution import Kind, Resource

if TYPE_CHECKING:
    from google.cloud import bigquery

DATASET, TABLE, VIEW, ACCESS = "dataset", "table", "view", "access"
_ACTS = {
    Kind.CREATE: Act.CREATE,
    Kind.ALTER: Act.CHANGE,
    Kind.REPLACE_QUERY: Act.CHANGE,
    Kind.UP_TO_DATE: Act.KEEP,
    Kind.REFUSED: Act.REFUSED,
}


def wanted(project: str, release: Release) -> list[Resource]:
    """A release's tables and views, each after what it reads."""
    return [*view_tables.dataset(project, release.dataset, release.policy)]


def name_of(resource: Resource) -> str:
    """The table id."""
    return str(resource["tableReference"]["tableId"])


def views(project: str, release: Release) -> list[str]:
    """The views of a release's dataset: its own, and those of schemas/views."""
    return [name_of(resource) for resource in wanted(project, release) if "view" in resource]


class BigQueryArea:
    """`location`: where a new dataset is made; empty: BigQuery's default."""

    name = "bigquery"

    def __init__(self, settings: Settings, client: "bigquery.Client", *, location: str = "") -> None:
        self._client, self._location = client, location
        self._project = settings.gcp_project
        self._writer = zone_account(settings, Zone.ANALYTICS)
        self._releases = {one.dataset: one for tenant in settings.tenants for one in tenant.releases}
        self._steps: dict[str, evolution.Change] = {}

    async def plan(self) -> list[Change]:
        def every() -> list[Change]:
            with in_our_words():
                return [change for release in self._releases.values() for change in self._of(release)]

        return await asyncio.to_thread(every)

    async def apply(self, change: Change) -> None:
        def one() -> None:
            with in_our_words():
                self._apply(change)

        await asyncio.to_thread(one)

    async def delete(self, change: Change) -> None:
        def gone() -> None:
            with in_our_words():
                self._client.delete_table(f"{self._project}.{change.name}")

        await asyncio.to_thread(gone)

    def _of(self, release: Release) -> list[Change]:
        from google.api_core.exceptions import NotFound

        dataset, resources = release.dataset, wanted(self._project, release)
        try:
            there = self._client.get_dataset(f"{self._project}.{dataset}").to_api_repr()
        except NotFound:
            there = {}
        found = evolution.find(self._client, self._project, dataset)
        changes = [Change(self.name, DATASET, dataset, Act.KEEP if there else Act.CREATE)]
        for step in evolution.plan(resources, found):
            name = f"{dataset}.{step.name}"
            self._steps[name] = step
            kind = VIEW if "view" in step.wanted else TABLE
            changes.append(Change(self.name, kind, name, _ACTS[step.kind], how=_told(step)))
        for extra in sorted(set(found) - set(map(name_of, resources))):
            kind = VIEW if "view" in found[extra] else TABLE
            how = "neither schemas/bigquery nor schemas/views has it"
            changes.append(Change(self.name, kind, f"{dataset}.{extra}", Act.EXTRA, how=how))
        return changes + self._access(release, there)

    def _apply(self, change: Change) -> None:
        dataset, _, name = change.name.partition(".")
        if change.kind == DATASET:
            self._create(dataset)
        elif change.kind == ACCESS:
            self._grant(self._releases[dataset], name)
        else:
            evolution.apply(self._client, [self._steps[change.name]])

    def _create(self, dataset: str) -> None:
        from google.cloud import bigquery

        made = bigquery.Dataset(f"{self._project}.{dataset}")
        made.labels = LABELS
        made.location = self._location or None
        # Said aloud, or BigQuery lets every reader of the project read every table.
        owners = {"role": "OWNER", "specialGroup": "projectOwners"}
        made.access_entries = [bigquery.AccessEntry.from_api_repr(owners)]
        self._client.create_dataset(made)

    def _grant(self, release: Release, name: str) -> None:
        """Add one entry; the client sends the dataset's etag along, so that nobody else's change is lost."""
        from google.cloud import bigquery

        held = self._client.get_dataset(f"{self._project}.{release.dataset}")
        new = self._entries(release)[f"{release.dataset}.{name}"]
        held.access_entries = [*held.access_entries, bigquery.AccessEntry.from_api_repr(dict(new))]
        self._client.update_dataset(held, ["access_entries"])

    def _access(self, release: Release, there: Mapping[str, Any]) -> list[Change]:
        """Only the wanted entries are looked for: the others in an access list are people's."""
        held = list(there.get("access", ()))
        return [
            Change(self.name, ACCESS, name, Act.KEEP if entry in held else Act.CREATE)
            for name, entry in self._entries(release).items()
        ]

    def _entries(self, release: Release) -> dict[str, dict[str, object]]:
        """What the access list must have, each under a name that says it."""
        dataset = release.dataset
        entries: dict[str, dict[str, object]] = {
            f"{dataset}.WRITER {self._writer}": {"role": "WRITER", "userByEmail": self._writer}
        }
        for view in views(self._project, release):
            named = {"projectId": self._project, "datasetId": dataset, "tableId": view}
            entries[f"{dataset}.authorised {view}"] = {"view": named}
        return entries


def _told(step: evolution.Change) -> str:
    """The steps in words; a view that differs does so in its query, if in nothing else."""
    return "; ".join(step.steps) or ("another query" if step.kind is Kind.REPLACE_QUERY else "")
