"""`./dev bench deid`: the door, JSON bytes in to JSON bytes out, on one core, beside its limit in the same run.

The limit is orjson alone: loads and dumps of the same bytes. Corpus: what the synthetic clinic writes, its mix of types; mean
bytes stated. Rounds of the door and of the limit alternate, so that a noisy moment hits both; medians. Strict parsing is not
in it: the service's handlers and the command each parse on their own.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from shared.deid.door import Door
from shared.deid.policy import NAMES, load
from shared.deid.pseudonyms import Pseudonyms
from shared.local.clinic import Clinic
from tests.bench.utility import instances

ROOT = Path(__file__).resolve().parents[2]
RESOURCES, ROUNDS, SEED = 4000, 7, 11
_START = "from shared.deid.door import Door; from shared.deid.policy import load; from shared.deid.pseudonyms import Pseudonyms"


@dataclass(frozen=True, slots=True)
class Figure:
    """Resources a second, and the share of what orjson alone does with the same bytes."""

    policy: str
    per_s: int
    share_of_orjson: float
    start_s: float


def run(*, as_json: bool, examples: Path | None = None) -> int:
    """Measure and print; 0. `examples`: HL7's official ones (npm hl7.fhir.r4.examples, unpacked), as a second corpus."""
    corpora = {"the clinic's mix": _corpus()}
    if examples is not None:
        corpora["HL7's examples"] = [orjson.dumps(resource) for resource in instances(examples)]
    figures = {name: _figures(corpus) for name, corpus in corpora.items()}
    if as_json:
        print(json.dumps(figures))
        return 0
    for name, one in figures.items():
        print(
            f"{name}: {one['resources']} resources of {one['mean_bytes']} bytes on average, medians of {ROUNDS} rounds, one core"
        )
        print(f"  orjson alone   {one['orjson_per_s']:>9,} resources/s")
        for row in one["policies"]:
            told = f"{row['per_s']:>9,} resources/s   {row['share_of_orjson']:.2f} of orjson"
            print(f"  {row['policy']:<14} {told}   start-up {row['start_s']:.2f} s (with imports)")
    return 0


def _figures(corpus: list[bytes]) -> dict[str, Any]:
    limit, figures = _measured(corpus)
    mean = round(sum(map(len, corpus)) / len(corpus))
    return {
        "resources": len(corpus),
        "mean_bytes": mean,
        "orjson_per_s": limit,
        "policies": [*map(asdict, figures)],
    }


def _corpus() -> list[bytes]:
    clinic, made = Clinic(SEED), []
    for operation in clinic.operations(RESOURCES):
        if operation.action != "delete":
            stored = {**operation.resource(), "id": str(UUID(int=operation.handle))}
            stored["meta"] = {"versionId": str(UUID(int=operation.number)), "lastUpdated": "2026-11-23T10:41:55.279Z"}
            clinic.stored(operation, stored)
            made.append(orjson.dumps(stored))
    return made


def _measured(corpus: list[bytes]) -> tuple[int, list[Figure]]:
    doors = {name: Door("bench", load(name), Pseudonyms(b"k" * 32, "k1")) for name in NAMES}

    def plain() -> None:
        for body in corpus:
            orjson.dumps(orjson.loads(body))

    def through(door: Door) -> Callable[[], None]:
        def work() -> None:
            for body in corpus:
                orjson.dumps(door.deidentify(orjson.loads(body)))

        return work

    works = {"orjson": plain} | {name: through(door) for name, door in doors.items()}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = time.process_time()
            work()
            times[name].append(time.process_time() - started)
    rates = {name: len(corpus) / statistics.median(taken) for name, taken in times.items()}
    figures = [
        Figure(name, round(rates[name]), round(rates[name] / rates["orjson"], 3), _start(name)) for name in NAMES
    ]
    return round(rates["orjson"]), figures


def _start(name: str) -> float:
    """From nothing to a door, in a process of its own, the interpreter's own start taken off."""

    def once(program: str) -> float:
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
        return time.monotonic() - started

    program = f"{_START}; Door('b', load({name!r}), Pseudonyms(b'k' * 32, 'k'))"
    return round(statistics.median(once(program) - once("pass") for _ in range(3)), 2)
