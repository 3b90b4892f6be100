"""The port of what an erasure asks of the warehouse."""

from collections.abc import Collection, Sequence
from typing import Protocol

from shared.erasures.port import Counts

CURRENT, LOG = "current_rows", "change_rows"


class Erasing(Protocol):
    """`project` is a tenant's public name and `key_id` a release's: together they name a dataset.

    Each call raises Problem(UNKNOWN_PROJECT | WAREHOUSE_DOWN).
    """

    async def rows_of(self, project: str, key_id: str, patient: str, since: str) -> Sequence[tuple[str, str]]:
        """Type and key of the patient himself, and of every row that says his pseudonym, anywhere in the resource, in any
        version that the current rows or the change log hold; and of what was erased since an instant.

        Of what was durable when the question was put, nothing is missing.
        """
        ...

    async def purge(self, project: str, key_id: str, keys: Collection[str]) -> None:
        """Take every row of these keys out of the change log, but the tombstones of an erasure. Safe to repeat."""
        ...

    async def remains(self, project: str, key_id: str, patient: str, keys: Collection[str]) -> Counts:
        """For each table: how many rows of these keys, or that say the patient's pseudonym, still hold something."""
        ...

    async def close(self) -> None: ...
