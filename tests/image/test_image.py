"""The built image, where one can be built: what is not in it, and that it runs with nothing to write to.

`./dev bench image` builds it; these tests look at the one that is there, for a build takes minutes.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import building, contents
from tests.image.running import running

pytestmark = [
    pytest.mark.skipif(not building.built(), reason=building.lacking() or "no image is built: ./dev bench image"),
    pytest.mark.xdist_group("image"),
]
_TRY = """
import os
for path in ("/x", "/tmp/x", "/srv/x", "/srv/handlers/app.py", "/etc/passwd", "/usr/local/x"):
    try:
        open(path, "a")
    except OSError:
        continue
    print("could write", path)
print(os.getuid(), os.getgid(), os.getgroups())
"""


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with building.mounted() as mounted:
        yield mounted


def test_nothing_is_in_it_that_an_intruder_could_use(root: Path) -> None:
    assert list(contents.forbidden(root)) == []


def test_its_user_owns_nothing_and_nobody_may_write(root: Path) -> None:
    assert list(contents.risky(root)) == []


def test_everything_that_is_imported_is_compiled(root: Path) -> None:
    assert contents.uncompiled(root) == []


def test_every_library_and_package_in_it_is_in_its_bill_of_materials(root: Path) -> None:
    names = {part["name"] for part in json.loads((root / "sbom.cdx.json").read_bytes())["components"]}
    assert {status.name for status in (root / "var/lib/dpkg/status.d").iterdir()} <= names
    assert {"fastapi", "grpcio", "Python"} <= names


def test_it_runs_as_its_own_user_and_can_write_nowhere(root: Path) -> None:
    with running(root, {}, ["/srv/.venv/bin/python", "-c", _TRY], out=subprocess.PIPE) as process:
        told, _ = process.communicate(timeout=60)
    assert told.decode().split("\n")[0] == "10001 10001 []"


def test_its_labels_say_what_it_is_and_from_what_it_was_built() -> None:
    labels = building.config()["Labels"]
    assert labels["org.opencontainers.image.title"] == "starvit-events"
    assert labels["org.opencontainers.image.base.name"] == building.BASE
    assert labels["org.opencontainers.image.revision"]
