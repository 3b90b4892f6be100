"""Questions asked of BigQuery over REST.

Google's client blocks, so a question is asked in a thread, and all threads share one client, made for the first
question: after the fork. Whoever is cancelled does not wait for the thread; its own deadlines end it. What is asked for
goes as query parameters, never into the SQL.

With an `endpoint` (one machine) there are no credentials; else the workload's own, which need to run queries in the
project and to read what the SQL names.
"""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from typing import Any

from shared.errors import Code, Problem

_PROJECT = re.compile(r"[a-z][a-z0-9\-]{0,62}")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_WAIT = 120.0  # seconds for a query to end, and for a further page of its answer: there Google's client takes no less

type Given = Mapping[str, str | Collection[str]]
type Rows = Iterable[Mapping[str, Any]]


def named(gcp_project: str, datasets: Iterable[str]) -> None:
    """Raises ValueError for what is no name: the one thing that can be no query parameter."""
    if not _PROJECT.fullmatch(gcp_project) or not all(map(_DATASET.fullmatch, datasets)):
        raise ValueError("not the name of a project or dataset")


class Queries:
    """`endpoint`: a REST's URL. `patience`: seconds for a warehouse that is silent. `page`: rows of one answer."""

    def __init__(self, gcp_project: str, endpoint: str = "", *, patience: float = 10, page: int = 10_000) -> None:
        self._project, self._endpoint = gcp_project, endpoint
        self._patience, self._page = patience, page
        self._connecting = threading.Lock()
        self._client: Any = None

    async def ask[T](self, sql: str, given: Given, read: Callable[[Rows], T]) -> T:
        """What `read` makes of the rows. Raises Problem(WAREHOUSE_DOWN)."""
        return await asyncio.to_thread(self._answer, sql, given, read)

    async def pages(self, sql: str, given: Given) -> AsyncIterator[Rows]:
        """The rows page by page, so that memory stays flat. Raises Problem(WAREHOUSE_DOWN)."""
        pages: Any = await asyncio.to_thread(self._answer, sql, given, _paged)
        while (page := await asyncio.to_thread(self._failing, lambda: next(pages, None))) is not None:
            yield page

    async def warm(self) -> None:
        """Pay for the import now: in the first question's thread it would keep the event loop waiting for the better part
        of a second. The client itself is made for the first question, since it asks who we are."""
        from google.cloud import bigquery  # noqa: F401 - for being imported

    async def close(self) -> None:
        """Let go of the connections. No question may be under way."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _answer[T](self, sql: str, given: Given, read: Callable[[Rows], T]) -> T:
        from google.cloud import bigquery
        from google.cloud.bigquery.retry import DEFAULT_RETRY

        parameters = [
            bigquery.ScalarQueryParameter(name, "STRING", value)
            if isinstance(value, str)
            else bigquery.ArrayQueryParameter(name, "STRING", list(value))
            for name, value in given.items()
        ]

        def ask() -> T:
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

        return self._failing(ask)

    def _failing[T](self, ask: Callable[[], T]) -> T:
        """What `ask` returns, its failures in our words."""
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        try:
            return ask()
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


def _paged(rows: Any) -> Any:
    return rows.pages
