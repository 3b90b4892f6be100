"""A zone's real service under gunicorn on loopback, with nothing behind it."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.start import until_ready
from tests.tenant import environment

ROOT = Path(__file__).resolve().parents[2]
DEAD = "127.0.0.1:9"


@contextmanager
def serving(zone: str) -> Iterator[str]:
    """Its URL, once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = environment(zone, STARVIT_PUBSUB_ENDPOINT=DEAD, STARVIT_HOST="127.0.0.1", PORT=str(port))
    process = subprocess.Popen([sys.executable, "-m", "handlers.cli", "serve"], cwd=ROOT, env=settings)
    try:
        until_ready(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)
