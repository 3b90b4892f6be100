"""What an erasure asks of a tenant's dataset, over REST. The workload needs to read, and to write the change log.

Looking for a pseudonym reads both tables from end to end: dear, and seldom. A table of changes takes no DML, so its rows
are overwritten by tombstones; the change log takes it, also for rows that came through the Storage Write API a moment
ago. Were that refused all the same, the order would be tried again until it is not.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import batched

from shared.deid.row import LAST
from shared.erasures.port import Counts
from shared.errors import Code, Problem
from shared.sinks.bigquery import view_tables
from shared.sinks.erasing.port import CURRENT, LOG
from shared.sinks.queries import Queries, Rows, named
from shared.views import View, shipped

_KEYS = 5_000  # in one statement
_HIS = (
    "(resource_type = 'Patient' AND key = @patient AND NOT deleted) OR STRPOS(TO_JSON_STRING(resource), @patient) > 0"
)
_ROWS = f"""
SELECT DISTINCT resource_type, key FROM (
  SELECT resource_type, key FROM `{{dataset}}.{CURRENT}`
  WHERE {_HIS} OR (sequence = @last AND committed_at >= CAST(@since AS TIMESTAMP))
  UNION ALL
  SELECT resource_type, key FROM `{{dataset}}.{LOG}` WHERE {_HIS}
)
"""  # noqa: S608 - the dataset is a checked name
_PURGE = f"DELETE FROM `{{dataset}}.{LOG}` WHERE key IN UNNEST(@keys) AND sequence != @last"  # noqa: S608
_LEFT = """
SELECT '{table}' AS place, COUNT(*) AS remaining FROM `{{dataset}}.{table}`
WHERE (key IN UNNEST(@keys) AND {full}) OR STRPOS(TO_JSON_STRING({column}), @patient) > 0
"""


class BigQueryErasing:
    """Keeps shared.sinks.erasing.port.Erasing. `datasets`: (tenant's name, key id) → dataset. `endpoint`: a REST's URL.

    `patience`: seconds for a warehouse that is silent. `views`: those that have a table.
    """

    def __init__(
        self,
        gcp_project: str,
        datasets: Mapping[tuple[str, str], str],
        endpoint: str = "",
        *,
        patience: float = 10,
        views: Sequence[View] | None = None,
    ) -> None:
        named(gcp_project, datasets.values())
        self._queries = Queries(gcp_project, endpoint, patience=patience)
        self._names = {of: f"{gcp_project}.{dataset}" for of, dataset in datasets.items()}
        self._views = views

    async def rows_of(self, project: str, key_id: str, patient: str, since: str) -> Sequence[tuple[str, str]]:
        def read(rows: Rows) -> list[tuple[str, str]]:
            return [(row["resource_type"], row["key"]) for row in rows]

        given = {"patient": patient, "last": LAST, "since": since}
        found = await self._queries.ask(_ROWS.format(dataset=self._dataset(project, key_id)), given, read)
        return sorted({("Patient", patient), *found})

    async def purge(self, project: str, key_id: str, keys: Collection[str]) -> None:
        statement = _PURGE.format(dataset=self._dataset(project, key_id))
        for some in batched(keys, _KEYS, strict=False):
            await self._queries.ask(statement, {"keys": some, "last": LAST}, lambda _: None)

    async def remains(self, project: str, key_id: str, patient: str, keys: Collection[str]) -> Counts:
        def read(rows: Rows) -> dict[str, int]:
            return {row["place"]: row["remaining"] for row in rows}

        views = [view_tables.name_of(view) for view in (shipped() if self._views is None else self._views)]
        parts = [
            *(_LEFT.format(table=table, full="NOT deleted", column="resource") for table in (CURRENT, LOG)),
            *(_LEFT.format(table=table, full="ARRAY_LENGTH(`rows`) > 0", column="`rows`") for table in views),
        ]
        question = "UNION ALL".join(parts).format(dataset=self._dataset(project, key_id))
        return await self._queries.ask(question, {"keys": keys, "patient": patient}, read)

    async def close(self) -> None:
        """Let go of the connections. No question may be under way."""
        await self._queries.close()

    def _dataset(self, project: str, key_id: str) -> str:
        name = self._names.get((project, key_id))
        if name is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        return name
