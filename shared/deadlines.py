"""The same deadline for many pieces of work, kept by one timer.

    one() … one() … one()   each ends so many seconds after its begin: the oldest first
    the timer               for the oldest; when it rings: whoever is late is cancelled, and it is set for the next

What `asyncio.timeout` means, for whoever has many of one length. It makes a timer for each, to cut it off a moment later,
which was a tenth of a push's CPU. Here the timer is left standing when its work ends in time, and finds that out when it rings.
"""

import asyncio
from types import TracebackType
from typing import final


@final
class Deadlines:
    """Each piece of work has `seconds`, by the loop's clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[_One, None] = {}  # the oldest first
        self._loop: asyncio.AbstractEventLoop | None = None  # on which the timer stands
        self._timer: asyncio.TimerHandle | None = None

    def one(self) -> "_One":
        """A context for a piece of work of the task in hand. Raises TimeoutError at its end if it was too late."""
        return _One(self)

    def begin(self, one: "_One") -> None:
        loop = asyncio.get_running_loop()
        one.end = loop.time() + self._seconds
        self._running[one] = None
        if self._timer is None or self._loop is not loop:
            self._loop, self._timer = loop, loop.call_at(one.end, self._ring, loop)

    def end(self, one: "_One") -> None:
        self._running.pop(one, None)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        now, self._timer = loop.time(), None
        for one in list(self._running):
            if one.end > now:
                self._timer = loop.call_at(one.end, self._ring, loop)
                return
            del self._running[one]
            one.give_up()


@final
class _One:
    """One piece of work. Who else cancels its task is obeyed, as in `asyncio.timeout`: that is no timeout."""

    __slots__ = ("_before", "_deadlines", "_late", "_task", "end")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines, self._late, self.end = deadlines, False, 0.0

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for a task")
        self._task, self._before = task, task.cancelling()
        self._deadlines.begin(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self._late:
            self._deadlines.end(self)
        elif self._task.uncancel() <= self._before and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def give_up(self) -> None:
        self._late = True
        self._task.cancel()
