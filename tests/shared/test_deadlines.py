"""One timer for many deadlines means what `asyncio.timeout` means, for each of them; on a clock that jumps."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deadlines import Deadlines
from tests.simulation.loop import VirtualLoop

SECONDS = 5.0

type Limit = Callable[[], AbstractAsyncContextManager[None]]
type Told = tuple[float, str]  # when a piece of work ended, and how


def by_one_timer() -> Limit:
    deadlines = Deadlines(SECONDS)

    @asynccontextmanager
    async def limit() -> Any:
        with deadlines.one():
            yield

    return limit


def by_asyncio() -> Limit:
    @asynccontextmanager
    async def limit() -> Any:
        async with asyncio.timeout(SECONDS):
            yield

    return limit


def on_a_clock(main: Callable[[], Any]) -> None:
    VirtualLoop().run(main())


def told(
    limit: Limit, begins: Sequence[float], lengths: Sequence[float], cancelled: Sequence[float | None]
) -> list[Told]:
    """Work that begins and would take so long, some of it cancelled by somebody else at a time of his own."""
    found: list[Told] = []

    async def one(begin: float, length: float) -> Told:
        loop = asyncio.get_running_loop()
        how = "done"
        try:
            await asyncio.sleep(begin)
            async with limit():
                await asyncio.sleep(length)
        except TimeoutError:
            how = "late"
        except asyncio.CancelledError:
            how = "cancelled"
        return loop.time(), how

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(one(begin, length)) for begin, length in zip(begins, lengths, strict=True)]
        for task, at in zip(tasks, cancelled, strict=True):
            if at is not None:
                loop.call_at(at, task.cancel)
        for task in tasks:
            with suppress(asyncio.CancelledError):  # before its first step
                found.append(await task)

    on_a_clock(main)
    return found


_TIMES = st.integers(0, 60).map(
    lambda quarter: quarter / 4 + 0.1
)  # no two events fall on a moment at which order decides


@given(
    st.lists(st.tuples(_TIMES, _TIMES.map(lambda t: t + 0.07), st.none() | _TIMES.map(lambda t: t + 0.03)), max_size=12)
)
def test_work_ends_when_and_as_it_would_under_a_timer_of_its_own(work: list[tuple[float, float, float | None]]) -> None:
    begins, lengths, cancelled = zip(*work, strict=True) if work else ((), (), ())
    assert told(by_one_timer(), begins, lengths, cancelled) == told(by_asyncio(), begins, lengths, cancelled)


def test_work_that_is_too_slow_ends_at_its_deadline_while_younger_work_goes_on() -> None:
    ends = told(by_one_timer(), begins=[0, 1, 4], lengths=[99, 2, 99], cancelled=[None] * 3)
    assert ends == [(5, "late"), (3, "done"), (9, "late")]


def test_who_is_cancelled_by_somebody_else_in_the_very_moment_of_his_deadline_is_cancelled() -> None:
    async def main() -> None:
        deadlines = Deadlines(SECONDS)

        async def work() -> None:
            with deadlines.one():
                await asyncio.sleep(99)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_at(SECONDS, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    on_a_clock(main)


def test_work_that_ends_in_spite_of_its_deadline_leaves_nothing_behind_that_cancels_what_comes_next() -> None:
    async def main() -> None:
        deadlines = Deadlines(SECONDS)
        with deadlines.one(), suppress(asyncio.CancelledError):
            await asyncio.sleep(99)
        assert asyncio.get_running_loop().time() == SECONDS
        await asyncio.sleep(1)

    on_a_clock(main)


def test_late_work_is_told_once_and_may_take_its_time_to_clean_up() -> None:
    async def main() -> None:
        deadlines = Deadlines(SECONDS)

        async def work() -> None:
            with deadlines.one():
                try:
                    await asyncio.sleep(99)
                finally:
                    await asyncio.sleep(20)

        first = asyncio.create_task(work())
        await asyncio.sleep(1)
        with pytest.raises(TimeoutError), deadlines.one():  # its timer rings while the first still cleans up
            await asyncio.sleep(99)
        with pytest.raises(TimeoutError):
            await first
        assert asyncio.get_running_loop().time() == SECONDS + 20

    on_a_clock(main)


def test_a_failure_of_the_work_itself_is_not_hidden_by_its_deadline() -> None:
    async def work() -> None:
        with Deadlines(SECONDS).one():
            try:
                await asyncio.sleep(99)
            finally:
                raise ValueError("its own")

    async def main() -> None:
        with pytest.raises(ValueError, match="its own"):
            await work()

    on_a_clock(main)


def test_each_loop_has_its_timer() -> None:
    """A process has one loop; a test that keeps a client over two must not wait for ever on the second."""
    deadlines = Deadlines(SECONDS)

    async def main() -> None:
        with pytest.raises(TimeoutError), deadlines.one():
            await asyncio.sleep(99)

    async def in_time() -> None:
        with deadlines.one():
            await asyncio.sleep(1)

    on_a_clock(in_time)
    on_a_clock(main)


def test_a_thousand_pieces_of_work_need_one_timer() -> None:
    class Counted(VirtualLoop):
        timers = 0

        def call_at(self, when: float, callback: Any, *args: Any, **more: Any) -> Any:  # type: ignore[override]
            self.timers += 1
            return super().call_at(when, callback, *args, **more)

    async def main() -> None:
        deadlines = Deadlines(SECONDS)
        for _ in range(1000):
            with deadlines.one():
                await asyncio.sleep(0)

    loop = Counted()
    loop.run(main())
    assert loop.timers == 1
