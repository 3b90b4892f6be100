"""`./dev bench model`: the whole space of the ledger's protocol for eight workers."""

import json
import time

from tests.simulation.model import explore

WORKERS = 8


def run(*, as_json: bool) -> int:
    """Explore and print; 1 if an invariant does not hold."""
    start = time.monotonic()
    explored = explore(WORKERS)
    seconds = round(time.monotonic() - start, 1)
    if as_json:
        found = {"states": explored.states, "steps": explored.steps, "seconds": seconds, "way": explored.violation}
        print(json.dumps({"workers": WORKERS, **found}))
    else:
        print(f"{WORKERS} workers: {explored.states:,} states, {explored.steps:,} steps, the whole space, {seconds} s")
        print("\n".join(explored.violation) or "0 violations")
    return 1 if explored.violation else 0
