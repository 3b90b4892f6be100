"""`./dev test`: everything that CI checks, in the order in which it is quickest to fail."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_PYTHON = sys.executable
CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("format", (_PYTHON, "-m", "ruff", "format", "--check", ".")),
    ("lint", (_PYTHON, "-m", "ruff", "check", ".")),
    ("walls", (str(Path(_PYTHON).with_name("lint-imports")), "--no-cache")),
    ("types", (_PYTHON, "-m", "mypy")),
    ("tests", (_PYTHON, "-m", "pytest")),
)


def run(root: Path, rest: Sequence[str]) -> int:
    """0 when every check passes. With `rest` only pytest runs, with those arguments."""
    checks = [("tests", (*CHECKS[-1][1], *rest))] if rest else CHECKS
    failed = []
    for name, command in checks:
        started = time.monotonic()
        print(f"── {name}", flush=True)
        if subprocess.run(command, cwd=root, check=False).returncode:  # noqa: S603 - the commands above
            failed.append(name)
        print(f"── {name}: {'FAILED' if name in failed else 'ok'} in {time.monotonic() - started:.1f} s", flush=True)
    return 1 if failed else 0
