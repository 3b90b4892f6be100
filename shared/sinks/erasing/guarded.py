"""The warehouse that lets nothing of an erased patient in.

    row ─► is a patient of it on the list? ─ no ─► write ─► is one now? ─ no ─► done
                       │                                        │
                       └─ yes ─► its tombstone, and its key purged from the change log ◄─┘

The first look keeps his data out; the second is what an erasure relies on that began between the two (see __init__.py).
Whoever is told of the write then reads the tombstone: to the graph it is a newer state.
"""

from shared.deid.row import SafeRow, erased, patients
from shared.erasures.port import Erasures
from shared.sinks.erasing.port import Erasing
from shared.sinks.port import Warehouse


class Guarded:
    """Keeps shared.sinks.port.Warehouse. Also raises Problem(LEDGER_DOWN): what can not be checked is not written."""

    def __init__(self, warehouse: Warehouse, erasures: Erasures, erasing: Erasing) -> None:
        self._warehouse, self._erasures, self._erasing = warehouse, erasures, erasing

    async def write(self, row: SafeRow) -> None:
        if row.deleted:  # a tombstone holds nothing
            await self._warehouse.write(row)
            return
        if not await self._suppressed(row):
            await self._warehouse.write(row)
            if not await self._suppressed(row):
                return
        await self._bury(row)

    async def close(self) -> None:
        await self._warehouse.close()

    async def _bury(self, row: SafeRow) -> None:
        """Also when nothing of it was written now: an earlier attempt may have, and died before it looked again."""
        await self._warehouse.write(erased(row.resource_type, row.key, row))
        await self._erasing.purge(row.project, row.key_id, [row.key])

    async def _suppressed(self, row: SafeRow) -> bool:
        names = patients(row)
        return bool(names and await self._erasures.among(row.project, row.key_id, names))
