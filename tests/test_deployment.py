"""The image, the four services and the build agree with the code and with each other."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PLACES = (
    *(
        "PROJECT_ID",
        "PROJECT_NUMBER",
        "REGION",
        "NETWORK",
        "SUBNETWORK",
        "MEDPLUM_URL",
        "TIGERGRAPH_URL",
        "TENANTS",
        "IMAGE",
    ),
)


def _services(text: str) -> dict[str, Any]:
    documents = [document for document in yaml.safe_load_all(text) if document]
    return {document["metadata"]["labels"]["zone"]: document for document in documents}


SERVICES = _services((ROOT / "service.yaml").read_text())
BUILD: dict[str, Any] = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())


def _pod(zone: str) -> dict[str, Any]:
    pod: dict[str, Any] = SERVICES[zone]["spec"]["template"]["spec"]
    return pod


def test_there_is_a_service_for_each_zone_with_an_account_of_its_own() -> None:
    assert set(SERVICES) == {"ingress", "clinical", "analytics", "ops"}
    accounts = [_pod(zone)["serviceAccountName"] for zone in SERVICES]
    assert len(set(accounts)) == len(SERVICES)
    assert len({_pod(zone)["containers"][0]["image"] for zone in SERVICES}) == 1, "one image"


@pytest.mark.parametrize("zone", SERVICES)
def test_a_service_sets_only_settings_that_exist(zone: str) -> None:
    known = {"ZONE"} | {f"STARVIT_{name.upper()}" for name in Settings.model_fields}
    given = {one["name"]: one["value"] for one in _pod(zone)["containers"][0]["env"]}
    assert set(given) <= known
    assert given["ZONE"] == zone
    assert not any("secret" in name.lower() or "key" in name.lower() for name in given)


def test_only_ingress_can_be_reached_from_outside() -> None:
    ways = {
        zone: service["metadata"]["annotations"]["run.googleapis.com/ingress"] for zone, service in SERVICES.items()
    }
    assert ways == {"ingress": "all", "clinical": "internal", "analytics": "internal", "ops": "internal"}


def test_all_that_leaves_the_clinical_zone_goes_through_the_network() -> None:
    annotations = SERVICES["clinical"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["run.googleapis.com/vpc-access-egress"] == "all-traffic"


@pytest.mark.parametrize("zone", SERVICES)
def test_timeouts_are_in_order(zone: str) -> None:
    settings = Settings()
    assert settings.deadline < settings.ack_deadline <= _pod(zone)["timeoutSeconds"] < settings.lease
    assert _pod(zone)["timeoutSeconds"] == settings.request_timeout


@pytest.mark.parametrize("zone", ["ingress", "clinical", "analytics"])
def test_secrets_are_mounted_from_secret_manager_and_are_the_zones_own(zone: str) -> None:
    [volume] = _pod(zone)["volumes"]
    assert volume["secret"]["secretName"] == f"starvit-{zone}-tenants"
    assert _pod(zone)["containers"][0]["volumeMounts"][0]["readOnly"] is True


def test_the_ops_zone_is_given_no_secret() -> None:
    assert "volumes" not in _pod("ops")


def test_the_image_is_built_in_stages_from_pinned_bases_and_runs_as_nobody() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.13[\w.\-]*-slim-\w+", base) for base in bases)
    final = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert re.search(r"^USER \d{4,}$", final, re.MULTILINE)
    assert "poetry" not in final.lower()
    [command] = re.findall(r"^CMD (\[.*\])$", final, re.MULTILINE)
    assert yaml.safe_load(command) == ["gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"]
    assert "--reload" not in command


def test_stand_ins_demo_and_tests_stay_out_of_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*", "nothing gets in that is not named"
    assert allowed == {"pyproject.toml", "poetry.lock", "handlers", "shared", "schemas"}
    assert {"handlers/demo", "shared/local"} <= set(lines)


def test_the_build_tests_first_and_calls_the_projects_own_doors() -> None:
    steps = [step["id"] for step in BUILD["steps"]]
    assert steps == ["test", "audit", "build", "push", "deploy"]
    assert BUILD["steps"][0]["args"] == [".ci/run"]
    assert BUILD["steps"][-1]["args"] == [".ci/deploy"]
    used = set(re.findall(r"\$\{(_[A-Z_]+)\}", (ROOT / "cloudbuild.yaml").read_text()))
    assert used == set(BUILD["substitutions"])
    given = {variable.partition("=")[0] for variable in BUILD["steps"][-1]["env"]}
    assert given == set(PLACES)


def test_the_deployment_fills_in_every_place() -> None:
    given = {**os.environ, **{name: f"the-{name.lower().replace('_', '-')}" for name in PLACES}}
    command = ["bash", str(ROOT / ".ci" / "deploy"), "--print"]
    result = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    filled = re.sub(r"^#.*$", "", result.stdout, flags=re.MULTILINE)
    assert "${" not in filled
    assert set(_services(result.stdout)) == set(SERVICES)


def test_a_deployment_without_its_places_does_nothing() -> None:
    result = subprocess.run(
        ["bash", str(ROOT / ".ci" / "deploy"), "--print"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "PROJECT_ID is not set" in result.stderr
