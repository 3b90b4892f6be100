"""`./dev bench rates`: the whole way on the embedded stack, at rising rates up to collapse, and behaviour past it.

Each step is a demo of its own, judged as one: the clinic writes at that rate whether the service keeps up or not, and the
stack is left alone until everything has come to rest. What is told: changes a second from the first write to the last row,
freshness, CPU a change of the service's processes and, apart, of the stand-ins, whose machine it is too.

The service has one worker, as an instance on Cloud Run has: two would share two cores with the stand-ins, each be awake for
half of what comes together, and cost a fifth more for no more changes a second.
"""

import io
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from handlers.demo.display import Display
from handlers.demo.run import Demo
from handlers.demo.stack import Stack, embedded
from handlers.demo.summary import Summary
from tests.bench.clocks import cpu_seconds

RATES = (20, 40, 60, 80, 120, 160, 240)  # the last is far past what two cores can do
SECONDS = 10  # of writing in each step
SEED = 7
SUSTAINED = 100.0  # changes a second
CPU_MS = 6.0  # of the service, a change
LEFT = 0.8  # of the best, at the last rate


@dataclass(frozen=True, slots=True)
class Step:
    """One rate. `kept`: as many a second came out as went in, but for a tenth."""

    rate: int
    per_s: float
    p50_ms: float
    p95_ms: float
    service_ms: float
    stand_ins_ms: float
    lost: int
    duplicated: int

    @property
    def kept(self) -> bool:
        return self.per_s >= 0.9 * self.rate


class Measured(Demo):
    """A demo that looks at the clocks of all processes when it begins and when it has come to rest."""

    spent: tuple[float, float] = (0.0, 0.0)

    async def _write(self, stack: Stack) -> None:
        self._before = _spent(stack)
        await super()._write(stack)

    async def _rest(self, stack: Stack, started: float) -> None:
        await super()._rest(stack, started)
        service, ours = _spent(stack)
        self.spent = service - self._before[0], ours - self._before[1]


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if a target of the module is missed or anything was lost or doubled."""
    steps = [uvloop.run(_step(rate)) for rate in RATES]
    best = max(one.per_s for one in steps)
    left = steps[-1].per_s / best
    kept = [one for one in steps if one.kept]
    cpu = kept[-1].service_ms if kept else float("inf")
    if as_json:
        print(json.dumps({"steps": [asdict(one) for one in steps], "best_per_s": best, "left_past_saturation": left}))
    else:
        print(f"{SECONDS} s of writing at each rate, the stand-ins on the same machine; CPU is for each change")
        for one in steps:
            print(
                f"  {one.rate:4} written/s  {one.per_s:5.1f} done/s   fresh p50 {one.p50_ms:6,.0f} p95 {one.p95_ms:6,.0f} ms"
                f"  service {one.service_ms:5.1f} ms  stand-ins {one.stand_ins_ms:4.1f}  lost {one.lost}, twice {one.duplicated}"
            )
        told = f"at the highest rate {left:.0%} of the best is done"
        print(
            f"  best {best:.0f}/s (wanted {SUSTAINED:.0f}); service CPU {cpu:.1f} ms a change (wanted {CPU_MS:.0f}); {told}"
        )
    whole = not any(one.lost or one.duplicated for one in steps)
    return 0 if whole and best >= SUSTAINED and cpu <= CPU_MS and left >= LEFT else 1


async def _step(rate: int) -> Step:
    changes = rate * SECONDS
    demo = Measured(changes, SEED, None, None, Display(io.StringIO()), rate=float(rate))
    with tempfile.TemporaryDirectory() as folder:
        async with embedded(Path(folder), faults=None, observe=demo.observe, workers=1) as stack:
            found: Summary = await demo.run(stack)
    service, ours = (seconds / changes * 1000 for seconds in demo.spent)
    return Step(
        rate=rate,
        per_s=found.events_per_s,
        p50_ms=found.freshness_ms.p50,
        p95_ms=found.freshness_ms.p95,
        service_ms=round(service, 2),
        stand_ins_ms=round(ours, 2),
        lost=found.lost,
        duplicated=found.duplicated,
    )


def _spent(stack: Stack) -> tuple[float, float]:
    """CPU seconds of the service's workers, and of this process, in which the stand-ins and the clinic are."""
    return cpu_seconds(*stack.service.workers()), time.process_time()
