"""`./dev bench image`: the image, built here from the Dockerfile, and run read-only as its own user.

What it weighs and what it must not hold; for each zone the time from process start to ready, and how long it takes to stop
while requests come in, in the container and beside it on this machine (the peer: the same code, the same Python, no
container). Without root or buildah it says so and ends 2.
"""

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from tests.bench.start import DEAD, ZONES, once, until_ready
from tests.image import building, contents
from tests.image.running import running, stop
from tests.tenant import environment

RUNS = 3
CLIENTS = 20  # that ask one request after another while it stops
GRACE = 10.0  # seconds that Cloud Run gives


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians of RUNS; seconds. `beside_s` is the start on this machine without the container."""

    zone: str
    ready_s: float
    beside_s: float
    stop_s: float


def run(*, as_json: bool) -> int:
    """Build, look, run; 0 unless something is in the image that must not be, or a stop takes too long."""
    if why := building.lacking():
        print(f"./dev bench image: {why}", file=sys.stderr)
        return 2
    started = time.monotonic()
    building.build()
    build = time.monotonic() - started
    with building.mounted() as root:
        size, bad = contents.megabytes(root), [*contents.forbidden(root), *contents.risky(root)]
        parts = len(json.loads((root / "sbom.cdx.json").read_bytes())["components"])
        figures = [_measured(root, zone) for zone in ZONES]
    if as_json:
        print(
            json.dumps(
                {"megabytes": round(size, 1), "build_s": round(build, 1), "components": parts, "must_not_be_there": bad}
                | {"runs": RUNS, "zones": [asdict(one) for one in figures]}
            )
        )
    else:
        print(f"image {size:.0f} MB unpacked, {parts} components in its bill of materials, built in {build:.0f} s")
        print(f"must not be there: {', '.join(bad) or 'nothing of it is'}")
        print(f"read-only, own user; medians of {RUNS}; SIGTERM while {CLIENTS} clients ask")
        for one in figures:
            ratio = f"{one.ready_s / one.beside_s:.2f} of {one.beside_s:.2f} s without the container"
            print(f"  {one.zone:<10} ready {one.ready_s:5.2f} s ({ratio})   stopped in {one.stop_s:5.2f} s")
    return 1 if bad or any(one.stop_s > GRACE for one in figures) else 0


def _measured(root: Path, zone: str) -> Figure:
    inside = [_in_container(root, zone) for _ in range(RUNS)]
    beside = statistics.median(once(zone)[0] for _ in range(RUNS))
    ready, ended = (round(statistics.median(values), 2) for values in zip(*inside, strict=True))
    return Figure(zone, ready, round(beside, 2), ended)


def _in_container(root: Path, zone: str) -> tuple[float, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = environment(
        zone,
        STARVIT_JWKS_URL=f"http://{DEAD}/certs",
        STARVIT_MEDPLUM_URL=f"http://{DEAD}",
        STARVIT_BIGQUERY_ENDPOINT=DEAD,
        STARVIT_PUBSUB_ENDPOINT=DEAD,
        STARVIT_HOST="127.0.0.1",
        PORT=str(port),
    )
    for name in ("PATH", "PYTHONPATH", "HOME"):
        settings.pop(name, None)
    started = time.monotonic()
    with running(root, settings) as process:
        until_ready(port)
        return time.monotonic() - started, asyncio.run(_stopped(process, port))


async def _stopped(process: "subprocess.Popen[bytes]", port: int) -> float:
    """Seconds from SIGTERM to the end, with requests coming in."""

    async def ask() -> None:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False, timeout=GRACE) as http:
                while True:
                    await http.post(f"http://127.0.0.1:{port}/v1/webhooks/medplum/clinic", content=b"{}")

    clients = [asyncio.create_task(ask()) for _ in range(CLIENTS)]
    await asyncio.sleep(0.5)
    started = time.monotonic()
    await asyncio.to_thread(stop, process, 2 * GRACE)
    took = time.monotonic() - started
    await asyncio.gather(*clients)
    return took
