"""Gunicorn's configuration: `gunicorn -c python:handlers.server 'handlers.app:create_app()'`. Every value has its reason.

How it stops, within Cloud Run's ten seconds after SIGTERM:

    0 s   no more connections; new pushes on old ones are sent back (429), and Pub/Sub sends them to another instance
    6 s   what is still in work is cancelled and gives its lease back (handlers/worker.py)
    7 s   batches are flushed, clients hang up (handlers/zones/wiring.py)
    8 s   gunicorn ends a worker that is not done (graceful_timeout)
"""

import gc
import os

gc.disable()  # for what gunicorn still has to import, as in the worker (handlers/worker.py)

bind = f"{os.environ.get('STARVIT_HOST', '0.0.0.0')}:{os.environ.get('PORT', '8080')}"  # noqa: S104 - in its container
worker_class = "handlers.worker.Worker"
# One for each CPU, and an instance has one: Cloud Run adds instances, and each worker would hold clients and keys of its own.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
preload_app = False  # gRPC's threads do not survive a fork; what may be loaded before it, on_starting loads


def on_starting(_: object) -> None:
    """Gunicorn's hook, before the first fork: with several workers, load what they share (handlers/zones/preload.py)."""
    if workers > 1:
        from handlers.zones.preload import preload

        preload(os.environ.get("ZONE", ""))


def when_ready(_: object) -> None:
    """Gunicorn's hook, when all is imported: the collector begins, and a fork finds nothing that it could look through."""
    gc.freeze()
    gc.enable()


# A worker whose loop stands still for so long is replaced. Never shorter than the request timeout.
timeout = int(float(os.environ.get("STARVIT_REQUEST_TIMEOUT", "60")))
graceful_timeout = 8
# Longer than Google's front ends keep an idle connection (600 s): who closes first must be the one who sends, or a request
# meets a closing socket and is lost as a 503.
keepalive = 620
max_requests = (
    0  # no restart on a count: with one worker it would be an outage of seconds, to hide a leak we would rather see
)
# Heartbeats never wait for a disk; where everything else is read-only, /dev/shm is not.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112
control_socket_disable = True  # nobody talks to a running gunicorn, and its socket would want a home directory
accesslog = None  # paths and headers are others' text
logger_class = "shared.telemetry.gunicorn.Logger"
# limit_request_* hold for gunicorn's own parser, which the Uvicorn worker replaces: handlers/wire.py bounds a request's head,
# handlers/http.py its body.
