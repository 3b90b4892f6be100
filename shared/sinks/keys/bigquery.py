"""The keys of a tenant's dataset, asked of BigQuery over REST. The workload needs to read the two views."""

from collections.abc import Callable, Collection, Mapping

from shared.deid.row import ERASED
from shared.errors import Code, Problem
from shared.sinks.keys.port import KeyRow, asked, by_key
from shared.sinks.queries import Given, Queries, Rows, named

_TYPES = "SELECT DISTINCT resource_type FROM `{dataset}.keys`"
_KEYS = "SELECT key, sequence, version, generation, deleted FROM `{dataset}.keys` WHERE resource_type = @type"
_VERSIONS = """
SELECT key, version FROM `{dataset}.versions`
WHERE resource_type = @type AND (NOT deleted OR version = @erased) AND key IN UNNEST(@keys)
"""


class BigQueryKeys:
    """Keeps shared.sinks.keys.WarehouseKeys. `datasets`: (tenant's name, key id) → dataset. `endpoint`: a REST's URL.

    `patience`: seconds for a warehouse that is silent. `page`: rows of one answer. Raises ValueError for a bad name.
    """

    def __init__(
        self,
        gcp_project: str,
        datasets: Mapping[tuple[str, str], str],
        endpoint: str = "",
        *,
        patience: float = 10,
        page: int = 10_000,
    ) -> None:
        named(gcp_project, datasets.values())
        self._project, self._datasets = gcp_project, dict(datasets)
        self._queries = Queries(gcp_project, endpoint, patience=patience, page=page)

    async def types(self, project: str, key_id: str) -> frozenset[str]:
        def read(rows: Rows) -> frozenset[str]:
            return frozenset(row["resource_type"] for row in rows)

        return await self._ask(self._dataset(project, key_id), _TYPES, {}, read)

    async def keys(self, project: str, key_id: str, resource_type: str) -> Mapping[str, KeyRow]:
        def read(rows: Rows) -> dict[str, KeyRow]:
            return {row["key"]: KeyRow(**row) for row in rows}

        return await self._ask(self._dataset(project, key_id), _KEYS, {"type": resource_type}, read)

    async def versions(
        self, project: str, key_id: str, resource_type: str, keys: Collection[str]
    ) -> Mapping[str, frozenset[str]]:
        wanted = asked(keys)

        def read(rows: Rows) -> dict[str, frozenset[str]]:
            return by_key(wanted, ((row["key"], row["version"]) for row in rows))

        given: Given = {"type": resource_type, "keys": wanted, "erased": ERASED}
        return await self._ask(self._dataset(project, key_id), _VERSIONS, given, read)

    async def close(self) -> None:
        """Let go of the connections. No question may be under way."""
        await self._queries.close()

    def _dataset(self, project: str, key_id: str) -> str:
        dataset = self._datasets.get((project, key_id))
        if dataset is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        return f"{self._project}.{dataset}"

    async def _ask[T](self, dataset: str, sql: str, given: Given, read: Callable[[Rows], T]) -> T:
        return await self._queries.ask(sql.format(dataset=dataset), given, read)
