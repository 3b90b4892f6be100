"""`./dev bench fuzz --inputs N`: the push parser and the webhook parser, N bent requests on all cores; 0 crashes allowed."""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import reduce
from operator import add

from tests.attacks.fuzzing import Found, Kind, fuzzed

_CHUNK = 5000
_KINDS: tuple[Kind, ...] = ("push", "webhook")


def run(*, as_json: bool, inputs: int = 100_000) -> int:
    """Fuzz and print; 1 if anything but a Problem came out."""
    half = inputs // 2
    work = [(kind, first, min(_CHUNK, half - first)) for first in range(0, half, _CHUNK) for kind in _KINDS]
    start = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(fuzzed, *zip(*work, strict=True)))
    seconds = time.monotonic() - start
    found = reduce(add, parts, Found())
    if as_json:
        told = {
            "inputs": found.inputs,
            "crashes": found.crashes,
            "accepted": found.accepted,
            "codes": dict(found.codes),
        }
        print(
            json.dumps(
                told | {"per_second": round(found.inputs / seconds), "slowest_ms": round(found.slowest * 1e3, 1)}
            )
        )
    else:
        print(
            f"{found.inputs:,} inputs in {seconds:.0f} s, {found.inputs / seconds:,.0f} a second, making them included"
        )
        print(
            f"{len(found.crashes)} crashes; {found.accepted:,} were good still; the slowest took {found.slowest * 1e3:.1f} ms"
        )
        print("  ".join(f"{code} {count:,}" for code, count in found.codes.most_common()))
        for crash in found.crashes[:10]:
            print(*crash)
    return 1 if found.crashes else 0
