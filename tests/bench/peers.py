"""Other tools that a bench is held against, in an environment of their own (.peers): never a dependency of the service."""

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PEERS = _HERE.parents[1] / ".peers"


def installed(requirements: str) -> Path:
    """The Python that has what this file of tests/bench asks for; made on first use. Raises CalledProcessError."""
    python = _PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", _PEERS], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", _HERE / requirements], check=True)
    return python
