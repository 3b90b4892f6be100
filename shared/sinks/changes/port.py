"""The port of the change log, for those who follow it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

DEPTH = 50  # versions of one key that are told; of a longer history the newest


@dataclass(frozen=True, slots=True)
class Change:
    """A version of a row. `resource` is None for a tombstone (deleted)."""

    resource_type: str
    key: str
    sequence: str
    deleted: bool
    resource: dict[str, object] | None = field(repr=False, hash=False)


class Changes(Protocol):
    """`project` is a tenant's public name and `key_id` a release's: together they name a dataset.

    Each question raises Problem(UNKNOWN_PROJECT | WAREHOUSE_DOWN).
    """

    async def history(self, project: str, key_id: str, key: str) -> Sequence[Change]:
        """The versions of a key, the newest DEPTH of them, each once; empty for one that was never written.

        Of what was durable when the question was put, nothing is missing.
        """
        ...

    def everything(self, project: str, key_id: str) -> AsyncIterator[Sequence[Change]]:
        """All rows as they are now, without tombstones, in pages."""
        ...

    async def close(self) -> None: ...
