"""The ledger's twin: a dict. For tests, simulations and a service that runs as one process on one machine.

No method awaits between its read and its write, so that within one event loop each is atomic. Left out: other
processes, durability, and the removal of expired records: a claim walks over them, and the process ends before long.
"""

from msgspec.structs import replace

from shared.ledger.port import Lease, Record, State
from shared.ledger.transitions import RETENTION, claimed, ended, renewed, reopened


class MemoryLedger:
    """A Ledger within one process."""

    def __init__(self, *, retention: float = RETENTION) -> None:
        self._records: dict[str, Record] = {}
        self._retention = retention

    async def claim(self, key: str, fingerprint: str, *, owner: str, now: float, until: float) -> Lease | Record:
        found = self._records.get(key)
        expires = now + self._retention
        record = claimed(found, key, fingerprint, owner=owner, now=now, until=until, expires=expires)
        if record is None:
            assert found is not None  # nothing else stands in a claim's way
            return found
        self._records[key] = record
        return Lease(key, owner, record.token, until, fingerprint)

    async def finish(
        self, lease: Lease, state: State, *, code: str = "", now: float, not_before: float = 0, trace: str = ""
    ) -> None:
        found = self._records.get(lease.key)
        expires = now + self._retention
        self._records[lease.key] = ended(
            found, lease, state, code=code, now=now, not_before=not_before, expires=expires, trace=trace
        )

    async def renew(self, lease: Lease, *, now: float, until: float) -> Lease:
        found = self._records.get(lease.key)
        self._records[lease.key] = renewed(found, lease, now=now, until=until, expires=now + self._retention)
        return replace(lease, until=until)

    async def reopen(self, key: str, *, now: float) -> bool:
        record = reopened(self._records.get(key), now=now, expires=now + self._retention)
        if record is None:
            return False
        self._records[key] = record
        return True

    async def get(self, key: str) -> Record | None:
        return self._records.get(key)

    async def close(self) -> None:
        self._records.clear()
