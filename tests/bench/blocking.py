"""`./dev bench blocking`: how long any single step keeps the event loop, from the first event on, under load.

The demo at a rate below saturation, its service with a watch on the loop (tests/bench/watched.py). A step of more than
20 ms would keep every other event of that worker waiting; there shall be none, the very first events included.
"""

import asyncio
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvloop

from handlers.demo.display import Display
from handlers.demo.run import Demo
from handlers.demo.stack import Stack, embedded
from tests.bench.watched import LOG

RATE, SECONDS, SEED = 25, 30, 7
LONGEST = 0.020  # seconds
_START = 2.0  # seconds: the stack is up when one worker is ready; the other one shall be, too


class Watching(Demo):
    """A demo that remembers what the watch had told before the first write: what a start takes is another bench's."""

    async def _write(self, stack: Stack) -> None:
        await asyncio.sleep(_START)
        self.before = {path: path.read_text().count("\n") for path in _logs()}
        await super()._write(stack)


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if a step took longer than LONGEST."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {LOG: folder, "GUNICORN_CMD_ARGS": "--worker-class tests.bench.watched.Watched"}
        demo = Watching(RATE * SECONDS, SEED, None, None, Display(io.StringIO()), rate=float(RATE))
        uvloop.run(_driven(demo))
        steps, number = _read(demo), sum(map(_number, _logs()))
    slow = [one for one in steps if one[0] > LONGEST]
    if as_json:
        print(json.dumps({"steps": number, "over_20_ms": len(slow), "longest": steps[:10]}))
    else:
        print(
            f"{number:,} steps of the loops of two workers, {RATE} changes/s for {SECONDS} s; over 20 ms: {len(slow)}"
        )
        for seconds, cpu, name in steps[:10]:
            print(f"  {seconds * 1000:6.1f} ms, {cpu * 1000:6.1f} of CPU   {name}")
    return 1 if slow else 0


async def _driven(demo: Watching) -> None:
    with tempfile.TemporaryDirectory() as home:
        async with embedded(Path(home), faults=None, observe=demo.observe) as stack:
            found = await demo.run(stack)
            if found.lost or found.duplicated:
                raise RuntimeError("the run itself was not good")


def _read(demo: Watching) -> list[tuple[float, float, str]]:
    """(seconds, CPU seconds, what) of every step worth telling, since the first write; the longest first."""
    found: list[tuple[float, float, str]] = []
    for path in _logs():
        for line in path.read_text().splitlines()[demo.before.get(path, 0) :]:
            kind, *rest = line.split(maxsplit=3)
            if kind == "step":
                found.append((float(rest[0]), float(rest[1]), rest[2]))
    return sorted(found, reverse=True)


def _number(path: Path) -> int:
    counts: Iterator[int] = (
        int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("steps ")
    )
    return max(counts, default=0)


def _logs() -> list[Path]:
    """One of each worker."""
    return list(Path(os.environ[LOG]).iterdir())
