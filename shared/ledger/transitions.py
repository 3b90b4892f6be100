"""The protocol's arrows as pure functions: what a record becomes, or why it may not.

    claimed · ended · renewed · reopened : the record as found (None: absent) → the record to be written

A store that can compare-and-set whole records (memory, firestore) needs nothing else; sqlite says the same in SQL, and
the contract suite holds the three together. An expired record counts as absent here, in one place, because a store's
own expiry is late (Firestore's TTL by a day or so) or missing. Its token is still counted on: as long as the store
remembers a key, no two leases of it ever have the same token.
"""

from msgspec.structs import replace

from shared.errors import Code, Problem
from shared.ledger.port import ATTEMPTS, LAPSED, REOPENED, Attempt, Lease, Record, State

RETENTION = 40 * 86400.0  # seconds; beyond topic and dead-letter retention, 31 days


def claimed(
    found: Record | None, key: str, fingerprint: str, *, owner: str, now: float, until: float, expires: float
) -> Record | None:
    """The key's new lease, or None if the record that was found stands in its way."""
    if found is not None and found.expires > now:
        over = found.state in (State.LEASED, State.RETRY) and found.until <= now
        if found.fingerprint != fingerprint or not over:
            return None
    if found is None:
        return Record(key, State.LEASED, 1, owner, until, "", fingerprint, expires, now)
    attempts = () if found.expires <= now else found.attempts
    if found.expires > now and found.state is State.LEASED:
        attempts = _noted(attempts, Attempt(found.since, LAPSED, found.until - found.since, ""))
    return Record(key, State.LEASED, found.token + 1, owner, until, "", fingerprint, expires, now, attempts)


def ended(
    found: Record | None,
    lease: Lease,
    state: State,
    *,
    code: str,
    now: float,
    not_before: float,
    expires: float,
    trace: str,
) -> Record:
    """The end of a lease. Raises Problem(LEASE_LOST)."""
    until, held = end_time(state, now=now, not_before=not_before), _held(found, lease, now)
    attempts = _noted(held.attempts, Attempt(held.since, code or state.value, max(0.0, now - held.since), trace))
    return replace(held, state=state, until=until, code=code, expires=expires, attempts=attempts)


def renewed(found: Record | None, lease: Lease, *, now: float, until: float, expires: float) -> Record:
    """A lease that lasts longer, with the same token. Raises Problem(LEASE_LOST)."""
    return replace(_held(found, lease, now), until=until, expires=expires)


def reopened(found: Record | None, *, now: float, expires: float) -> Record | None:
    """An operator's POISON → RETRY, claimable at once by any clock. It keeps the code that it was set aside under."""
    if found is None or found.expires <= now or found.state is not State.POISON:
        return None
    attempts = _noted(found.attempts, Attempt(now, REOPENED, 0.0, ""))
    return replace(found, state=State.RETRY, until=0.0, expires=expires, attempts=attempts)


def end_time(state: State, *, now: float, not_before: float) -> float:
    """`Record.until` of a lease that ends in `state`."""
    if state is State.LEASED:
        raise ValueError("a lease does not end in LEASED; renew it")
    return not_before if state is State.RETRY else now


def _held(found: Record | None, lease: Lease, now: float) -> Record:
    if found is None or found.expires <= now or found.state is not State.LEASED or found.token != lease.token:
        raise Problem(Code.LEASE_LOST, "ledger")
    return found


def _noted(attempts: tuple[Attempt, ...], newest: Attempt) -> tuple[Attempt, ...]:
    return (*attempts, newest)[-ATTEMPTS:]
