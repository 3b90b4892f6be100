"""`./dev audit`: the locked packages against the list of licences, and against the known vulnerabilities.

The second needs a network: pip-audit lives in a venv of its own (.audit), since its packages are none of ours. Without one
it is skipped, and says why; `--strict`, as CI calls it, does not let that pass.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from handlers.licences import locked, refused

_TOOL = "pip-audit==2.10.1"


def run(root: Path, *, strict: bool) -> int:
    """0 = nothing found; 1 = something was, or (strict) could not be looked for."""
    denied = refused()
    for package in denied:
        print(f"licence: {package.name} {package.version} is under {package.licence}")
    print(f"licences: {sum(package.shipped for package in locked())} packages of the image, {len(denied)} refused")
    found = _vulnerabilities(root)
    if isinstance(found, str):
        print(f"vulnerabilities: skipped, {found}")
        return 1 if denied or strict else 0
    for line in found:
        print(f"vulnerability: {line}")
    print(f"vulnerabilities: {len(found)}")
    return 1 if denied or found else 0


def _vulnerabilities(root: Path) -> list[str] | str:
    """What is known against the locked packages; or why that can not be told."""
    python = root / ".audit" / "bin" / "python"
    if not python.exists():
        make = (
            [sys.executable, "-m", "venv", str(root / ".audit")],
            [str(python), "-m", "pip", "install", "-q", _TOOL],
        )
        for command in make:
            if subprocess.run(command, check=False, capture_output=True).returncode:  # noqa: S603
                return "pip-audit can not be installed here"
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("".join(f"{package.name}=={package.version}\n" for package in locked()))
        listed.flush()
        options = ("--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off", "--timeout", "5")
        command = [str(python), "-m", "pip_audit", "-r", listed.name, *options]
        try:
            result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)  # noqa: S603
        except subprocess.TimeoutExpired:
            return "the vulnerability service did not answer in time"
    try:
        report: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        return "the vulnerability service can not be reached from here"
    return [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'nothing yet'}"
        for one in report["dependencies"]
        for flaw in one.get("vulns", ())
    ]
