"""The Uvicorn worker as we run it: uvloop, httptools in bounds, no server's own logs, no header that tells what runs here.

Before anything else it closes what could tell a value past the log: Python's hooks for what nobody caught, and print.
"""

import gc
from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

from handlers.wire import Bounded
from shared.telemetry.uncaught import close_streams, start_hooks


class Worker(UvicornWorker):  # type: ignore[misc]  # the package has no types
    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": Bounded,
        "ws": "none",  # no upgrade is ever asked for by anybody we know
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,  # the address is taken from the last hop only, see handlers/endpoints.py
        "timeout_graceful_shutdown": 6,  # seconds to finish what is in work; two are left for leases and batches
    }

    def init_process(self) -> None:
        """After the fork, before the application is even imported."""
        gc.disable()  # imports leave nothing behind that is worth looking for; the application begins again when it is ready
        start_hooks()
        close_streams()
        super().init_process()
