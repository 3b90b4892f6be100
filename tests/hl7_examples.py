"""HL7's official examples of R4 (npm hl7.fhir.r4.examples 4.0.1): never in the project, read where they were put.

    HL7_R4_EXAMPLES, or ~/.cache/starvit/hl7.fhir.r4.examples-4.0.1 (`./dev bench validate` fetches it there with npm)

Definitions for software (StructureDefinition and the like) are not among them: nobody's data is in those.
"""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

_PACKAGE = "hl7.fhir.r4.examples@4.0.1"
CACHE = Path.home() / ".cache" / "starvit" / _PACKAGE.replace("@", "-")
_DEFINITIONS = frozenset(
    {
        *("CapabilityStatement", "StructureDefinition", "ImplementationGuide", "SearchParameter", "MessageDefinition"),
        *("OperationDefinition", "CompartmentDefinition", "StructureMap", "GraphDefinition", "ExampleScenario"),
        *("CodeSystem", "ValueSet", "ConceptMap", "NamingSystem", "TerminologyCapabilities"),
    }
)


def folder() -> Path | None:
    """Where the examples are, if they are anywhere."""
    found = Path(os.environ.get("HL7_R4_EXAMPLES", CACHE))
    return found if found.is_dir() else None


def fetched(package: str = _PACKAGE) -> Path | None:
    """A package of npm's, unpacked in the cache: fetched if it is not there, None if it can not be."""
    if package == _PACKAGE and (found := folder()) is not None:
        return found
    target = CACHE.parent / package.replace("@", "-").replace("/", "-").lstrip("-")
    if target.is_dir():
        return target
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    try:
        ran = subprocess.run(["npm", "pack", package], cwd=CACHE.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    archive = CACHE.parent / ran.stdout.split()[-1]
    with tarfile.open(archive) as packed:
        packed.extractall(target, filter="data")
    archive.unlink()
    return target


def examples(of: Path, *, at_most: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and resource, in order; those of at most so many bytes."""
    for path in sorted(of.rglob("*.json")):
        text = path.read_bytes()
        if at_most is None or len(text) <= at_most:
            resource = orjson.loads(text)
            if resource.get("resourceType", "CodeSystem") not in _DEFINITIONS:
                yield path.stem, resource
