"""The port of the warehouse's keys, and what its adapter and its twin do alike."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from msgspec import Struct

MOST_KEYS = 1_000  # in one question


class KeyRow(Struct, frozen=True):
    """A current row without its resource. `deleted`: it is a tombstone."""

    key: str
    sequence: str
    version: str
    generation: int
    deleted: bool


class WarehouseKeys(Protocol):
    """`project` is a tenant's public name and `key_id` a release's: together they name a dataset.

    Each question raises Problem(UNKNOWN_PROJECT | WAREHOUSE_DOWN).
    """

    async def types(self, project: str, key_id: str) -> frozenset[str]:
        """The resource types that have rows, tombstones included."""
        ...

    async def keys(self, project: str, key_id: str, resource_type: str) -> Mapping[str, KeyRow]:
        """The current row of each key, tombstones included."""
        ...

    async def versions(
        self, project: str, key_id: str, resource_type: str, keys: Collection[str]
    ) -> Mapping[str, frozenset[str]]:
        """For each of these keys the versions that the change log holds as writes: an empty set where it holds none.
        Of a key that was erased there is ERASED (shared.deid.row) among them.

        Raises ValueError for more than MOST_KEYS.
        """
        ...

    async def close(self) -> None: ...


def asked(keys: Collection[str]) -> frozenset[str]:
    """The keys of one question. Raises ValueError if they are too many for it."""
    if len(keys) > MOST_KEYS:
        raise ValueError("more keys than one question takes")
    return frozenset(keys)


def by_key(keys: frozenset[str], found: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """The versions of (key, version) pairs, for each of the keys that were asked for."""
    versions: defaultdict[str, set[str]] = defaultdict(set)
    for key, version in found:
        versions[key].add(version)
    return {key: frozenset(versions[key]) for key in keys}
