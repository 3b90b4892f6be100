"""Each release's dataset with its tables and views, and who may come near them.

    dataset   WRITER for the analytics zone alone; its views are authorised, so that a reader of a view needs no table
    table     schemas/bigquery/*.json
    view      schemas/bigquery/*.sql; who may read which is a matter of rights.py

Google's client blocks, so each call is made in a thread. What becomes of a table that is there is `evolve`'s to say.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from handlers.provisioning.changes import Act, Change, compared
from handlers.provisioning.deployment import zone_account
from handlers.provisioning.refusals import in_our_words
from handlers.provisioning.wanted import LABELS
from shared.settings import Settings, Zone
from shared.sinks.bigquery import schema

if TYPE_CHECKING:
    from google.cloud import bigquery

DATASET, TABLE, VIEW, ACCESS = "dataset", "table", "view", "access"
# The differences of a table: the REST resource wanted, the one found → field: (found, wanted).
type Differs = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, tuple[object, object]]]

_EVOLVE = "a table with rows is changed by its own migration: compare it with schemas/bigquery"


def columns_differ(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, tuple[object, object]]:
    """Column by column: what is missing or of another type. Columns that nobody wants are left alone."""
    has = {column.name: column for column in schema.columns(dict(found))}
    return {
        column.name: (_told(has.get(column.name)), _told(column))
        for column in schema.columns(dict(wanted))
        if has.get(column.name) != column
    }


class BigQueryArea:
    """`client`: a bigquery.Client. `location`: where a new dataset is made; empty: BigQuery's default."""

    name = "bigquery"

    def __init__(
        self,
        settings: Settings,
        client: "bigquery.Client",
        *,
        location: str = "",
        differs: Differs = columns_differ,
    ) -> None:
        self._client, self._location, self._differs = client, location, differs
        self._project = settings.gcp_project
        self._writer = zone_account(settings, Zone.ANALYTICS)
        self._datasets = [release.dataset for tenant in settings.tenants for release in tenant.releases]

    async def plan(self) -> list[Change]:
        return await asyncio.to_thread(self._plan)

    async def apply(self, change: Change) -> None:
        await asyncio.to_thread(self._apply, change)

    async def delete(self, change: Change) -> None:
        def gone() -> None:
            with in_our_words():
                self._client.delete_table(f"{self._project}.{change.name}")

        await asyncio.to_thread(gone)

    def _plan(self) -> list[Change]:
        return [change for dataset in self._datasets for change in self._of(dataset)]

    def _of(self, dataset: str) -> list[Change]:
        from google.api_core.exceptions import NotFound

        wanted = {(TABLE, name): schema.table(name, self._project, dataset) for name in schema.TABLES}
        wanted |= {(VIEW, name): schema.view(name, self._project, dataset) for name in schema.VIEWS}
        with in_our_words():
            try:
                there = self._client.get_dataset(f"{self._project}.{dataset}").to_api_repr()
            except NotFound:
                there = None
        if there is None:
            made = [Change(self.name, DATASET, dataset, Act.CREATE)]
            made += [Change(self.name, kind, f"{dataset}.{name}", Act.CREATE) for kind, name in wanted]
            return made + self._access(dataset, {})
        with in_our_words():
            listed = {item.table_id for item in self._client.list_tables(f"{self._project}.{dataset}")}
            found = {
                (kind, name): self._client.get_table(f"{self._project}.{dataset}.{name}").to_api_repr()
                for kind, name in wanted
                if name in listed
            }
        changes = [Change(self.name, DATASET, dataset, Act.KEEP)]
        for (kind, name), resource in wanted.items():
            changes.append(self._compared(kind, f"{dataset}.{name}", resource, found.get((kind, name))))
        known = {name for _, name in wanted}
        changes += [
            Change(self.name, TABLE, f"{dataset}.{name}", Act.EXTRA, how="schemas/bigquery does not name it")
            for name in sorted(listed - known)
        ]
        return changes + self._access(dataset, there)

    def _compared(self, kind: str, name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> Change:
        if found is None:
            return Change(self.name, kind, name, Act.CREATE)
        if kind == VIEW:
            return compared(self.name, kind, name, {"query": _query(wanted)}, {"query": _query(found)})
        differing = self._differs(wanted, found)
        if not differing:
            return Change(self.name, kind, name, Act.KEEP)
        return Change(self.name, kind, name, Act.REFUSED, differing, _EVOLVE)

    def _apply(self, change: Change) -> None:
        from google.cloud import bigquery

        dataset, _, name = change.name.partition(".")
        with in_our_words():
            if change.kind == DATASET and change.act is Act.CREATE:
                made = bigquery.Dataset(f"{self._project}.{dataset}")
                made.labels = LABELS
                made.location = self._location or None
                # Said aloud, or BigQuery lets every reader of the project read every table.
                owners = {"role": "OWNER", "specialGroup": "projectOwners"}
                made.access_entries = [bigquery.AccessEntry.from_api_repr(owners)]
                self._client.create_dataset(made)
            elif change.kind == ACCESS:
                self._grant(dataset, name)
            elif change.act is Act.CREATE:
                make = schema.table if change.kind == TABLE else schema.view
                self._client.create_table(bigquery.Table.from_api_repr(make(name, self._project, dataset)))
            else:
                view = self._client.get_table(f"{self._project}.{change.name}")
                view.view_query = _query(schema.view(name, self._project, dataset))
                self._client.update_table(view, ["view_query"])

    def _grant(self, dataset: str, name: str) -> None:
        """Add one entry; the client sends the dataset's etag along, so that nobody else's change is lost."""
        from google.cloud import bigquery

        held = self._client.get_dataset(f"{self._project}.{dataset}")
        new = self._entries(dataset)[f"{dataset}.{name}"]
        held.access_entries = [*held.access_entries, bigquery.AccessEntry.from_api_repr(dict(new))]
        self._client.update_dataset(held, ["access_entries"])

    def _access(self, dataset: str, there: Mapping[str, Any]) -> list[Change]:
        """Only the wanted entries are looked for: the others in an access list are people's."""
        held = list(there.get("access", ()))
        return [
            Change(self.name, ACCESS, name, Act.KEEP if entry in held else Act.CREATE)
            for name, entry in self._entries(dataset).items()
        ]

    def _entries(self, dataset: str) -> dict[str, dict[str, object]]:
        """What the access list must have, each under a name that says it."""
        entries: dict[str, dict[str, object]] = {
            f"{dataset}.WRITER {self._writer}": {"role": "WRITER", "userByEmail": self._writer}
        }
        for view in schema.VIEWS:
            named = {"projectId": self._project, "datasetId": dataset, "tableId": view}
            entries[f"{dataset}.authorised {view}"] = {"view": named}
        return entries


def _query(view: Mapping[str, Any]) -> str:
    return str(view.get("view", {}).get("query", "")).strip()


def _told(column: schema.Column | None) -> str:
    return "missing" if column is None else f"{column.type}{' REQUIRED' if column.required else ''}"
