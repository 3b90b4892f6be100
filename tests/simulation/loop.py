"""An event loop on virtual time: what waits for an hour is there at once, and the same seed runs the same way.

    all tasks wait ─► the clock jumps to the next timer ─► its task runs

No socket, no thread and no real clock is under it; whatever waits for one would wait for ever, and is a deadlock here.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

EPOCH = 1_790_000_000.0  # the second since 1970 at which every simulated day begins


class Stuck(Exception):
    """All tasks wait, and no timer will wake one."""


class _Jump(selectors.SelectSelector):
    """A selector that moves the clock on instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 0."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run to the end of `main`, and drop whatever else still waits. Raises Stuck."""
        asyncio.set_event_loop(None)
        try:
            self.run_until_complete(main)
        finally:
            self._drop()
            self.close()

    def _drop(self) -> None:
        """Tasks of processes that died wait for ever: they end with the world."""
        for _ in range(20):
            tasks = asyncio.all_tasks(self)
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            self.run_until_complete(asyncio.wait(tasks, timeout=1))
        raise AssertionError("a task outlives its world")
