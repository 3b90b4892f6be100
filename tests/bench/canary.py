"""`./dev bench canary`: 100,000 fuzzed requests with canaries in all their texts on all cores, and every planted leak.

Exit 1 if a canary was heard on any channel, or if fewer than 95 of 100 plants were found.
"""

import asyncio
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.leaks.plants import PLANTS
from tests.leaks.run import caught, counted

REQUESTS = 100_000
PART = 5_000  # requests of one seed
WITHIN = 3_000  # requests for a plant to be found
ENOUGH = 0.95
# One part in five with the ledger in a file, whose bytes are read too; the others without its thread, which costs more than
# all the rest.
MEMORY: dict[str, object] = {"ledger": "memory"}
FILE: dict[str, object] = {}


def run(*, as_json: bool, seeds: int = REQUESTS // PART) -> int:
    """Run and print; 1 if a canary was heard or a plant was not."""
    start = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(_part, range(1, seeds + 1)))
        plants = dict(zip(PLANTS, pool.map(_plant, PLANTS), strict=True))
    seconds = time.monotonic() - start
    requests = sum(count for count, _ in parts)
    heard = sorted({channel for _, channels in parts for channel in channels})
    found = sum(1 for channels in plants.values() if channels)
    good = not heard and found >= ENOUGH * len(plants)
    if as_json:
        told = {"requests": requests, "leaks": heard, "seconds": round(seconds), "planted": len(plants), "found": found}
        print(json.dumps(told | {"plants": plants}))
        return 0 if good else 1
    print(f"{requests:,} fuzzed requests in {seconds:.0f} s: {len(heard)} channels with a canary {' '.join(heard)}")
    print(f"{found} of {len(plants)} planted leaks found (within {WITHIN} requests each), and where:")
    for name, channels in plants.items():
        print(f"  {name:<70} {', '.join(channels) or 'NOT FOUND'}")
    return 0 if good else 1


def _part(seed: int) -> tuple[int, list[str]]:
    async def one() -> tuple[int, list[str]]:
        async with counted(seed, PART, **(FILE if seed % 5 == 0 else MEMORY)) as (here, _, found):
            return here.requests, [leak.channel for leak in found]

    part = asyncio.run(one())
    print(f"seed {seed}: {part[0]} requests, {len(part[1])} channels with a canary", file=sys.stderr)
    return part


def _plant(name: str) -> list[str]:
    return [leak.channel for leak in asyncio.run(caught(name, within=WITHIN))]
