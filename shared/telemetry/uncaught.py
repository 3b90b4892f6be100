"""What nobody caught, and what somebody printed: the class and the place are told, the text is not.

    sys.excepthook · threading.excepthook · sys.unraisablehook ─► "uncaught": class, place
    print, sys.stdout, sys.stderr                              ─► "printed": how many characters
    asyncio, warnings                                          ─► their loggers, which logs.py strips

For a process that serves. Python's own hooks print the exception's text, and its text may quote what it was about.
Left out: what native code writes to the file descriptor itself. gRPC's is switched off (logs.py); a crash of the
interpreter shows frames without values.
"""

import io
import sys
import threading
from types import TracebackType
from typing import BinaryIO

from shared.telemetry.logs import log, start_logging, where


def start_hooks() -> None:
    """Take over Python's hooks for what was raised and not caught."""
    start_logging()
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _told(args.exc_value)
    sys.unraisablehook = lambda args: _told(args.exc_value)


def close_streams() -> None:
    """Nothing is printed from here on: the log has taken its way to stdout, what others write is counted."""
    beneath = sys.stdout.buffer
    sys.stdout, sys.stderr = _Counted(beneath), _Counted(beneath)


def _uncaught(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    _told(error)


def _told(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, (SystemExit, KeyboardInterrupt)):
        log("uncaught", "CRITICAL", exception=type(error).__name__, where=where(error))


class _Counted(io.TextIOBase):
    """A stream that keeps nothing, and says that there was something. `beneath`: where the log goes."""

    def __init__(self, beneath: BinaryIO) -> None:
        super().__init__()
        self.beneath = beneath

    def write(self, text: str) -> int:
        if text.strip():
            log("printed", "WARNING", count=len(text))
        return len(text)

    def writable(self) -> bool:
        return True
