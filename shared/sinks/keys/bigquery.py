"""The keys of a tenant's dataset, asked of BigQuery over REST.

Google's client blocks, so a question is asked in a thread, and all threads share one client, made for the first
question: after the fork. Whoever is cancelled does not wait for the thread; its own deadlines end it. A type and keys
go as query parameters, never into the SQL.

With an `endpoint` (one machine) there are no credentials; else the workload's own, which need to run queries in the
project and to read the two views.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from shared.errors import Code, Problem
from shared.sinks.keys.port import KeyRow, asked, by_key

_PROJECT = re.compile(r"[a-z][a-z0-9\-]{0,62}")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_WAIT = 120.0  # seconds for a query to end, and for a further page of its answer: there Google's client takes no less

_TYPES = "SELECT DISTINCT resource_type FROM `{dataset}.keys`"
_KEYS = "SELECT key, sequence, version, generation, deleted FROM `{dataset}.keys` WHERE resource_type = @type"
_VERSIONS = """
SELECT key, version FROM `{dataset}.versions` WHERE resource_type = @type AND NOT deleted AND key IN UNNEST(@keys)
"""

type _Given = Mapping[str, str | Collection[str]]
type _Rows = Iterable[Mapping[str, Any]]


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
        if not _PROJECT.fullmatch(gcp_project) or not all(map(_DATASET.fullmatch, datasets.values())):
            raise ValueError("not the name of a project or dataset")  # the one thing that can be no query parameter
        self._project, self._datasets, self._endpoint = gcp_project, dict(datasets), endpoint
        self._patience, self._page = patience, page
        self._connecting = threading.Lock()
        self._client: Any = None

    async def types(self, project: str, key_id: str) -> frozenset[str]:
        def read(rows: _Rows) -> frozenset[str]:
            return frozenset(row["resource_type"] for row in rows)

        return await self._ask(self._dataset(project, key_id), _TYPES, {}, read)

    async def keys(self, project: str, key_id: str, resource_type: str) -> Mapping[str, KeyRow]:
        def read(rows: _Rows) -> dict[str, KeyRow]:
            return {row["key"]: KeyRow(**row) for row in rows}

        return await self._ask(self._dataset(project, key_id), _KEYS, {"type": resource_type}, read)

    async def versions(
        self, project: str, key_id: str, resource_type: str, keys: Collection[str]
    ) -> Mapping[str, frozenset[str]]:
        wanted = asked(keys)

        def read(rows: _Rows) -> dict[str, frozenset[str]]:
            return by_key(wanted, ((row["key"], row["version"]) for row in rows))

        given: _Given = {"type": resource_type, "keys": wanted}
        return await self._ask(self._dataset(project, key_id), _VERSIONS, given, read)

    async def close(self) -> None:
        """Let go of the connections. No question may be under way."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _dataset(self, project: str, key_id: str) -> str:
        dataset = self._datasets.get((project, key_id))
        if dataset is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        return f"{self._project}.{dataset}"

    async def _ask[T](self, dataset: str, sql: str, given: _Given, read: Callable[[_Rows], T]) -> T:
        return await asyncio.to_thread(self._answer, sql.format(dataset=dataset), given, read)

    def _answer[T](self, sql: str, given: _Given, read: Callable[[_Rows], T]) -> T:
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import bigquery
        from google.cloud.bigquery.retry import DEFAULT_RETRY
        from requests import RequestException

        parameters = [
            bigquery.ScalarQueryParameter(name, "STRING", value)
            if isinstance(value, str)
            else bigquery.ArrayQueryParameter(name, "STRING", list(value))
            for name, value in given.items()
        ]
        try:
            rows = self._connect().query_and_wait(
                sql,
                job_config=bigquery.QueryJobConfig(query_parameters=parameters),
                retry=DEFAULT_RETRY.with_timeout(self._patience),
                job_retry=None,
                api_timeout=self._patience,
                wait_timeout=_WAIT,
                page_size=self._page,
            )
            return read(rows)  # which fetches the further pages
        except (GoogleAPIError, GoogleAuthError, RequestException, TimeoutError) as error:
            raise Problem(Code.WAREHOUSE_DOWN, type(error).__name__) from None

    def _connect(self) -> Any:
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery

        with self._connecting:
            if self._client is None:
                here = (AnonymousCredentials(), ClientOptions(api_endpoint=self._endpoint))
                credentials, options = here if self._endpoint else (None, None)
                self._client = bigquery.Client(self._project, credentials, client_options=options)
            return self._client
