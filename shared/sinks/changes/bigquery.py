"""The change log of a tenant's dataset, asked of BigQuery over REST.

All who ask within a second share one query, so that however many events come, a process puts one question a second to a
table. A key goes as a query parameter, never into the SQL. The workload needs to read the dataset.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson

from shared.batching import Batcher
from shared.errors import Code, Problem
from shared.sinks.changes.port import DEPTH, Change
from shared.sinks.queries import Queries, Rows, named

EVERY = 1.0  # seconds between two queries of one change log
_KEYS = 1_000  # in one query
_COLUMNS = "resource_type, key, sequence, deleted, TO_JSON_STRING(resource) AS resource"
# The door writes sequences of a fixed width: the order of texts is theirs.
_HISTORY = f"""
SELECT {_COLUMNS} FROM `{{dataset}}.change_log` WHERE key IN UNNEST(@keys)
QUALIFY ROW_NUMBER() OVER (PARTITION BY key ORDER BY sequence DESC) <= {DEPTH}
"""  # noqa: S608 - the dataset is a checked name
_CURRENT = """
SELECT resource_type, key, sequence, FALSE AS deleted, TO_JSON_STRING(resource) AS resource
FROM `{dataset}.resources`
"""


class BigQueryChanges:
    """Keeps shared.sinks.changes.Changes. `datasets`: (tenant's name, key id) → dataset. `endpoint`: a REST's URL.

    `patience`: seconds for a warehouse that is silent. `every`: seconds between two queries of one change log.
    """

    def __init__(
        self,
        gcp_project: str,
        datasets: Mapping[tuple[str, str], str],
        endpoint: str = "",
        *,
        patience: float = 10,
        every: float = EVERY,
        page: int = 10_000,
    ) -> None:
        named(gcp_project, datasets.values())
        self._queries = Queries(gcp_project, endpoint, patience=patience, page=page)
        self._names = {of: f"{gcp_project}.{dataset}" for of, dataset in datasets.items()}
        self._asking: dict[tuple[str, str], Batcher[str, Sequence[Change]]] = {
            of: Batcher(self._asker(name), max_items=_KEYS, in_flight=1, max_wait=every, every=every)
            for of, name in self._names.items()
        }

    async def warm(self) -> None:
        """Import Google's client now, so that the first question does not wait for it."""
        await self._queries.warm()

    async def history(self, project: str, key_id: str, key: str) -> Sequence[Change]:
        self._dataset(project, key_id)
        return await self._asking[project, key_id].submit(key)

    async def everything(self, project: str, key_id: str) -> AsyncIterator[Sequence[Change]]:
        async for page in self._queries.pages(_CURRENT.format(dataset=self._dataset(project, key_id)), {}):
            yield [_change(row) for row in page]

    async def close(self) -> None:
        """Answer whoever waits, and let go of the connections."""
        for asking in self._asking.values():
            await asking.drain()
        await self._queries.close()

    def _dataset(self, project: str, key_id: str) -> str:
        name = self._names.get((project, key_id))
        if name is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        return name

    def _asker(self, dataset: str) -> Callable[[Sequence[str]], Awaitable[list[Sequence[Change] | Exception]]]:
        sql = _HISTORY.format(dataset=dataset)

        async def ask(keys: Sequence[str]) -> list[Sequence[Change] | Exception]:
            found = await self._queries.ask(sql, {"keys": frozenset(keys)}, _by_key)
            return [found.get(key, ()) for key in keys]

        return ask


def _by_key(rows: Rows) -> dict[str, list[Change]]:
    found: defaultdict[str, list[Change]] = defaultdict(list)
    for row in rows:
        found[row["key"]].append(_change(row))
    return dict(found)


def _change(row: Mapping[str, Any]) -> Change:
    text = row["resource"]
    resource = None if row["deleted"] or text is None else orjson.loads(text)
    return Change(row["resource_type"], row["key"], row["sequence"], row["deleted"], resource)
