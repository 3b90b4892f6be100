"""A ledger that remembers what it has seen end: a known duplicate costs no round trip.

    claim ─► ended, as far as this process knows? ─► the record, at once
               └► no: ask the store, and remember its answer if it is the last word

Pub/Sub delivers a message again mostly soon and mostly to the same instance. Only DONE and SUPERSEDED are remembered,
which nothing ever takes back; POISON is not, for an operator may reopen it. What is forgotten (the memory is bounded, a
process ends) is asked of the store again: the memo saves work, it carries no promise.
"""

from collections import OrderedDict

from msgspec.structs import replace

from shared.ledger.port import Lease, Ledger, Record, State
from shared.telemetry.metrics import LEDGER_TRIPS
from shared.telemetry.spans import client_span

REMEMBERED = 16_384  # keys; some 10 MB
_LAST_WORDS = frozenset({State.DONE, State.SUPERSEDED})


class MemoLedger:
    """A Ledger over another. `retention` is the store's: what has expired there is not remembered here."""

    def __init__(self, store: Ledger, *, retention: float, size: int = REMEMBERED) -> None:
        self._store, self._retention, self._size = store, retention, size
        self._ended: OrderedDict[str, Record] = OrderedDict()

    async def claim(self, key: str, fingerprint: str, *, owner: str, now: float, until: float) -> Lease | Record:
        known = self._ended.get(key)
        if known is not None and known.expires > now:
            self._ended.move_to_end(key)
            return known
        LEDGER_TRIPS.add(1, "claim")
        with client_span("ledger claim"):
            found = await self._store.claim(key, fingerprint, owner=owner, now=now, until=until)
        if isinstance(found, Record):
            self._remember(found)
        return found

    async def finish(
        self, lease: Lease, state: State, *, code: str = "", now: float, not_before: float = 0, trace: str = ""
    ) -> None:
        LEDGER_TRIPS.add(1, "finish")
        with client_span("ledger finish"):
            await self._store.finish(lease, state, code=code, now=now, not_before=not_before, trace=trace)
        self._remember(
            Record(
                key=lease.key,
                state=state,
                token=lease.token,
                owner=lease.owner,
                until=now,
                code=code,
                fingerprint=lease.fingerprint,
                expires=now + self._retention,
                since=now,
            )
        )

    async def renew(self, lease: Lease, *, now: float, until: float) -> Lease:
        LEDGER_TRIPS.add(1, "renew")
        return await self._store.renew(lease, now=now, until=until)

    async def reopen(self, key: str, *, now: float) -> bool:
        LEDGER_TRIPS.add(1, "reopen")
        return await self._store.reopen(key, now=now)

    async def get(self, key: str) -> Record | None:
        """As the store has it: an operator reads the attempts too, which the memo drops."""
        LEDGER_TRIPS.add(1, "get")
        return await self._store.get(key)

    async def close(self) -> None:
        self._ended.clear()
        await self._store.close()

    def _remember(self, record: Record) -> None:
        if record.state not in _LAST_WORDS:
            return
        self._ended[record.key] = replace(record, attempts=()) if record.attempts else record
        if len(self._ended) > self._size:
            self._ended.popitem(last=False)
