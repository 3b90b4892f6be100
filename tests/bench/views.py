"""`./dev bench views`: how fast a resource becomes rows, on one core, beside code written by hand for that one view.

Single resources, one after the other, as the service takes them: JSON bytes in (orjson), rows out as dicts. Corpus: the
clinic's resources beyond the door (safe-harbor); number and mean bytes stated. Rounds alternate between the works, so that
a noisy moment hits all; medians of CPU time. The limit is the same rows by hand-written Python, for Patient and blood
pressure. Peers get the same resources, parsed, in an environment of their own (`--peers`, made on first use).
"""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from shared.views import compile_view
from shared.views.report import report
from shared.views.shipped import definitions
from tests.bench.peers import installed
from tests.golden.clinic_resources import left
from tests.views_by_hand import blood_pressure, patient

ROUNDS, WRITES = 9, 3000
_HERE = Path(__file__).resolve().parent
_GOLDEN = _HERE.parent / "golden" / "sql-on-fhir"
_SHARED = _HERE.parents[1].parent / "shared" / "data" / "sql-on-fhir"
_FLAT = {name: name for name in ("id", "active", "gender", "birthDate")}
_VIEWS = {
    "patient, flat": {
        "resource": "Patient",
        "select": [{"column": [{"name": name, "path": name} for name in _FLAT]}],
    },
    "patient": definitions()["patient"],
    "blood_pressure": definitions()["blood_pressure"],
}
_BY_HAND: Mapping[str, Callable[[Any], object]] = {
    "patient, flat": lambda given: [{name: given.get(name) for name in _FLAT}],
    "patient": patient,
    "blood_pressure": blood_pressure,
}


def run(*, as_json: bool, peers: bool = False) -> int:
    """Measure and print; 0."""
    figures: dict[str, Any] = {"suites": _suites(), "compile_ms": _compile_ms(), "views": {}}
    for name in _BY_HAND:
        figures["views"][name] = _measured(name, _corpus(name))
        if peers:
            figures["views"][name]["peers"] = _peers(name, _corpus(name))
    if as_json:
        print(json.dumps(figures))
        return 0
    _print(figures)
    return 0


def _corpus(name: str) -> list[bytes]:
    """The resources that the view has rows of."""
    rows = compile_view(_VIEWS[name]).rows
    return [orjson.dumps(resource) for resource in left("safe-harbor", WRITES) if rows(resource)]


def _measured(name: str, corpus: Sequence[bytes]) -> dict[str, Any]:
    rows, by_hand = compile_view(_VIEWS[name]).rows, _BY_HAND[name]
    parsed = [orjson.loads(one) for one in corpus]
    assert all(rows(one) == by_hand(one) for one in parsed), "the same rows"
    times = max(1, 4000 // len(corpus))

    def whole(work: Callable[[Any], object]) -> None:
        for _ in range(times):
            for one in corpus:
                work(orjson.loads(one))

    def rows_alone() -> None:
        for _ in range(times):
            for one in parsed:
                rows(one)

    works: dict[str, Callable[[], object]] = {
        "per_s": lambda: whole(rows),
        "without_parsing_per_s": rows_alone,
        "by_hand_per_s": lambda: whole(by_hand),
        "parsing_alone_per_s": lambda: whole(len),
    }
    taken: dict[str, list[float]] = {work: [] for work in works}
    for _ in range(ROUNDS):
        for work, do in works.items():
            started = time.process_time()
            do()
            taken[work].append(time.process_time() - started)
    count = times * len(corpus)
    told = {"resources": len(corpus), "mean_bytes": round(statistics.mean(map(len, corpus)))}
    return told | {work: round(count / statistics.median(each)) for work, each in taken.items()}


def _compile_ms() -> dict[str, float]:
    compile_view(definitions()["patient"])  # the table of types is read once for all
    taken = {}
    for name, definition in definitions().items():
        rounds = []
        for _ in range(ROUNDS):
            started = time.process_time()
            compile_view(definition)
            rounds.append(time.process_time() - started)
        taken[name] = round(1000 * statistics.median(rounds), 2)
    return taken


def _suites() -> dict[str, dict[str, tuple[int, int]]]:
    """Passed of how many, by file: of the suite where it lies beside the project, and of our own cases."""
    found = {}
    for folder in (_SHARED, _GOLDEN):
        if folder.exists():
            judged = report(folder)
            found[folder.parent.name + "/" + folder.name] = {
                name: (sum(test["result"]["passed"] for test in file["tests"]), len(file["tests"]))
                for name, file in judged.items()
            }
    return found


def _peers(name: str, corpus: Sequence[bytes]) -> dict[str, dict[str, Any]]:
    """Each peer's resources a second, or why it gave none."""
    python = installed("peers-views.txt")
    given = {
        "view": {**_VIEWS[name]},
        "resources": [orjson.loads(one) for one in corpus[:200]],
        "rows": [compile_view(_VIEWS[name]).rows(orjson.loads(one)) for one in corpus[:200]],
    }
    ran = subprocess.run(
        [python, _HERE / "peer_views.py"], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    answers: dict[str, dict[str, Any]] = json.loads(ran.stdout.splitlines()[-1])
    return answers


def _print(figures: Mapping[str, Any]) -> None:
    for suite, files in figures["suites"].items():
        passed, told = (sum(one[number] for one in files.values()) for number in (0, 1))
        print(f"suite {suite}: {passed} of {told} passed")
        print("  " + ", ".join(f"{name.removesuffix('.json')} {good}/{of}" for name, (good, of) in files.items()))
    slowest = max(figures["compile_ms"].values())
    print(
        f"compiling a view: {statistics.median(figures['compile_ms'].values()):.1f} ms (median), {slowest:.1f} ms (slowest)"
    )
    for name, one in figures["views"].items():
        print(
            f"{name}: {one['resources']} resources of {one['mean_bytes']} bytes on average, one core, medians of {ROUNDS} rounds"
        )
        print(
            f"  with parsing     {one['per_s']:>9,} resources/s   {one['per_s'] / one['by_hand_per_s']:.2f} of by hand"
        )
        print(f"  by hand          {one['by_hand_per_s']:>9,} resources/s (the limit)")
        print(f"  parsing alone    {one['parsing_alone_per_s']:>9,} resources/s")
        print(f"  without parsing  {one['without_parsing_per_s']:>9,} resources/s")
        for peer, answer in one.get("peers", {}).items():
            if "failed" in answer:
                print(f"  {peer:<16} {answer['failed']}")
            else:
                same = "the same rows" if answer["same"] else "OTHER ROWS"
                print(f"  {peer:<16} {answer['per_s']:>9,} resources/s without parsing, {same}")
