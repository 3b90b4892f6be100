"""cloudbuild.yaml's own steps, run here in their order, with docker and gcloud that write down what they are asked."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.release.fake import Cloud
from tests.release.serving import serving

ROOT = Path(__file__).resolve().parents[2]
BUILD: dict[str, Any] = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
COMMIT = "fedcba9876543210"
GIVEN = {**BUILD["substitutions"], "PROJECT_ID": "clinic", "PROJECT_NUMBER": "7", "COMMIT_SHA": COMMIT}
SCRIPTS = (
    "base",
    "build",
    "push",
    "sbom",
    "scan",
    "attach",
    "deploy",
)  # not here: ./dev test, gcloud's folder, ./dev provision
DIGEST = f"us-central1-docker.pkg.dev/clinic/starvit/starvit-events@sha256:{'ab' * 32}"


def substituted(text: str) -> str:
    return re.sub(r"\$\{?([A-Z_]+)\}?", lambda found: GIVEN[found[1]], text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The build's workspace: the scripts copied, the rest linked, so that what steps leave behind stays here."""
    work = tmp_path / "workspace"
    (work / ".ci").mkdir(parents=True)
    for script in (ROOT / ".ci").iterdir():
        (work / ".ci" / script.name).write_bytes(script.read_bytes())
    dev = work / "dev"
    dev.write_text(f'#!/usr/bin/env bash\nexec {sys.executable} -m handlers.cli "$@" --look 0 --patience 0\n')
    dev.chmod(0o755)
    return work


def run(tree: Path, cloud: Cloud, *names: str) -> dict[str, int]:
    """The exit code of each step, up to the first that fails."""
    environment = dict(one.split("=", 1) for one in map(substituted, BUILD["options"]["env"]))
    environment = cloud.environment(**environment, PYTHONPATH=str(ROOT))
    steps, codes = {step["id"]: step for step in BUILD["steps"]}, {}
    for name in names:
        command = ["bash", *map(substituted, steps[name]["args"])]
        codes[name] = subprocess.run(command, cwd=tree, env=environment, check=False, capture_output=True).returncode
        if codes[name]:
            break
    return codes


@pytest.fixture
def ingress() -> Iterator[str]:
    """A real service of the ingress zone, for the smoke test from outside."""
    with serving("ingress") as url:
        yield url


def test_what_is_deployed_is_the_digest_that_was_built_from_a_digest_and_scanned(
    tree: Path, tmp_path: Path, ingress: str
) -> None:
    cloud = Cloud(tmp_path, COMMIT, urls={"starvit-ingress": ingress})
    assert run(tree, cloud, *SCRIPTS) == dict.fromkeys(SCRIPTS, 0)
    [built] = [call for call in cloud.calls if call.startswith("docker build")]
    assert f"BASE=docker.io/library/python@sha256:{'ab' * 32}" in built
    assert f"REVISION={COMMIT}" in built
    assert any(call.startswith(f"gcloud artifacts docker images scan {DIGEST}") for call in cloud.calls)
    images = {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in cloud.state["documents"]}
    assert images == {DIGEST}
    order = [call.split()[1] for call in cloud.calls if call.split()[1] in ("pull", "build", "push", "create")]
    assert order == ["pull", "build", "push", "create"]


def test_a_grave_vulnerability_stops_the_build_before_anything_is_deployed(tree: Path, tmp_path: Path) -> None:
    found = [{"vulnerability": {"effectiveSeverity": "CRITICAL", "fixAvailable": True, "shortDescription": "CVE-1"}}]
    cloud = Cloud(tmp_path, COMMIT, vulnerabilities=found)
    codes = run(tree, cloud, *SCRIPTS)
    assert codes["scan"] == 1
    assert "deploy" not in codes
    assert not any("services replace" in call for call in cloud.calls)


def test_a_build_that_can_not_push_deploys_nothing(tree: Path, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, COMMIT, fail=["docker push"])
    assert run(tree, cloud, *SCRIPTS)["push"] == 1
    assert not any(call.startswith("gcloud") for call in cloud.calls)


def test_a_smoke_test_that_fails_within_the_network_fails_the_build(tree: Path, tmp_path: Path) -> None:
    before = {"starvit-clinical": [{"revisionName": "starvit-clinical-old", "percent": 100}]}
    cloud = Cloud(tmp_path, COMMIT, services=before, fail=["jobs deploy starvit-smoke-clinical"])
    assert run(tree, cloud, *SCRIPTS)["deploy"] == 1
    assert cloud.traffic("starvit-clinical") == {"starvit-clinical-old": 100}
