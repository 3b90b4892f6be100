"""The image's root file system, put together in the build stage: Python, the libraries it loads, and nothing else.

    ldd of Python and of every extension ─► the shared libraries ─► their Debian packages ─► status.d, copyright
    /usr/local/lib/python3.13            ─► without pip, ensurepip, idle, tests; compiled

No shell, no package manager, no compiler, no other user: what is not there can not be used against us. A scanner still knows
what is there, since each library's Debian package is written down as distroless images do it (/var/lib/dpkg/status.d).

    python root.py TARGET /srv/.venv          (as root, in the build stage; standard library alone)
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ID = 10001
PYTHON = Path("/usr/local")
LEFT_OUT = (
    "site-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "test",
    "tkinter",
    "turtledemo",
    "config-*",
)
DLOPENED = ("libgcc_s.so.1",)  # glibc loads it when a thread is cancelled; ldd does not see it
FILES = ("etc/ssl/certs/ca-certificates.crt", "etc/nsswitch.conf", "usr/lib/os-release")
MERGED = ("lib", "lib64", "bin", "sbin")  # links into /usr, as Debian has them
_RESOLVED = re.compile(r"(?:=> )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)


def main(target: Path, environment: Path) -> int:
    """Fill `target`; 0. Raises CalledProcessError where a tool of the build stage fails."""
    skeleton(target)
    python(target)
    seeds = [PYTHON / "bin/python3", *PYTHON.glob("lib/python3.*/lib-dynload/*.so"), *environment.rglob("*.so*")]
    for library in sorted(closure(seeds)):
        copy_library(library, target)
        debian_package(library, target)
    _run("/usr/sbin/ldconfig", "-r", str(target))
    return 0


def skeleton(target: Path) -> None:
    """Directories, links and the one user."""
    for name in (
        "etc",
        "usr/lib",
        "usr/lib64",
        "usr/bin",
        "usr/sbin",
        "var/lib/dpkg/status.d",
        "proc",
        "sys",
        "dev",
        "run",
    ):
        (target / name).mkdir(parents=True, exist_ok=True)
    for name in MERGED:
        (target / name).symlink_to(f"usr/{name}")
    (target / "tmp").mkdir()
    (target / "tmp").chmod(0o1777)
    (target / "etc/passwd").write_text(f"starvit:x:{ID}:{ID}::/nonexistent:/usr/sbin/nologin\n")
    (target / "etc/group").write_text(f"starvit:x:{ID}:\n")
    shutil.copytree("/etc/ld.so.conf.d", target / "etc/ld.so.conf.d")
    shutil.copy("/etc/ld.so.conf", target / "etc/ld.so.conf")
    for name in FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f"/{name}", target / name)
    (target / "etc/os-release").symlink_to("../usr/lib/os-release")


def python(target: Path) -> None:
    """The interpreter and its library, compiled: the official image deletes its bytecode, and every start would pay."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (target / "usr/local/bin").mkdir(parents=True)
    for name in ("python", "python3", version):
        shutil.copy(PYTHON / "bin" / name, target / "usr/local/bin" / name, follow_symlinks=False)
    library = target / "usr/local/lib" / version
    shutil.copytree(
        PYTHON / "lib" / version, library, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT, "__pycache__")
    )
    (library / "site-packages").mkdir()
    for shared in (PYTHON / "lib").glob("libpython3*.so*"):
        shutil.copy(shared, target / "usr/local/lib" / shared.name, follow_symlinks=False)
    _run(
        sys.executable,
        "-m",
        "compileall",
        "-q",
        "-j0",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        str(target),
        str(library),
    )


def closure(seeds: Iterable[Path]) -> set[Path]:
    """The libraries of the system that these files load, through others too, as the loader itself tells."""
    found: set[Path] = set()
    for seed in seeds:
        if not seed.is_symlink() or seed.parent == PYTHON / "bin":
            told = subprocess.run(["ldd", str(seed)], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607
            found |= {Path(path) for path in _RESOLVED.findall(told)}
    outside = {
        path
        for path in found
        if path.is_relative_to("/usr/lib") or path.is_relative_to("/lib") or "lib64" in path.parts
    }
    beside = {path.parent / name for path in outside for name in DLOPENED if (path.parent / name).exists()}
    return outside | beside


def copy_library(library: Path, target: Path) -> None:
    """The file under its real name, and the name by which it is loaded."""
    real = library.resolve()
    to = target / real.relative_to("/")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(real, to)
    name = target / str(library.parent.resolve()).lstrip("/") / library.name
    if name != to and not name.exists():
        name.parent.mkdir(parents=True, exist_ok=True)
        name.symlink_to(Path("/") / real.relative_to("/"))


def debian_package(library: Path, target: Path) -> None:
    """Write down whose it is, for scanners, with its licence. Raises LookupError: an unknown library has no place here."""
    for path in (library.resolve(), library, Path(str(library.resolve()).removeprefix("/usr"))):
        told = subprocess.run(["dpkg", "-S", str(path)], capture_output=True, text=True, check=False)  # noqa: S603, S607
        if told.returncode == 0:
            break
    else:
        raise LookupError(f"no Debian package has {library}")
    package = told.stdout.partition(":")[0].strip()
    (target / "var/lib/dpkg/status.d" / package).write_text(_run("dpkg", "-s", package))
    copyright_ = Path(f"/usr/share/doc/{package}/copyright")
    if copyright_.exists():
        (target / copyright_.relative_to("/").parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(copyright_, target / copyright_.relative_to("/"))


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - the build stage's own tools


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
