"""What is in the image and what must not be."""

from collections.abc import Iterator
from pathlib import Path

FORBIDDEN = {
    "a shell": ("bin/sh", "bin/bash", "bin/dash", "bin/busybox"),
    "a compiler": ("bin/cc", "bin/gcc", "bin/g++", "bin/as", "bin/ld", "bin/make"),
    "a package manager": ("bin/apt", "bin/apt-get", "bin/dpkg", "bin/pip", "bin/pip3", "bin/poetry", "bin/uv"),
    "pip as a module": ("site-packages/pip", "python3.13/ensurepip"),
    "Poetry": ("site-packages/poetry", "opt/poetry"),
    "tests or stand-ins": ("srv/tests", "srv/shared/local", "srv/handlers/demo", "srv/handlers/release"),
    "packages of the laptop": (
        "site-packages/duckdb",
        "site-packages/pytest",
        "site-packages/mypy",
        "site-packages/rich",
    ),
    "sources of the build": ("srv/poetry.lock", "srv/.git", "srv/dev", "srv/Dockerfile"),
}


def forbidden(root: Path) -> Iterator[str]:
    """Each thing that is there and must not be."""
    there = [str(path.relative_to(root)) for path in _walk(root)]
    for what, ends in FORBIDDEN.items():
        yield from (f"{what}: {path}" for path in there if path.endswith(ends))


def risky(root: Path) -> Iterator[str]:
    """Files that the service's user owns, anyone may write, or that give their owner's rights (setuid)."""
    for path in _walk(root):
        if path.is_symlink():
            continue
        status = path.stat()
        sticky = path.is_dir() and status.st_mode & 0o1000
        if status.st_uid or status.st_mode & 0o6000 or (status.st_mode & 0o002 and not sticky):
            yield str(path.relative_to(root))


def uncompiled(root: Path) -> list[str]:
    """Modules of ours and of the packages without bytecode: they would be compiled at every start."""
    found = []
    for tree in ("srv/handlers", "srv/shared", "srv/.venv/lib", "usr/local/lib/python3.13"):
        for source in (root / tree).rglob("*.py"):
            if not (source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc").exists():
                found.append(str(source.relative_to(root)))
    return found


def megabytes(root: Path) -> float:
    """All files, unpacked."""
    return sum(path.lstat().st_size for path in _walk(root) if path.is_file() and not path.is_symlink()) / 1e6


def _walk(root: Path) -> Iterator[Path]:
    for folder, _, files in root.walk():
        yield folder
        yield from (folder / name for name in files)
