"""The Uvicorn worker as we run it: uvloop, httptools in bounds, no server's own logs, no header that tells what runs here."""

from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

from handlers.wire import Bounded


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
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": 6,  # seconds to finish what is in work; two are left for leases and batches
    }
