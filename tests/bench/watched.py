"""The service's worker with a watch on its event loop, for `./dev bench blocking`.

The loop is asyncio's own, whose every step is a Handle that can be timed (uvloop has no such place); what runs in it is the
same. A step counts for as long as it kept the loop, less what the machine kept it waiting for a CPU (Linux tells).
"""

import os
import time
from asyncio import events
from pathlib import Path
from typing import Any, ClassVar

from handlers.worker import Worker

LOG = "BLOCKED_LOG"  # the environment's name of a folder
_TOLD = 0.005  # seconds from which a step is written down


class Watched(Worker):
    """Writes a line for each step that takes long: seconds, CPU seconds, what it was; and, once a second, the number of steps."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = Worker.CONFIG_KWARGS | {"loop": "asyncio"}

    def init_process(self) -> None:
        """After the fork: from here on every step is timed."""
        _watch(Path(os.environ[LOG]) / f"{os.getpid()}.txt")
        super().init_process()


def _watch(path: Path) -> None:
    plain, waits = events.Handle._run, os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    out = path.open("a", buffering=1)
    steps, told = 0, time.monotonic()

    def waited() -> int:
        return int(os.pread(waits, 64, 0).split()[1])

    def timed(handle: events.Handle) -> None:
        nonlocal steps, told
        before, began, cpu = waited(), time.monotonic(), time.thread_time()
        plain(handle)
        ended = time.monotonic()
        steps += 1
        if ended - began > _TOLD:
            kept = ended - began - (waited() - before) / 1e9
            if kept > _TOLD:
                out.write(f"step {kept:.4f} {time.thread_time() - cpu:.4f} {_name(handle)}\n")
        if ended - told > 1:
            told = ended
            out.write(f"steps {steps}\n")

    events.Handle._run = timed  # type: ignore[method-assign, assignment]


def _name(handle: events.Handle) -> str:
    """What the step was, without a value: a coroutine's or a function's name."""
    callback = getattr(handle, "_callback", None)
    owner = getattr(callback, "__self__", None)
    coroutine = getattr(owner, "get_coro", lambda: None)()
    return getattr(coroutine or callback, "__qualname__", type(callback).__name__)
