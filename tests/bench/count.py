"""`./dev bench count`: how many of Python's instructions a change costs the service, by package and by function.

A profile without a clock: where the machine's noise is larger than what a change of ours saves, the count tells it to a few
hundredths (a busy machine makes other batches), and shows a loop that no sampled profile has: each character of a URL, each
header of a request. What an instruction sets going in C is not in it, so the clock has the last word.
"""

import asyncio
import io
import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from handlers.demo.display import Display
from handlers.demo.run import Demo
from handlers.demo.stack import Stack, embedded
from tests.bench.counted import BEGIN, END, FOLDER

ROOT = Path(__file__).resolve().parents[2]
RATE, WARM, SECONDS, SEED = 4, 5, 40, 7  # changes a second; seconds before the count, and of it
_PATIENCE = 30.0  # seconds for a worker to write down what it counted
_SHOWN = 20

type Row = tuple[str, str, int, int]  # file, function, instructions, calls


class Counting(Demo):
    """A demo whose service is counted from its first seconds' end until everything has come to rest."""

    async def _write(self, stack: Stack) -> None:
        async def begin() -> None:
            await asyncio.sleep(WARM)  # what a process does once is over
            (_folder() / BEGIN).touch()

        async with asyncio.TaskGroup() as both:
            both.create_task(begin())
            await super()._write(stack)

    async def _rest(self, stack: Stack, started: float) -> None:
        await super()._rest(stack, started)
        (_folder() / END).touch()
        async with asyncio.timeout(_PATIENCE):
            while not list(_folder().glob("*.json")):
                await asyncio.sleep(0.1)


def run(*, as_json: bool) -> int:
    """Count and print."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {FOLDER: folder, "GUNICORN_CMD_ARGS": "--worker-class tests.bench.counted.Counted"}
        uvloop.run(_driven())
        [counted] = _folder().glob("*.json")
        rows: list[Row] = [(file, name, number, calls) for file, name, number, calls in json.loads(counted.read_text())]
    changes = RATE * SECONDS
    packages = Counter[str]()
    for file, _, number, _ in rows:
        packages[_package(file)] += number
    functions = sorted(rows, key=lambda row: -row[2])[:_SHOWN]
    whole, calls = sum(packages.values()) / changes, sum(row[3] for row in rows) / changes
    if as_json:
        told = [
            (f"{_package(file)} {name}", number / changes, made / changes) for file, name, number, made in functions
        ]
        by_package = {name: number / changes for name, number in packages.most_common()}
        print(json.dumps({"instructions": whole, "calls": calls, "packages": by_package, "functions": told}))
        return 0
    print(f"{whole:,.0f} of Python's instructions a change, in {calls:,.0f} calls; counted over {changes} changes")
    for name, number in packages.most_common(_SHOWN):
        print(f"  {number / changes:8,.0f}  {number / changes / whole:5.1%}  {name}")
    print("by function, with its calls a change")
    for file, name, number, made in functions:
        print(f"  {number / changes:8,.0f}  {made / changes:6.1f}  {_package(file)}  {name}")
    return 0


async def _driven() -> None:
    demo = Counting(RATE * (WARM + SECONDS), SEED, None, None, Display(io.StringIO()), rate=float(RATE))
    with tempfile.TemporaryDirectory() as home:
        async with embedded(Path(home), faults=None, observe=demo.observe, workers=1) as stack:
            found = await demo.run(stack)
            if found.lost or found.duplicated:
                raise RuntimeError("the run itself was not good")


def _package(file: str) -> str:
    """Ours by its two outermost folders, another's by its own name, Python's by the module's."""
    path = Path(file)
    if path.is_relative_to(ROOT) and "site-packages" not in path.parts:
        return "/".join(path.relative_to(ROOT).parts[:2])
    parts = path.parts
    at = next((index for index, part in enumerate(parts) if part == "site-packages"), None)
    if at is None:
        at = next((index for index, part in enumerate(parts) if part.startswith("python3")), -1)
    return parts[at + 1].removesuffix(".py") if at + 1 < len(parts) else file


def _folder() -> Path:
    return Path(os.environ[FOLDER])
