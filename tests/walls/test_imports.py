"""The walls are import contracts; each is broken on purpose here, and the build must refuse."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# what is broken → (the file that gets a forbidden line, the line, the contract that must name it)
BROKEN = {
    "analytics takes PHI": (
        "handlers/analytics.py",
        "from shared.phi import Phi",
        "beyond the door nothing can reach PHI",
    ),
    "analytics reads Medplum": (
        "handlers/analytics.py",
        "import shared.fhir.client",
        "beyond the door nothing can reach PHI",
    ),
    "the graph takes PHI": (
        "handlers/graph/handler.py",
        "import shared.fhir.elements",
        "beyond the door nothing can reach PHI",
    ),
    "the graph's handler does input and output": (
        "handlers/graph/handler.py",
        "import httpx",
        "handlers decide and do no input or output themselves",
    ),
    "analytics reaches PHI through another module": (
        "shared/tenancy.py",
        "import shared.phi\nimport shared.limits",
        "beyond the door nothing can reach PHI",
    ),
    "a sink opens the door": (
        "shared/sinks/port.py",
        "import shared.deid.door",
        "beyond the door nothing can reach PHI",
    ),
    "a view reads FHIR through the clinical side": (
        "shared/views/keys.py",
        "import shared.fhir.elements",
        "beyond the door nothing can reach PHI",
    ),
    "the pipeline holds PHI": ("shared/pipeline.py", "import shared.phi", "beyond the door nothing can reach PHI"),
    "who orders an erasure sees PHI": (
        "handlers/erasures/orders.py",
        "import shared.deid.pseudonyms",
        "beyond the door nothing can reach PHI",
    ),
    "how it is done depends on what we do": (
        "shared/limits.py",
        "import handlers.deid",
        "what we do stands above how it is done",
    ),
    "a handler calls another": ("handlers/deid.py", "import handlers.audit", "handlers know nothing of each other"),
    "a handler does input and output": (
        "handlers/validation.py",
        "import httpx",
        "handlers decide and do no input or output themselves",
    ),
    "the service depends on a stand-in": (
        "handlers/app.py",
        "import shared.local.issuer",
        "stand-ins of one machine are for the demo and the tests",
    ),
    "the analytics zone is given a way to Medplum": (
        "handlers/zones/analytics.py",
        "import shared.fhir.client",
        "only the clinical zone is wired to PHI",
    ),
    "the console reads rows": (
        "handlers/console/live.py",
        "import shared.sinks.bigquery",
        "the console has no way of its own",
    ),
    "the FHIR layer publishes": (
        "shared/fhir/client.py",
        "import shared.sinks.pubsub",
        "the FHIR layer is the only way to PHI",
    ),
}


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(root)})


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the code, to be broken."""
    for name in ("handlers", "shared"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_as_it_is_keeps_every_wall(house: Path) -> None:
    result = _lint(house)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_wall_stops_the_build(house: Path, broken: str) -> None:
    file, line, contract = BROKEN[broken]
    if broken.endswith("through another module"):
        analytics = house / "handlers/analytics.py"
        analytics.write_text(analytics.read_text() + "\nimport shared.tenancy\n")
    target = house / file
    target.write_text(target.read_text() + f"\n{line}\n")
    result = _lint(house)
    assert result.returncode == 1
    verdicts = [text for text in result.stdout.splitlines() if text.startswith(contract)]
    assert any("BROKEN" in verdict for verdict in verdicts), result.stdout
