"""Each release's dataset with its tables and views, and who may come near them.

    dataset   WRITER for the analytics zone alone; its views are authorised, so that a reader of a view needs no table
    table     what is there is not changed here: `tables` says what differs
    view      gets its query anew; who may read which is a matter of rights.py

Google's client blocks, so each call is made in a thread.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handlers.provisioning import tables
from handlers.provisioning.changes import Act, Change
from handlers.provisioning.deployment import zone_account
from handlers.provisioning.refusals import in_our_words
from handlers.provisioning.tables import Kind, Step
from handlers.provisioning.wanted import LABELS
from shared.settings import Release, Settings, Zone

if TYPE_CHECKING:
    from google.cloud import bigquery

DATASET, TABLE, VIEW, ACCESS = "dataset", "table", "view", "access"
_ACTS = {
    Kind.CREATE: Act.CREATE,
    Kind.REPLACE_QUERY: Act.CHANGE,
    Kind.UP_TO_DATE: Act.KEEP,
    Kind.REFUSED: Act.REFUSED,
}


class BigQueryArea:
    """`location`: where a new dataset is made; empty: BigQuery's default."""

    name = "bigquery"

    def __init__(self, settings: Settings, client: "bigquery.Client", *, location: str = "") -> None:
        self._client, self._location = client, location
        self._project = settings.gcp_project
        self._writer = zone_account(settings, Zone.ANALYTICS)
        self._releases = {one.dataset: one for tenant in settings.tenants for one in tenant.releases}
        self._steps: dict[str, Step] = {}

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

        dataset, wanted = release.dataset, tables.wanted(self._project, release)
        try:
            there = self._client.get_dataset(f"{self._project}.{dataset}").to_api_repr()
            found = tables.find(self._client, self._project, dataset)
        except NotFound:
            there, found = {}, {}
        changes = [Change(self.name, DATASET, dataset, Act.KEEP if there else Act.CREATE)]
        for step in tables.plan(wanted, found):
            name = f"{dataset}.{step.name}"
            self._steps[name] = step
            kind = VIEW if tables.is_view(step.wanted) else TABLE
            changes.append(Change(self.name, kind, name, _ACTS[step.kind], how="; ".join(step.steps)))
        for extra in sorted(set(found) - set(map(tables.name_of, wanted))):
            how = "schemas/bigquery does not name it"
            changes.append(Change(self.name, TABLE, f"{dataset}.{extra}", Act.EXTRA, how=how))
        return changes + self._access(release, there)

    def _apply(self, change: Change) -> None:
        dataset, _, name = change.name.partition(".")
        if change.kind == DATASET:
            self._create(dataset)
        elif change.kind == ACCESS:
            self._grant(self._releases[dataset], name)
        else:
            tables.apply(self._client, self._steps[change.name])

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
        for view in tables.view_names(self._project, release):
            named = {"projectId": self._project, "datasetId": dataset, "tableId": view}
            entries[f"{dataset}.authorised {view}"] = {"view": named}
        return entries
