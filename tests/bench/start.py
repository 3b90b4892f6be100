"""`./dev bench start`: how long each zone takes from process start to ready, and how much memory it then holds, idle.

One gunicorn worker for each zone as the image runs it, its dependencies' addresses dead: what is measured is the service's
own start. Beside it the limit that no Python service gets below: a bare interpreter that has imported uvicorn.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from tests.tenant import environment

ROOT = Path(__file__).resolve().parents[2]
ZONES = ("ingress", "clinical", "analytics", "ops")
RUNS = 3
DEAD = "127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians of RUNS. `worker_mb` is the worker's resident memory, `master_mb` gunicorn's own."""

    zone: str
    ready_s: float
    worker_mb: float
    master_mb: float


def run(*, as_json: bool) -> int:
    """Measure and print; 0."""
    floor = _floor()
    figures = [_measured(zone) for zone in ZONES]
    if as_json:
        print(json.dumps({"runs": RUNS, "interpreter_and_uvicorn_s": floor, "zones": [asdict(one) for one in figures]}))
        return 0
    print(f"process start to ready, idle, medians of {RUNS} (a bare interpreter importing uvicorn: {floor:.2f} s)")
    for one in figures:
        print(
            f"  {one.zone:<10} {one.ready_s:5.2f} s   worker {one.worker_mb:5.0f} MB   gunicorn {one.master_mb:4.0f} MB"
        )
    return 0


def _measured(zone: str) -> Figure:
    runs = [once(zone) for _ in range(RUNS)]
    ready, worker, master = (statistics.median(values) for values in zip(*runs, strict=True))
    return Figure(zone, round(ready, 2), round(worker, 1), round(master, 1))


def once(zone: str) -> tuple[float, float, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "STARVIT_JWKS_URL": f"http://{DEAD}/certs",
        "STARVIT_MEDPLUM_URL": f"http://{DEAD}",
        "STARVIT_BIGQUERY_ENDPOINT": DEAD,
        "STARVIT_PUBSUB_ENDPOINT": DEAD,
        "STARVIT_HOST": "127.0.0.1",
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"]
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(zone, **settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until_ready(port)
        ready = time.monotonic() - started
        [worker] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return ready, _resident(int(worker)), _resident(process.pid)
    finally:
        process.terminate()
        process.wait(15)


def until_ready(port: int) -> None:
    with httpx.Client(trust_env=False) as http:
        for _ in range(1000):
            try:
                if http.get(f"http://127.0.0.1:{port}/v1/health/ready").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.01)
    raise TimeoutError("the service did not become ready")


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _floor() -> float:
    def once() -> float:
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", "import uvicorn, uvloop, httptools"], check=True)
        return time.monotonic() - started

    return round(statistics.median(once() for _ in range(RUNS)), 2)
