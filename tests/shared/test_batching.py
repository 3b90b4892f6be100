"""Many awaits, one call; and nobody pays for a neighbour."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.batching import Batcher


class Calls:
    """A dependency that notes its calls; it takes a moment, as a network does."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def send(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        await asyncio.sleep(0.01)
        return [ValueError("refused") if item < 0 else item * 2 for item in items]


async def test_requests_in_flight_share_calls_and_each_gets_its_own_answer() -> None:
    calls = Calls()
    batcher = Batcher(calls.send, max_items=50)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(200))) == [n * 2 for n in range(200)]
    assert len(calls.batches) <= 8
    assert max(map(len, calls.batches)) <= 50


async def test_a_lone_item_does_not_wait_for_company() -> None:
    calls = Calls()
    batcher = Batcher(calls.send, max_wait=5)
    async with asyncio.timeout(1):
        assert await batcher.submit(21) == 42


async def test_an_error_is_its_own_items_alone() -> None:
    batcher = Batcher(Calls().send)
    results = await asyncio.gather(*(batcher.submit(n) for n in (1, -1, 2)), return_exceptions=True)
    assert results[0] == 2
    assert results[2] == 4
    assert isinstance(results[1], ValueError)


async def test_a_failed_call_reaches_every_caller_of_the_batch() -> None:
    async def down(items: Sequence[int]) -> Sequence[int]:
        raise ConnectionError

    batcher = Batcher(down)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 3


async def test_bytes_bound_a_batch_and_a_giant_travels_alone() -> None:
    calls = Calls()
    batcher = Batcher(calls.send, max_bytes=10, size=lambda item: item)
    await asyncio.gather(*(batcher.submit(n) for n in (4, 4, 4, 25, 1)))
    assert all(sum(batch) <= 10 or len(batch) == 1 for batch in calls.batches)
    assert sorted(item for batch in calls.batches for item in batch) == [1, 4, 4, 4, 25]


async def test_who_goes_away_takes_nobody_along() -> None:
    calls = Calls()
    batcher = Batcher(calls.send, in_flight=1)
    first, second = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 4
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_no_more_calls_are_under_way_than_allowed() -> None:
    under_way, most = 0, 0

    async def send(items: Sequence[int]) -> Sequence[int]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1
        return items

    batcher = Batcher(send, max_items=5, in_flight=2)
    await asyncio.gather(*(batcher.submit(n) for n in range(100)))
    assert most == 2


async def test_drain_returns_when_everything_has_been_answered() -> None:
    calls = Calls()
    batcher = Batcher(calls.send, max_items=10, in_flight=1)
    waiting = [asyncio.create_task(batcher.submit(n)) for n in range(35)]
    await asyncio.sleep(0)
    await batcher.drain()
    assert all(task.done() for task in waiting)
