"""What the ledger's tests ask for: a claim of one key at second 100, for 90 seconds."""

import pytest

from shared.errors import Code, Problem
from shared.ledger.port import Lease, Ledger, Record

KEY = "deid/9f86d081884c7d659a2feaa0c55ad015"  # with a slash, which a Firestore id may not have
PRINT = "a3" * 32


async def claim(
    ledger: Ledger, *, key: str = KEY, by: str = "a", now: float = 100.0, fingerprint: str = PRINT
) -> Lease | Record:
    return await ledger.claim(key, fingerprint, owner=by, now=now, until=now + 90)


async def lease(ledger: Ledger, *, by: str = "a", now: float = 100.0, fingerprint: str = PRINT) -> Lease:
    got = await claim(ledger, by=by, now=now, fingerprint=fingerprint)
    assert isinstance(got, Lease)
    return got


def lost() -> pytest.RaisesExc[Problem]:
    return pytest.RaisesExc(Problem, check=lambda problem: problem.code is Code.LEASE_LOST)
