"""`./dev bench simulate --seeds N`: N simulated days on all cores, and how many seeds each planted bug takes to be found."""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.bugs import BUGS
from tests.simulation.plan import drawn
from tests.simulation.run import report, wrong_with
from tests.simulation.test_simulation import WITHIN

_CHUNK = 100


def run(*, as_json: bool, seeds: int = 20_000) -> int:
    """Run and print; 1 if a world went wrong, or a bug was not found."""
    start = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        bad = [seed for found in pool.map(_wrong, range(1, seeds + 1, _CHUNK)) for seed in found if seed <= seeds]
        seconds = time.monotonic() - start
        bugs = dict(zip(BUGS, pool.map(_found, BUGS), strict=True))
    good = not bad and None not in bugs.values()
    if as_json:
        told = {"seeds": seeds, "violations": len(bad), "wrong_seeds": bad, "seconds": round(seconds), "bugs": bugs}
        print(json.dumps(told))
        return 0 if good else 1
    print(f"{seeds:,} seeds in {seconds:.0f} s: {len(bad)} violations")
    for seed in bad[:3]:
        print(report(seed))
    print(f"planted bugs, and the seeds that each took (at most {WITHIN}):")
    for name, took in bugs.items():
        print(f"  {took or 'not found':>9}  {name}")
    return 0 if good else 1


def _wrong(first: int) -> list[int]:
    return [seed for seed in range(first, first + _CHUNK) if wrong_with(drawn(seed))]


def _found(name: str) -> int | None:
    with BUGS[name]():
        return next((seed for seed in range(1, WITHIN + 1) if wrong_with(drawn(seed))), None)
