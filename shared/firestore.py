"""A Firestore database as its stores use it: one client, one patience, one word for every failure.

The client is made on first use, in the running loop: gRPC's threads do not survive gunicorn's fork. Its own retries go on for
one to five minutes whatever `timeout` says, and repeat what may not be repeated; ours are of a server that was not reached,
and end with the call's patience.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.errors import Code, Problem

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient


class Database:
    """`patience`: how long one call may take, repeats included, in seconds."""

    def __init__(self, name: str, project: str, patience: float) -> None:
        self._name, self._project, self._patience = name, project, patience
        self._client: AsyncClient | None = None
        self._limits: dict[str, Any] = {}

    @property
    def client(self) -> "AsyncClient":
        """Google's client."""
        if self._client is None:
            from google.cloud.firestore import AsyncClient

            self._client = AsyncClient(project=self._project, database=self._name)
        return self._client

    @property
    def limits(self) -> dict[str, Any]:
        """`retry` and `timeout`, for each call."""
        if not self._limits:
            from google.api_core.exceptions import ServiceUnavailable
            from google.api_core.retry import AsyncRetry, if_exception_type

            retry = AsyncRetry(if_exception_type(ServiceUnavailable), initial=0.05, maximum=1.0, timeout=self._patience)
            self._limits = {"retry": retry, "timeout": self._patience}
        return self._limits

    async def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            await client._firestore_api.transport.close()  # AsyncClient has no close of its own


@contextmanager
def store_down(store: str = "firestore") -> Iterator[None]:
    """Whatever Google's client raises means one thing to the caller. Its text may hold the document's path."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (GoogleAPIError, GoogleAuthError):
        raise Problem(Code.LEDGER_DOWN, store) from None
