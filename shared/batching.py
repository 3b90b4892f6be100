"""Many awaits, one call: the requests in flight share one call to a slow dependency (design §4.9).

    submit(item) ─┐
    submit(item) ─┼─► [this] ─► send([item, item, item]) ─► an answer or an error for each
    submit(item) ─┘

Bounded in count, bytes, time, and calls under way at once. A batch closes when it is full, or `max_wait` after its
first item, or at once while no call is under way, so that a lone item never waits for company. Where a dependency wants
to be asked seldom, calls begin at least `every` seconds apart, and all that is asked meanwhile shares the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence


class Batcher[In, Out]:
    """`send` answers each item in order, with a result or an exception for it alone; if it raises, all its items do.

    `size` is an item's weight in bytes; an item larger than `max_bytes` travels alone. `max_wait` is in seconds, and
    so is `linger`: how long a batch waits for company although no call is under way, where calls are dear.
    `every`: seconds between the beginnings of two calls.
    """

    def __init__(
        self,
        send: Callable[[Sequence[In]], Awaitable[Sequence[Out | Exception]]],
        *,
        max_items: int = 500,
        max_bytes: int = 8_000_000,
        max_wait: float = 0.005,
        linger: float = 0.0,
        every: float = 0.0,
        in_flight: int = 4,
        size: Callable[[In], int] = lambda _: 1,
    ) -> None:
        self._send, self._size = send, size
        self._max_items, self._max_bytes, self._max_wait, self._linger = max_items, max_bytes, max_wait, linger
        self._slots, self._in_flight = in_flight, 0
        self._every, self._next = every, float("-inf")
        self._waiting: list[tuple[In, asyncio.Future[Out], int]] = []  # with the item's weight
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def submit(self, item: In) -> Out:
        """The answer for this item. Raises what `send` gave for it. Cancelling it leaves the others alone."""
        return await self.put(item)

    def put(self, item: In) -> asyncio.Future[Out]:
        """The same for whoever goes on meanwhile. The item is sent unless its answer is cancelled before."""
        loop = asyncio.get_running_loop()
        weight = self._size(item)
        if self._waiting and self._bytes + weight > self._max_bytes:
            self._close()
        answer: asyncio.Future[Out] = loop.create_future()
        self._waiting.append((item, answer, weight))
        self._bytes += weight
        if len(self._waiting) >= self._max_items or self._bytes >= self._max_bytes:
            self._close()
        elif self._timer is None:
            # With nothing under way the batch goes after `linger`; if that is 0, in the next turn of the loop: it takes
            # along what is ready now.
            self._timer = loop.call_later(self._max_wait if self._in_flight else self._linger, self._close)
        return answer

    async def drain(self) -> None:
        """Send what waits and return when every call has ended: for a graceful stop."""
        while self._waiting or self._calls:
            self._next = float("-inf")  # the last ones need not wait their turn
            self._close()
            await asyncio.wait(self._calls)  # yields even when all have ended: `_ended` has yet to run

    def _close(self) -> None:
        """Send the waiting batch, unless all calls are taken or it is too early: then it goes on growing until then."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting or self._in_flight >= self._slots:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._next:
            self._timer = loop.call_at(self._next, self._close)
            return
        self._next = loop.time() + self._every
        batch = self._cut()
        self._in_flight += 1
        call = loop.create_task(self._call(batch))
        self._calls.add(call)
        call.add_done_callback(self._ended)

    def _cut(self) -> list[tuple[In, asyncio.Future[Out], int]]:
        """The next batch within the bounds: the first item always, further ones while they fit."""
        count, taken = 0, 0
        for _, _, weight in self._waiting:
            if count and (count >= self._max_items or taken + weight > self._max_bytes):
                break
            count, taken = count + 1, taken + weight
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._bytes -= taken
        return batch

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._in_flight -= 1
        if self._waiting:
            self._close()

    async def _call(self, batch: list[tuple[In, asyncio.Future[Out], int]]) -> None:
        wanted = [(item, answer) for item, answer, _ in batch if not answer.done()]  # a cancelled caller asks no more
        if not wanted:
            return
        try:
            results: Sequence[Out | Exception] = await self._send([item for item, _ in wanted])
        except asyncio.CancelledError:
            for _, answer in wanted:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - every caller gets it; nothing is swallowed
            results = [error] * len(wanted)
        for (_, answer), result in zip(wanted, results, strict=True):
            if answer.done():
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)
