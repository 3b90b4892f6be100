"""Build the Dockerfile without a docker engine or a registry: buildah, on a base made of Debian and this machine's Python.

    debootstrap trixie + CPython 3.13 ─► localhost/python:3.13-slim-trixie ─► buildah build ─► localhost/starvit-events:test

The base stands in for the official one, which a registry would give: the same Debian, the same place of Python. It is
made once and kept in STORE. Needs root, Linux, buildah and debootstrap: `apt install buildah debootstrap`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STORE = Path(os.environ.get("STARVIT_IMAGE_STORE", "/var/tmp/starvit-image"))
BASE, IMAGE = "localhost/python:3.13-slim-trixie", "localhost/starvit-events:test"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_DEBIAN = (
    *("ca-certificates", "netbase", "tzdata", "libssl3t64", "libffi8", "libsqlite3-0", "zlib1g", "libbz2-1.0"),
    *("liblzma5", "libreadline8t64", "libncursesw6", "libuuid1", "libexpat1"),
)


def lacking() -> str | None:
    """Why the image can not be built here; None when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    missing = [tool for tool in ("buildah", "debootstrap", "unshare", "chroot", "setpriv") if not shutil.which(tool)]
    return f"needs {', '.join(missing)}" if missing else None


def built() -> bool:
    """Whether an image is there to be looked at."""
    return lacking() is None and IMAGE in _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()


def build() -> None:
    """The image, from the working tree. Raises CalledProcessError, with buildah's own words on stderr."""
    if BASE not in _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        _make_base()
    arguments = (f"BASE={BASE}", "VERSION=test", "REVISION=working-tree", f"POETRY_PYPI_MIRROR_URL={_index()}")
    given = [part for argument in arguments for part in ("--build-arg", argument)]
    _buildah("build", "--pull-never", "--isolation", "chroot", "--quiet", *given, "--tag", IMAGE, str(ROOT))


def config() -> dict[str, Any]:
    """The image's configuration, as the registry would have it."""
    told = json.loads(_buildah("inspect", "--type", "image", IMAGE))
    return dict(told["OCIv1"]["config"])


@contextmanager
def mounted() -> Iterator[Path]:
    """The image's root file system."""
    container = _buildah("from", "--pull-never", IMAGE).strip()
    try:
        yield Path(_buildah("mount", container).strip())
    finally:
        _buildah("umount", container)
        _buildah("rm", container)


def _index() -> str:
    """Where this machine's pip finds packages, as ./dev asks it: there may be a mirror that has no other door than pip's."""
    python = str(Path(sys.base_prefix) / "bin" / "python3.13")
    asked = subprocess.run([python, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)
    if asked.returncode:
        usual = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
        asked = subprocess.run([python, "-c", usual], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def _make_base() -> None:
    with tempfile.TemporaryDirectory(dir=STORE) as place:
        root = Path(place) / "root"
        include = f"--include={','.join(_DEBIAN)}"
        subprocess.run(["debootstrap", "--variant=minbase", include, "trixie", str(root)], check=True, stdout=2)
        _copy_python(root)
        container = _buildah("from", "scratch").strip()
        _buildah("add", "--quiet", container, str(root), "/")
        # The official image's PATH; and certificates for a machine whose way out has its own.
        path = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        _buildah("config", "--env", path, "--env", f"REQUESTS_CA_BUNDLE={CERTIFICATES}", container)
        _buildah("commit", "--quiet", "--rm", container, BASE)


def _copy_python(root: Path) -> None:
    prefix, local = Path(sys.base_prefix), root / "usr/local"
    ignore = shutil.ignore_patterns("__pycache__", "test", "*.pth", "*.a")
    shutil.copytree(prefix / "lib/python3.13", local / "lib/python3.13", ignore=ignore, dirs_exist_ok=True)
    for library in prefix.glob("lib/libpython3*.so*"):
        shutil.copy(library, local / "lib", follow_symlinks=False)
    (local / "bin").mkdir(exist_ok=True)
    shutil.copy(prefix / "bin/python3.13", local / "bin/python3.13")
    for name in ("python", "python3"):
        (local / "bin" / name).symlink_to("python3.13")
    shutil.copy(CERTIFICATES, root / "etc/ssl/certs")
    subprocess.run(["chroot", str(root), "/usr/sbin/ldconfig"], check=True)


def _buildah(*arguments: str) -> str:
    STORE.mkdir(parents=True, exist_ok=True)
    where = ("--root", str(STORE / "store"), "--runroot", str(STORE / "run"), "--storage-driver", "overlay")
    command = ["buildah", *where, *arguments]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(STORE)}
    ).stdout
