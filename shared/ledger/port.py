"""The ledger's protocol, kept by three implementations: memory (twin), sqlite (embedded), firestore (cloud).

    ∅ ─claim─► LEASED(owner, token, until) ─finish─► DONE | RETRY(code) | POISON(code) | SUPERSEDED(code)
                  ▲ lease over, or RETRY, or a POISON that an operator reopened ─claim─┘  (token + 1)

The key is handler + ce-id. The token grows with each lease and every later write is compare-and-set on it, so the write
of a zombie (a worker that wakes after its lease) is refused. Nothing of a result is stored, and nothing of an event
but a keyed hash; of each attempt, when and how it ended. Records outlive topic and dead-letter retention (31 days and more).

All methods raise Problem(LEDGER_DOWN) when the store does not answer. Times are seconds since the epoch, from the
caller's clock, so that tests and simulations can turn it.
"""

from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class State(StrEnum):
    LEASED = "leased"
    DONE = "done"
    RETRY = "retry"
    POISON = "poison"
    SUPERSEDED = "superseded"


FINAL = frozenset({State.DONE, State.POISON, State.SUPERSEDED})

ATTEMPTS = 20  # kept of a key; an outage's hundred redeliveries would say the same


class Attempt(Struct, frozen=True):
    """One lease of a key, as operators read it. Nothing of the event: when, how it ended, how long, which trace.

    `outcome` is the state it ended in or, if it ended badly, the code's slug; LAPSED for a lease that nobody ended
    (its worker died, or was a zombie); REOPENED for an operator's replay. `trace` is the W3C trace id, or "".
    """

    at: float
    outcome: str
    seconds: float
    trace: str


LAPSED, REOPENED = "lapsed", "reopened"


class Record(Struct, frozen=True):
    """What is known of one key. `code` is an error code's slug; `fingerprint` a keyed hash of the event's identity."""

    key: str
    state: State
    token: int
    owner: str
    until: float  # LEASED: end of the lease; RETRY: not before; else when it ended
    code: str
    fingerprint: str
    expires: float
    since: float  # when the newest lease began
    attempts: tuple[Attempt, ...] = ()  # the last ATTEMPTS that ended, oldest first


class Lease(Struct, frozen=True, eq=False):
    """The right to work on a key until `until`."""

    key: str
    owner: str
    token: int
    until: float
    fingerprint: str
    seen: object = None  # a store's own note of the record, to save a read: no part of what the lease says

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lease) and _said(self) == _said(other)

    def __ne__(self, other: object) -> bool:  # a Struct's own asks another question
        return not self == other


def _said(lease: Lease) -> tuple[object, ...]:
    return lease.key, lease.owner, lease.token, lease.until, lease.fingerprint


class Ledger(Protocol):
    async def claim(self, key: str, fingerprint: str, *, owner: str, now: float, until: float) -> Lease | Record:
        """Lease the key, or say who has it.

        A Lease: the key was new, its lease was over, or it was in RETRY with `record.until <= now`.
        A Record: it is LEASED by another until `record.until`, waits in RETRY, or has ended (DONE, POISON, SUPERSEDED);
        or its fingerprint is another one (the caller compares: key reuse; the record is left as it was). An expired
        record (`expires <= now`) counts as absent. Two store round trips at most for a new key.
        """
        ...

    async def finish(
        self, lease: Lease, state: State, *, code: str = "", now: float, not_before: float = 0, trace: str = ""
    ) -> None:
        """End the lease, and note the attempt. Raises Problem(LEASE_LOST): another token is the key's, or none is."""
        ...

    async def renew(self, lease: Lease, *, now: float, until: float) -> Lease:
        """Keep the key for longer, with the same token. Raises Problem(LEASE_LOST)."""
        ...

    async def reopen(self, key: str, *, now: float) -> bool:
        """POISON → RETRY, for an operator's replay; a DONE key never reopens. False if it was not POISON."""
        ...

    async def get(self, key: str) -> Record | None:
        """What is known of a key."""
        ...

    async def close(self) -> None: ...
