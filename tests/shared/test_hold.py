"""A key of the ledger that long work holds: one at a time, for as long as it lasts, and free afterwards."""

import asyncio

import pytest

from shared.errors import Code, Problem
from shared.ledger.hold import held
from shared.ledger.memory import MemoryLedger
from shared.ledger.port import Lease, State
from tests.simulation.loop import VirtualLoop

KEY = "reconcile:clinic"


class Flaky(MemoryLedger):
    """A store that is away between two times."""

    away: tuple[float, float] = (0.0, 0.0)

    async def renew(self, lease: Lease, *, now: float, until: float) -> Lease:
        if self.away[0] <= now < self.away[1]:
            raise Problem(Code.LEDGER_DOWN, "ledger")
        return await super().renew(lease, now=now, until=until)


def now() -> float:
    return 1000.0 + asyncio.get_running_loop().time()


async def works(ledger: MemoryLedger, seconds: float, *, owner: str = "a") -> None:
    async with held(ledger, KEY, owner=owner, now=now, seconds=90.0):
        await asyncio.sleep(seconds)


def test_long_work_keeps_its_key_and_then_frees_it() -> None:
    async def day() -> None:
        ledger = MemoryLedger()
        work = asyncio.create_task(works(ledger, 3600))
        for _ in range(35):
            await asyncio.sleep(100)
            with pytest.raises(Problem) as busy:
                await works(ledger, 1, owner="b")
            assert busy.value.code is Code.BUSY
        await work
        await works(ledger, 1, owner="b")

    VirtualLoop().run(day())


def test_the_key_of_a_worker_that_died_is_free_when_its_lease_is_over() -> None:
    async def day() -> None:
        ledger = MemoryLedger()
        await ledger.claim(KEY, "held", owner="dead", now=now(), until=now() + 90)
        await asyncio.sleep(89)
        with pytest.raises(Problem):
            await works(ledger, 1)
        await asyncio.sleep(1)
        await works(ledger, 1)

    VirtualLoop().run(day())


def test_a_store_that_is_away_for_less_than_the_lease_does_not_end_the_work() -> None:
    async def day() -> None:
        ledger = Flaky()
        ledger.away = (now() + 50, now() + 100)
        await works(ledger, 600)

    VirtualLoop().run(day())


def test_a_store_that_is_away_for_longer_than_the_lease_ends_the_work() -> None:
    async def day() -> None:
        ledger = Flaky()
        ledger.away = (now() + 50, now() + 500)
        with pytest.raises(Problem) as lost:
            await works(ledger, 600)
        assert lost.value.code is Code.LEASE_LOST
        assert asyncio.get_running_loop().time() < 200

    VirtualLoop().run(day())


def test_work_that_fails_frees_its_key_and_tells_its_own_error() -> None:
    async def day() -> None:
        ledger = MemoryLedger()
        with pytest.raises(ZeroDivisionError):
            async with held(ledger, KEY, owner="a", now=now):
                raise ZeroDivisionError
        record = await ledger.get(KEY)
        assert record is not None
        assert record.state is State.RETRY

    VirtualLoop().run(day())


def test_work_that_is_cancelled_from_outside_stays_cancelled() -> None:
    async def day() -> None:
        ledger = MemoryLedger()
        work = asyncio.create_task(works(ledger, 600))
        await asyncio.sleep(1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await works(ledger, 1, owner="b")

    VirtualLoop().run(day())
