"""`./dev bench scale`: the path with its quotas in virtual time, at rising rates, step by step to 10,000 events a second.

For each step of docs/scale.md: the limit on paper and in the simulation, what binds; and for each rate what gets through,
the age of the 95th of a hundred rows, and what waits at the end of four minutes. Nothing is measured here but arithmetic:
the figures that it rests on are in schemas/scale.toml, each with its source.
"""

import json
from dataclasses import asdict

from handlers.scale.bill import by_service, total
from handlers.scale.limits import binding
from handlers.scale.simulate import Outcome, simulate
from handlers.scale.steps import RATES, STEPS
from handlers.scale.tables import binds, outcomes


def run(*, as_json: bool) -> int:
    """Simulate and print; 0."""
    told = []
    if not as_json:
        services = ", ".join(f"{service} {cost:.2f}" for service, cost in by_service().items())
        print(f"a million events: {total():.2f} USD ({services})")
    for step in STEPS:
        paper, (over, _) = binding(step.shape), outcomes(step)
        swept = [simulate(step.shape, rate) for rate in RATES]
        told.append(
            {
                "step": step.do,
                "paper": paper.rate,
                "binds": paper.name,
                "simulated": over.through,
                "simulated_binds": binds(step),
                "rates": [asdict(one) for one in swept],
            }
        )
        if not as_json:
            print(
                f"{step.do}: {paper.rate:,.1f} events/s on paper, {over.through:,.1f} simulated; binds: {binds(step)}"
            )
            for one in swept:
                print(f"  {_line(one)}")
    if as_json:
        print(json.dumps({"usd_a_million": total(), "services": by_service(), "steps": told}))
    return 0


def _line(one: Outcome) -> str:
    waiting = ", ".join(f"{name} {events:,.0f}" for name, events in one.waiting.items())
    through = f"rows {one.rows:>8,.1f}   all of it {one.through:>8,.1f}"
    return f"{one.rate:>6,} in   {through}   p95 {one.fresh:>7,.1f} s   waiting: {waiting}   {one.binds}"
