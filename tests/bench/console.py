"""`./dev bench console`: what the operators' pages weigh, and how soon they are painted, in a real browser on this machine.

Each page RUNS times with an empty cache, over loopback, beside the limit that no page gets below: an empty one from the
same server. Fetches axe-core for the tests beside it, if it can.
"""

import asyncio
import json
import socket
import statistics
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tests.handlers.console.chromium import AXE, Page, browsing, chromium
from tests.handlers.console.house import OPERATOR
from tests.handlers.console.serving import seen, served

RUNS = 5
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_LOADED = "performance.getEntriesByType('navigation')[0].loadEventStart"


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians of RUNS; `bytes` is all that came over the wire. The empty page paints nothing: only its load is timed."""

    page: str
    bytes: int
    requests: int
    first_paint_ms: float | None
    loaded_ms: float


def run(*, as_json: bool) -> int:
    """Measure and print; 0, or 1 where there is no browser."""
    if chromium() is None:
        print("bench console: no Chromium here: apt-get install -y chromium")
        return 1
    if not AXE.exists():
        folder = AXE.parents[2]
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", str(folder), "axe-core@4"], check=False)
    figures = asyncio.run(_measured())
    if as_json:
        print(json.dumps([asdict(one) for one in figures], indent=2))
        return 0
    print(f"{'page':<14}{'bytes':>9}{'requests':>10}{'first paint':>14}{'loaded':>10}")
    for one in figures:
        paint = f"{one.first_paint_ms:.0f} ms" if one.first_paint_ms is not None else "-"
        print(f"{one.page:<14}{one.bytes:>9}{one.requests:>10}{paint:>14}{one.loaded_ms:>7.0f} ms")
    return 0


async def _measured() -> list[Figure]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="console-") as folder:
        async with served(port) as desk, browsing(Path(folder)) as browser:
            paths = {"(empty)": "/empty", **await seen(desk)}
            desk.app.add_route("/empty", _empty)
            page = await browser.page()
            await page.open(f"{origin}/ops/login?token={desk.issuer.token(OPERATOR, f'{origin}/ops/login')}")
            return [await _figure(page, name, origin + path) for name, path in paths.items()]


def _empty(_: Request) -> Response:
    return HTMLResponse("<!doctype html><title>empty</title>")


async def _figure(page: Page, name: str, url: str) -> Figure:
    paints, loads = [], []
    for _ in range(RUNS):
        await page.call("Network.clearBrowserCache")
        found = await page.open(url)
        await asyncio.sleep(0.2)  # a paint comes after the load
        paints.append(await page.run(_PAINT))
        loads.append(await page.run(_LOADED))
    painted = [one for one in paints if one is not None]
    requests = [one for one in found.requests if not one.startswith("data:")]
    paint = round(statistics.median(painted), 1) if painted else None
    return Figure(name, found.bytes, len(requests), paint, round(statistics.median(loads), 1))
