"""`./dev bench rules`: what our rules cost on top of R4's, for each resource, on one core.

Resources of the synthetic clinic, and a blood pressure, which is what the most rules look at; parsed JSON in, issues out, as
validation calls them. CPU time of the thread, the best of many rounds, which alternate between the works so that a noisy
moment hits all. Beside it in the same run: R4's own rules, and parsing the JSON, which no validator can do without.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import orjson

from shared.fhir.validation.compiled import Rules
from shared.fhir.validation.rules import SETS, load
from shared.fhir.validation.structure import resource_issues
from shared.local.clinic import Clinic

type Work = tuple[
    Sequence[Any], Callable[[Any], object]
]  # what is given, one after the other, and what is done with it

ROUNDS, EACH, WRITES = 40, 200, 600
_TYPES = ("Patient", "Observation", "Condition", "Encounter", "MedicationRequest")


def run(*, as_json: bool) -> int:
    """Measure and print; 0."""
    sets = {name: Rules(load(name)) for name in SETS if name != "none"}
    figures: dict[str, Any] = {}
    for name, resources in _corpus().items():
        texts = [orjson.dumps(one) for one in resources]
        works: dict[str, Work] = {
            "parse": (texts, orjson.loads),
            "r4": (resources, lambda one: list(resource_issues(one))),
            **{f"rules {set}": (resources, rules.issues) for set, rules in sets.items()},
        }
        figures[name] = {"resources": len(resources), "mean_bytes": sum(map(len, texts)) // len(texts)}
        figures[name] |= {f"{work} us": us for work, us in _best(works).items()}
    if as_json:
        print(json.dumps(figures))
        return 0
    heads = list(next(iter(figures.values())))
    print(f"{'':24}" + "".join(f"{head:>18}" for head in heads))
    for name, row in figures.items():
        print(f"{name:24}" + "".join(f"{row[head]:>18}" for head in heads))
    return 0


def _best(works: dict[str, Work]) -> dict[str, float]:
    """Microseconds a resource, of the best round."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, (given, work) in works.items():
            turns = [given[number % len(given)] for number in range(EACH)]
            begun = time.thread_time()
            for one in turns:
                work(one)
            best[name] = min(best[name], (time.thread_time() - begun) / EACH * 1e6)
    return {name: round(value, 1) for name, value in best.items()}


def _corpus() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    clinic = Clinic(5)
    for operation in clinic.operations(WRITES):
        if operation.action != "delete":
            stored = {**operation.resource(), "id": str(UUID(int=operation.handle))}
            clinic.stored(operation, stored | {"meta": {"versionId": str(UUID(int=operation.number))}})
            if operation.type in _TYPES:
                found.setdefault(operation.type, []).append(stored)
    return dict(sorted(found.items())) | {"blood pressure": [_blood_pressure()]}


def _blood_pressure() -> dict[str, Any]:
    def coded(code: str) -> dict[str, Any]:
        return {"coding": [{"system": "http://loinc.org", "code": code}]}

    def part(code: str, value: int) -> dict[str, Any]:
        quantity = {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
        return {"code": coded(code), "valueQuantity": quantity}

    kind = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [kind]}],
        "code": coded("85354-9"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-23T10:41:55Z",
        "component": [part("8480-6", 120), part("8462-4", 80)],
    }
