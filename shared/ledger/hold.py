"""Hold a key of the ledger for as long as some long work lasts, so that it runs once at a time across all instances.

    claim ─► the work, the lease renewed at half its time ─► RETRY, so that the key is free for the next time

Messages need no renewal: their deadline is shorter than a lease, and the settings see to that. A lease that is lost,
because the store was away for longer than it lasts, ends the work: somebody else may have begun.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from shared.errors import Code, Problem
from shared.ledger.port import Lease, Ledger, State

_SAME = "held"  # the fingerprint of every holding: who holds may change, what is held does not


@asynccontextmanager
async def held(
    ledger: Ledger, key: str, *, owner: str, now: Callable[[], float], seconds: float = 90.0
) -> AsyncIterator[None]:
    """Hold `key` while the block runs. Raises Problem: BUSY (somebody else holds it), LEASE_LOST, LEDGER_DOWN."""
    claimed = await ledger.claim(key, _SAME, owner=owner, now=now(), until=now() + seconds)
    if not isinstance(claimed, Lease):
        raise Problem(Code.BUSY, "ledger")
    lease: Lease = claimed
    work, lost = asyncio.current_task(), False
    assert work is not None

    async def keep() -> None:
        nonlocal lease, lost
        while now() < lease.until:
            await asyncio.sleep(seconds / 4)
            with suppress(Problem):  # a store that is away may come back before the lease is over
                if now() < lease.until:
                    lease = await ledger.renew(lease, now=now(), until=now() + seconds)
        lost = True
        work.cancel()

    keeper = asyncio.create_task(keep())
    try:
        yield
    except asyncio.CancelledError:
        if not lost:
            raise
        work.uncancel()
        raise Problem(Code.LEASE_LOST, "ledger") from None
    finally:
        keeper.cancel()
        if not lost:
            with suppress(Problem):  # it ends by itself
                await ledger.finish(lease, State.RETRY, now=now())
