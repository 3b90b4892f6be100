"""The bill of materials says what is installed, the same for the same image."""

import json
import re
import sys
from pathlib import Path

from handlers.release import root, sbom

STATUS = "Package: libssl3t64\nVersion: 3.5.9-1+deb13u1\nArchitecture: amd64\nDescription: x\n more: than this\n"


def written(tmp_path: Path) -> bytes:
    (tmp_path / "usr/lib").mkdir(parents=True, exist_ok=True)
    (tmp_path / "usr/lib/os-release").write_text('ID=debian\nVERSION_ID="13"\n')
    (tmp_path / "var/lib/dpkg/status.d").mkdir(parents=True, exist_ok=True)
    (tmp_path / "var/lib/dpkg/status.d/libssl3t64").write_text(STATUS)
    sbom.main(tmp_path, Path(sys.prefix), "1.2.3")
    return (tmp_path / "sbom.cdx.json").read_bytes()


def test_it_lists_python_its_packages_and_the_libraries_of_debian(tmp_path: Path) -> None:
    bill = json.loads(written(tmp_path))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    purls = [part["purl"] for part in bill["components"]]
    assert "pkg:deb/debian/libssl3t64@3.5.9-1%2Bdeb13u1?arch=amd64&distro=debian-13" in purls
    assert any(purl.startswith("pkg:generic/python@3.13") for purl in purls)
    assert len(set(purls)) == len(purls)
    lock = dict(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', (root_of() / "poetry.lock").read_text(), re.MULTILINE))
    assert f"pkg:pypi/fastapi@{lock['fastapi']}" in purls


def test_the_same_image_has_the_same_bill_and_another_version_another_number(tmp_path: Path) -> None:
    assert written(tmp_path) == written(tmp_path)
    parts = [sbom.interpreter()]
    assert sbom.bill(parts, "1")["serialNumber"] != sbom.bill(parts, "2")["serialNumber"]


def test_the_loader_is_asked_which_libraries_python_needs() -> None:
    found = {path.name for path in root.closure(Path(sys.base_prefix).glob("lib/python3.*/lib-dynload/_ssl*.so"))}
    assert "libc.so.6" in found or sys.platform != "linux"


def root_of() -> Path:
    return Path(__file__).resolve().parents[2]
