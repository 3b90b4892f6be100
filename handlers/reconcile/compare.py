"""What differs between Medplum and one dataset, for one resource type. Pure: no port, no clock.

    there   what Medplum shows: a resource and its version, as the dataset's pseudonyms
    rows    the current row of each key, as it was BEFORE Medplum was asked

The order matters: whatever is in the warehouse before the walk begins is met by the walk, if it is still there. So a
key that the walk did not meet has vanished, and has not merely come later.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum

from shared.deid.row import LAST
from shared.sinks.keys import KeyRow

SHARE, FEW = 0.01, 3  # of a type's rows that may vanish in one sweep before somebody has to look


class Standing(StrEnum):
    """How a resource that is there stands in a dataset."""

    RIGHT = "right"
    MISSING = "missing"  # no row, or the tombstone of an older version
    STALE = "stale"  # the row of another version
    ERASED = "erased"  # its patient was erased: it stays out, whatever comes
    HIDDEN = "hidden"  # the tombstone of this very version: only a new version brings the resource back


def standing(row: KeyRow | None, version: str, generation: int = 0) -> Standing:
    """How a resource that is there in `version` stands, by its row. A row of an older `generation` is stale too."""
    if row is not None and row.sequence == LAST:
        return Standing.ERASED
    if row is None or (row.deleted and row.version != version):
        return Standing.MISSING
    if row.deleted:
        return Standing.HIDDEN
    return Standing.RIGHT if row.version == version and row.generation >= generation else Standing.STALE


def vanished(met: Collection[str], rows: Mapping[str, KeyRow]) -> list[KeyRow]:
    """The rows, tombstones left out, whose resource the walk did not meet."""
    return [row for row in rows.values() if not row.deleted and row.key not in met]


def too_many(gone: int, rows: int) -> bool:
    """Whether so many of a type's rows would go that somebody has to look first.

    A narrowed AccessPolicy hides resources from us, and looks like their deletion: more than one in a hundred, or all.
    """
    return gone > 0 and (gone == rows or gone > max(FEW, SHARE * rows))
