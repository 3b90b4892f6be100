"""The image's bill of materials: CycloneDX 1.6, read from what was really installed, not from what was asked for.

    dist-info of /srv/.venv ─┐
    status.d of the root    ─┼─► components with a purl each, sorted ─► /sbom.cdx.json
    the interpreter         ─┘

The same image gives the same bytes: no time, and a serial number made from the components.

    python sbom.py TARGET /srv/.venv VERSION          (in the build stage; standard library alone)
"""

import json
import platform
import sys
import uuid
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

type Component = dict[str, Any]

_SPACE = uuid.UUID("6f0c2f5e-0d6c-5a43-9a53-4b1f8f1f2a10")  # of serial numbers made here


def main(target: Path, environment: Path, version: str) -> int:
    """Write `target`/sbom.cdx.json; 0."""
    [packages] = environment.glob("lib/python3.*/site-packages")
    parts = [interpreter(), *python_packages(packages), *debian_packages(target)]
    (target / "sbom.cdx.json").write_text(json.dumps(bill(parts, version), indent=1) + "\n")
    return 0


def bill(parts: list[Component], version: str) -> dict[str, Any]:
    """The document."""
    parts = sorted(parts, key=lambda part: str(part["bom-ref"]))
    name = {"type": "application", "bom-ref": "starvit-events", "name": "starvit-events", "version": version}
    serial = uuid.uuid5(_SPACE, json.dumps([name, parts], sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": name},
        "components": parts,
        "dependencies": [{"ref": name["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def interpreter() -> Component:
    """Python itself, by the name under which its vulnerabilities are told."""
    version = platform.python_version()
    cpe = f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"
    return _component("Python", version, f"pkg:generic/python@{version}") | {"cpe": cpe}


def python_packages(site_packages: Path) -> Iterator[Component]:
    """Every distribution that is installed."""
    for one in distributions(path=[str(site_packages)]):
        name = one.metadata["Name"].lower().replace("_", "-").replace(".", "-")
        yield _component(name, one.version, f"pkg:pypi/{name}@{quote(one.version)}", _licence(one))


def debian_packages(root: Path) -> Iterator[Component]:
    """Every package whose library is in the root."""
    release = dict(line.split("=", 1) for line in (root / "usr/lib/os-release").read_text().splitlines() if "=" in line)
    distro = f"debian-{release.get('VERSION_ID', '').strip(chr(34))}"
    for status in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        fields = dict(
            line.split(": ", 1) for line in status.read_text().splitlines() if ": " in line and line[0] != " "
        )
        name, version, arch = fields["Package"], fields["Version"], fields["Architecture"]
        yield _component(name, version, f"pkg:deb/debian/{name}@{quote(version)}?arch={arch}&distro={distro}")


def _component(name: str, version: str, purl: str, licence: str = "") -> Component:
    part = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return part | ({"licenses": [{"expression": licence}]} if licence else {})


def _licence(one: Distribution) -> str:
    """The SPDX expression, where the package states one (PEP 639)."""
    return str(one.metadata.get("License-Expression") or "")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
