"""Gunicorn's configuration: `gunicorn -c python:handlers.server 'handlers.app:create_app()'`.

Uvicorn workers, never `--reload`, nothing loaded before the fork (gRPC does not survive one). No access log: paths and
headers are others' text. Stops within Cloud Run's ten seconds.
"""

import os

bind = f"{os.environ.get('STARVIT_HOST', '0.0.0.0')}:{os.environ.get('PORT', '8080')}"  # noqa: S104 - in its container
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "handlers.worker.Worker"
preload_app = False
timeout = int(float(os.environ.get("STARVIT_REQUEST_TIMEOUT", "60")))
graceful_timeout = 8
keepalive = 75
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112 - heartbeats never wait for a disk
control_socket_disable = True
accesslog = None
logger_class = "shared.telemetry.gunicorn.Logger"
