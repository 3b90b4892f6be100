"""`./dev bench utility [--examples FOLDER]`: how much of what analysts need leaves through the door.

Counted on the synthetic clinic, and on HL7's official R4 examples where their package (npm hl7.fhir.r4.examples, unpacked) is at
hand: codings of standard systems, quantities, and UCUM units, in and out. What an element's rule keeps back on purpose (display,
contained resources, resources inside others, metadata, contacts, names) is not looked into: those have no coding to lose.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from uuid import UUID

import orjson

from shared.deid.door import Door
from shared.deid.policy import NAMES, load
from shared.deid.pseudonyms import Pseudonyms
from shared.fhir.elements import codes, resource_types
from shared.local.clinic import Clinic

WRITES, SEED = 3000, 11
UCUM = "http://unitsofmeasure.org"
_ASIDE = frozenset(
    {"contained", "meta", "text", "identifier", "telecom", "extension", "modifierExtension"}
)  # no rule lets them out whole
_DEFINITIONS = frozenset(
    {
        "ActivityDefinition", "CapabilityStatement", "ChargeItemDefinition", "CodeSystem", "CompartmentDefinition",
        "ConceptMap", "DeviceDefinition", "EventDefinition", "ExampleScenario", "GraphDefinition", "ImplementationGuide",
        "Library", "Measure", "MessageDefinition", "NamingSystem", "ObservationDefinition", "OperationDefinition",
        "PlanDefinition", "Questionnaire", "ResearchDefinition", "ResearchElementDefinition", "SearchParameter",
        "SpecimenDefinition", "StructureDefinition", "StructureMap", "TerminologyCapabilities", "TestScript", "TestReport",
        "ValueSet",
    }
)  # fmt: skip
_BUNDLED = frozenset({"Bundle", "Parameters"})

type Json = Mapping[str, object]


def run(*, as_json: bool, examples: Path | None = None) -> int:
    """Measure and print; 0."""
    corpora = {"the clinic": list(_clinic())}
    if examples is not None:
        corpora["HL7's examples"] = list(instances(examples))
    figures = {name: {policy: _shares(read, policy) for policy in NAMES} for name, read in corpora.items()}
    if as_json:
        print(json.dumps(figures))
        return 0
    for name, by_policy in figures.items():
        print(f"{name}: {len(corpora[name])} resources")
        for policy, one in by_policy.items():
            kept = (
                f"{kind} {one[kind]:.1%} of {one[f'{kind} in']:,.0f}" for kind in ("codings", "quantities", "units")
            )
            print(f"  {policy:<12} kept: {', '.join(kept)}")
            print(f"  {'':<12} lost most: {one['lost']}")
    return 0


def _shares(resources: Iterable[Json], policy: str) -> dict[str, float | str]:
    door = Door("bench", load(policy), Pseudonyms(b"k" * 32, "k1"))
    there: Counter[str] = Counter()
    left: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    standard = frozenset({system.url for system in load(policy).systems} | set(codes().systems)) - {UCUM}
    for resource in resources:
        before, after = _found(resource, standard), _found(door.deidentify(resource), standard)
        for kind, values in before.items():
            there[kind] += sum(values.values())
            left[kind] += sum((values & after[kind]).values())
            lost.update({f"{resource['resourceType']} {value}": n for value, n in (values - after[kind]).items()})
    worst = ", ".join(f"{what} ({times})" for what, times in lost.most_common(5))
    return (
        {kind: left[kind] / there[kind] for kind in there}
        | {f"{kind} in": float(n) for kind, n in there.items()}
        | {"lost": worst}
    )


def _found(resource: Json, standard: frozenset[str]) -> dict[str, Counter[str]]:
    """The codings of standard systems, the quantities and the UCUM units of a resource."""
    found: dict[str, Counter[str]] = {"codings": Counter(), "quantities": Counter(), "units": Counter()}

    def walk(value: object) -> None:
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            system, code = value.get("system"), value.get("code")
            if isinstance(value.get("value"), int | float) and "currency" not in value:  # Money is no quantity
                found["quantities"][f"{value['value']}"] += 1
                if system == UCUM and isinstance(code, str):
                    found["units"][code] += 1
            elif isinstance(system, str) and isinstance(code, str) and system in standard:
                found["codings"][f"{system}|{code}"] += 1
            for name, item in value.items():
                if name not in _ASIDE:
                    walk(item)

    walk(resource)
    return found


def _clinic() -> Iterator[Json]:
    clinic = Clinic(SEED)
    for operation in clinic.operations(WRITES):
        if operation.action != "delete":
            stored = {**operation.resource(), "id": str(UUID(int=operation.handle))}
            stored["meta"] = {"versionId": str(UUID(int=operation.number)), "lastUpdated": "2026-11-23T10:41:55.279Z"}
            clinic.stored(operation, stored)
            yield stored


def instances(folder: Path) -> Iterator[Json]:
    """Instances, not definitions: what a clinic's server holds. Bundles by their entries."""
    for path in sorted(folder.rglob("*.json")):
        try:
            resource = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError:
            continue
        yield from _instances(resource)


def _instances(resource: object) -> Iterator[Json]:
    if not isinstance(resource, dict):
        return
    name = resource.get("resourceType")
    if name == "Bundle":
        for entry in resource.get("entry", ()):
            yield from _instances(entry.get("resource"))
    elif name in resource_types() and name not in _BUNDLED and name not in _DEFINITIONS:
        yield resource
