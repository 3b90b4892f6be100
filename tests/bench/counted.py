"""The service's worker with a counter in its interpreter, for `./dev bench count`.

Python tells of every instruction that it executes (PEP 669, `sys.monitoring`). To hear of each makes it thirty times slower,
and the loop is late for everything; what is executed for a change stays nearly the same.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import CodeType

from handlers.worker import Worker

FOLDER = "COUNTED_IN"  # the environment's name of a folder: BEGIN and END appear there, and then each worker's counts
BEGIN, END = "begin", "end"
_LOOKS = 0.05  # seconds between two looks for them


class Counted(Worker):
    """Writes <pid>.json: file, function, instructions, calls."""

    def init_process(self) -> None:
        """After the fork: a thread of its own waits for the signs, so that the loop does not."""
        threading.Thread(target=_count, args=(Path(os.environ[FOLDER]),), daemon=True).start()
        super().init_process()


def _count(folder: Path) -> None:
    instructions, calls = Counter[CodeType](), Counter[CodeType]()

    def executed(code: CodeType, _: int) -> None:
        instructions[code] += 1

    def called(code: CodeType, _: int) -> None:
        calls[code] += 1

    monitoring = sys.monitoring
    tool, events = monitoring.PROFILER_ID, monitoring.events
    monitoring.use_tool_id(tool, "count")
    monitoring.register_callback(tool, events.INSTRUCTION, executed)
    monitoring.register_callback(tool, events.PY_START, called)
    _wait_for(folder / BEGIN)
    monitoring.set_events(tool, events.INSTRUCTION | events.PY_START)
    _wait_for(folder / END)
    monitoring.set_events(tool, events.NO_EVENTS)
    rows = [(code.co_filename, code.co_qualname, number, calls[code]) for code, number in instructions.items()]
    unfinished = folder / f"{os.getpid()}.part"
    unfinished.write_text(json.dumps(rows))
    unfinished.rename(unfinished.with_suffix(".json"))


def _wait_for(sign: Path) -> None:
    while not sign.exists():
        time.sleep(_LOOKS)
