"""`./dev bench start`: from nothing to ready, each zone: time, CPU, memory; beside its imports alone.

One gunicorn worker for each zone as the image runs it, its dependencies' addresses dead: what is measured is the service's
own start. Beside it, in turn, an interpreter that imports what the zone can not do without and does nothing else, and the
floor that no Python service gets below: one that has imported uvicorn. CPU is gunicorn's and its worker's, memory the
worker's.
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

from tests.bench.clocks import cpu_seconds
from tests.tenant import environment

ROOT = Path(__file__).resolve().parents[2]
ZONES = ("ingress", "clinical", "analytics", "ops")
RUNS = 15
DEAD = "127.0.0.1:9"
CPU_TARGET, MEMORY_TARGET = 1.2, 1.3  # times the imports alone

# Other people's packages that a zone can not do without: what it serves with, what its contract and its settings are made of,
# what it publishes with; beyond the webhook what it reads events with, checks tokens with, and calls Medplum and Google with.
_EVERYWHERE = (
    "gunicorn.app.wsgiapp",
    "uvicorn_worker",
    "uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "fastapi",
    "pydantic_settings",
    "structlog",
)
_PUBLISHES = ("google.pubsub_v1",)
_CALLED = ("httpx", "jwt", "cryptography.hazmat.primitives.asymmetric.rsa", "cloudevents.core.v1.event")
UNAVOIDABLE = {
    "ingress": (*_EVERYWHERE, *_PUBLISHES),
    "clinical": (*_EVERYWHERE, *_PUBLISHES, *_CALLED, "google.cloud.dlp_v2"),
    "analytics": (*_EVERYWHERE, *_PUBLISHES, *_CALLED, "google.cloud.bigquery_storage_v1", "google.cloud.bigquery"),
    "ops": (*_EVERYWHERE, *_PUBLISHES, *_CALLED),
}
_OF_A_ZONE = {
    "clinical": {"STARVIT_TEXT": "dlp", "STARVIT_DLP_ENDPOINT": DEAD},
    "analytics": {"STARVIT_TIGERGRAPH_URL": f"http://{DEAD}"},
}


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians of RUNS. `worker_mb` is the worker's resident memory, `master_mb` gunicorn's own.

    `noise`: the most CPU that the very same imports took, times the least.
    """

    zone: str
    ready_s: float
    cpu_s: float
    worker_mb: float
    master_mb: float
    imports_cpu_s: float
    imports_mb: float
    noise: float

    @property
    def of_imports(self) -> tuple[float, float]:
        """CPU and memory, times those of the imports alone."""
        return self.cpu_s / self.imports_cpu_s, self.worker_mb / self.imports_mb


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if a zone's start takes more beside its imports than the target says."""
    floor = _floor()
    figures = [_measured(zone) for zone in ZONES]
    if as_json:
        zones = [asdict(one) | dict(zip(("cpu_ratio", "memory_ratio"), one.of_imports, strict=True)) for one in figures]
        print(json.dumps({"runs": RUNS, "interpreter_and_uvicorn_s": floor, "zones": zones}))
    else:
        print(f"process start to ready, idle, medians of {RUNS} (a bare interpreter importing uvicorn: {floor:.2f} s);")
        print("CPU and memory beside those of what the zone imports, alone")
        for one in figures:
            cpu, memory = one.of_imports
            print(
                f"  {one.zone:<10}{one.ready_s:5.2f} s   CPU {one.cpu_s:4.2f} s, {cpu:4.2f} x ({one.imports_cpu_s:.2f})"
                f"   worker {one.worker_mb:4.0f} MB, {memory:4.2f} x ({one.imports_mb:.0f})   gunicorn {one.master_mb:3.0f} MB"
                f"   noise × {one.noise:.2f}"
            )
    within = [(cpu <= CPU_TARGET, memory <= MEMORY_TARGET) for cpu, memory in (one.of_imports for one in figures)]
    return 0 if all(map(all, within)) else 1


def _measured(zone: str) -> Figure:
    """The service and the imports in turn, so that what else the machine does is the same for both."""
    started, imported = zip(*((once(zone), _imports(zone)) for _ in range(RUNS)), strict=True)
    ready, cpu, worker, master = (statistics.median(values) for values in zip(*started, strict=True))
    imports = [cpu for cpu, _ in imported]
    imports_cpu, imports_mb = (statistics.median(values) for values in zip(*imported, strict=True))
    return Figure(
        zone,
        ready_s=round(ready, 2),
        cpu_s=round(cpu, 3),
        worker_mb=round(worker, 1),
        master_mb=round(master, 1),
        imports_cpu_s=round(imports_cpu, 3),
        imports_mb=round(imports_mb, 1),
        noise=round(max(imports) / min(imports), 2),
    )


def once(zone: str) -> tuple[float, float, float, float]:
    """Seconds and CPU seconds until ready; megabytes of the worker and of gunicorn."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "STARVIT_JWKS_URL": f"http://{DEAD}/certs",
        "STARVIT_MEDPLUM_URL": f"http://{DEAD}",
        "STARVIT_BIGQUERY_ENDPOINT": DEAD,
        "STARVIT_BIGQUERY_URL": f"http://{DEAD}",
        "STARVIT_PUBSUB_ENDPOINT": DEAD,
        "STARVIT_HOST": "127.0.0.1",
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"]
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(zone, **(settings | _OF_A_ZONE.get(zone, {}))),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until_ready(port)
        ready = time.monotonic() - started
        [worker] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        cpu = cpu_seconds(process.pid, int(worker))
        return ready, cpu, _resident(int(worker)), _resident(process.pid)
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


def _imports(zone: str) -> tuple[float, float]:
    """CPU seconds and megabytes of an interpreter that has imported this and nothing else."""
    program = (
        f"import {', '.join(UNAVOIDABLE[zone])}\nimport os, time\n"
        "pages = int(open('/proc/self/statm').read().split()[1])\n"
        "print(time.process_time(), pages * os.sysconf('SC_PAGE_SIZE') / 1e6)"
    )
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    cpu, megabytes = map(float, out.split())
    return cpu, megabytes


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _floor() -> float:
    def once() -> float:
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", "import uvicorn, uvloop, httptools"], check=True)
        return time.monotonic() - started

    return round(statistics.median(once() for _ in range(RUNS)), 2)
