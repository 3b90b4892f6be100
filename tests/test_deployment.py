"""The image, the four services and the build agree with the code and with each other."""

import gc
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers import server
from handlers.release import plan
from handlers.worker import Worker
from handlers.zones.wiring import STOP_WITHIN
from shared.settings import Settings

gc.enable()  # to import gunicorn's configuration, `server`, is to start without

ROOT = Path(__file__).resolve().parents[1]


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


def test_only_ingress_can_be_reached_from_outside_and_operators_come_through_the_load_balancer() -> None:
    ways = {
        zone: service["metadata"]["annotations"]["run.googleapis.com/ingress"] for zone, service in SERVICES.items()
    }
    assert ways == {
        "ingress": "all",
        "clinical": "internal",
        "analytics": "internal",
        "ops": "internal-and-cloud-load-balancing",
    }


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


def test_an_instance_has_room_for_the_largest_bodies_that_it_lets_in_at_once() -> None:
    settings, at_rest = Settings(), 250e6  # `./dev bench start`
    largest = {
        "ingress": settings.webhook_limit,
        "clinical": settings.resource_limit,
        "analytics": settings.resource_limit,
    }
    for zone, size in largest.items():
        memory = _pod(zone)["containers"][0]["resources"]["limits"]["memory"]
        assert at_rest + _pod(zone)["containerConcurrency"] * size < int(memory.removesuffix("Gi")) * 2**30
        assert _pod(zone)["containerConcurrency"] <= settings.concurrency, "more would be sent back"


@pytest.mark.parametrize("zone", SERVICES)
def test_an_instance_that_works_between_requests_keeps_its_cpu(zone: str) -> None:
    annotations = SERVICES[zone]["spec"]["template"]["metadata"]["annotations"]
    always = annotations["run.googleapis.com/cpu-throttling"] == "false"
    assert always is (zone != "ops")
    assert (int(annotations["autoscaling.knative.dev/minScale"]) > 0) is always
    assert _pod(zone)["containers"][0]["resources"]["limits"]["cpu"] == "1", "one worker, one loop"


@pytest.mark.parametrize("zone", SERVICES)
def test_an_instance_gets_traffic_when_it_is_ready_and_is_replaced_when_it_no_longer_answers(zone: str) -> None:
    container = _pod(zone)["containers"][0]
    assert container["startupProbe"]["httpGet"]["path"] == "/v1/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/v1/health/live", "a dependency that is down kills nobody"


def test_gunicorn_stops_within_the_ten_seconds_that_cloud_run_gives() -> None:
    kept = Worker.CONFIG_KWARGS["timeout_graceful_shutdown"]
    assert kept + STOP_WITHIN < server.graceful_timeout < 10
    assert server.keepalive > 600, (
        "Google's front ends keep an idle connection for 600 s, and must be first to close it"
    )
    assert server.timeout >= Settings().request_timeout
    assert (server.workers, server.preload_app, server.max_requests) == (1, False, 0)


def _steps() -> dict[str, dict[str, Any]]:
    return {step["id"]: step for step in BUILD["steps"]}


def test_the_build_tests_first_and_deploys_last_what_it_scanned() -> None:
    order = "test audit base build push sbom tools scan attach provision deploy"
    assert [step["id"] for step in BUILD["steps"]] == order.split()
    assert _steps()["test"]["args"] == [".ci/run"]
    used = set(re.findall(r"\$\{(_[A-Z_]+)\}", (ROOT / "cloudbuild.yaml").read_text()))
    assert used == set(BUILD["substitutions"])
    given = {variable.partition("=")[0] for variable in BUILD["options"]["env"]}
    assert given >= set(plan.PLACES) - {"IMAGE"}, "the image is the digest that was pushed"


def test_the_build_asks_for_provenance_of_the_image_that_it_pushes() -> None:
    assert BUILD["options"]["requestedVerifyOption"] == "VERIFIED"
    assert BUILD["images"][0].endswith("starvit-events:$COMMIT_SHA")


def test_the_steps_hold_no_logic_and_call_files_that_are_there() -> None:
    for name, step in _steps().items():
        if name in ("tools", "audit"):
            continue
        script, *rest = step["args"]
        assert os.access(ROOT / script, os.X_OK)
        assert step["entrypoint"] == "bash"
        assert not any(sign in " ".join(rest) for sign in (";", "|", "&", ">")), "no shell of its own"


def test_the_images_of_the_steps_are_named_and_never_the_latest() -> None:
    names = [step["name"] for step in BUILD["steps"]]
    assert not any(name.endswith(":latest") for name in names)
    python = {name for name in names if name.startswith("python:")}
    assert python == {BUILD["substitutions"]["_BASE"].removeprefix("docker.io/library/").replace("-slim", "")}


def test_a_release_without_its_places_does_nothing() -> None:
    command = [sys.executable, "-m", "handlers.cli", "release", "deploy"]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "PROJECT_ID" in result.stderr


def test_every_place_of_the_services_is_filled() -> None:
    documents = plan.documents((ROOT / "service.yaml").read_text(), {name: f"the-{name}" for name in plan.PLACES})
    assert set(documents) == set(SERVICES)
    assert "${" not in str(documents)
    with pytest.raises(KeyError):
        plan.documents((ROOT / "service.yaml").read_text(), {})


def test_a_setting_that_is_not_given_is_left_out_for_an_empty_one_would_keep_its_zone_from_starting() -> None:
    text, places = (ROOT / "service.yaml").read_text(), {name: f"the-{name}" for name in plan.PLACES}
    given = {"CONSOLE_URL": "https://ops.example", "CONSOLE_ROLES": '{"ann@example.org":["operator"]}'}

    def names(zone: str, more: dict[str, str]) -> dict[str, str]:
        container = plan.documents(text, places | more)[zone]["spec"]["template"]["spec"]["containers"][0]
        return {one["name"]: one["value"] for one in container["env"]}

    assert "STARVIT_TIGERGRAPH_URL" not in names("analytics", {})
    assert names("analytics", {"TIGERGRAPH_URL": "https://g.example"})["STARVIT_TIGERGRAPH_URL"] == "https://g.example"
    assert not [name for name in names("ops", given) if name.endswith("AUDIENCE")]
    assert names("ops", given)["STARVIT_CONSOLE_ROLES"] == given["CONSOLE_ROLES"]
