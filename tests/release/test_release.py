"""A release with a gcloud that writes down what it is asked: traffic moves by steps, and comes back when it should."""

from pathlib import Path
from typing import Any

import pytest

from handlers.release import plan
from handlers.release.deploy import Release, Worse
from handlers.release.gcloud import Gcloud
from tests.release.fake import Cloud

COMMIT = "0123456789abcdef"
PLACES = {name: name.lower().replace("_", "-") for name in plan.PLACES}
DOCUMENTS = plan.documents((Path(__file__).resolve().parents[2] / "service.yaml").read_text(), PLACES)
SERVICES = [document["metadata"]["name"] for document in DOCUMENTS.values()]
BEFORE = {name: [{"revisionName": f"{name}-old", "percent": 100}] for name in SERVICES}
OLD = {name: {f"{name}-old": 100} for name in SERVICES}


def released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smoke: Any = lambda zone, url: None, **state: Any
) -> tuple[bool, Cloud, list[str]]:
    cloud, told = Cloud(tmp_path, COMMIT, **{"services": BEFORE, **state}), list[str]()
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    release = Release(Gcloud("p", "r"), COMMIT, smoke, told.append, look=0, sleep=lambda _: None)
    return release.run(DOCUMENTS), cloud, told


def test_a_good_release_takes_the_traffic_of_every_zone_by_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, cloud, told = released(tmp_path, monkeypatch)
    assert done
    assert all(cloud.traffic(name) == {f"{name}-{COMMIT[:12]}": 100} for name in SERVICES)
    moves = [call for call in cloud.calls if "update-traffic" in call]
    assert len(moves) == len(SERVICES) * len(plan.STEPS)
    assert told[-1].startswith("done")


def test_who_takes_events_is_there_before_who_sends_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, cloud, _ = released(tmp_path, monkeypatch)
    started = [document["metadata"]["labels"]["zone"] for document in cloud.state["documents"]]
    assert started == ["analytics", "clinical", "ops", "ingress"]


def test_a_new_revision_starts_without_traffic_and_under_the_commits_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cloud, _ = released(tmp_path, monkeypatch)
    for document in cloud.state["documents"]:
        name = document["metadata"]["name"]
        new = f"{name}-{COMMIT[:12]}"
        assert document["spec"]["template"]["metadata"]["name"] == new
        assert document["spec"]["traffic"] == [
            {"revisionName": f"{name}-old", "percent": 100},
            {"revisionName": new, "percent": 0, "tag": "candidate"},
        ]


def test_a_revision_that_fails_more_than_the_old_one_gives_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, cloud, told = released(tmp_path, monkeypatch, errors=0.1)
    assert not done
    assert {name: cloud.traffic(name) for name in SERVICES} == OLD
    assert "at 10 %" in " ".join(told), "a tenth of the traffic was enough to see it"


def test_a_failed_smoke_test_moves_no_traffic_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def smoke(zone: str, url: str) -> None:
        assert url.startswith("https://candidate---")
        if zone == "clinical":
            raise Worse("clinical: the smoke test failed")

    done, cloud, _ = released(tmp_path, monkeypatch, smoke)
    assert not done
    assert {name: cloud.traffic(name) for name in SERVICES} == OLD
    assert not any(f"{COMMIT[:12]}=" in call for call in cloud.calls)


def test_a_revision_that_never_gets_ready_leaves_the_old_ones_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, cloud, _ = released(tmp_path, monkeypatch, fail=["services replace starvit-clinical"])
    assert not done
    assert {name: cloud.traffic(name) for name in SERVICES} == OLD


def test_a_zone_that_can_not_go_back_is_named_and_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, cloud, told = released(tmp_path, monkeypatch, fail=["update-traffic starvit-ops"])
    assert not done
    assert any("NOT BACK" in line and line.startswith("ops") for line in told)
    others = [name for name in SERVICES if name != "starvit-ops"]
    assert {name: cloud.traffic(name) for name in others} == {name: OLD[name] for name in others}


def test_the_first_release_of_all_has_nobody_to_give_traffic_back_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, cloud, _ = released(tmp_path, monkeypatch, services={})
    assert done
    assert all(cloud.traffic(name) == {f"{name}-{COMMIT[:12]}": 100} for name in SERVICES)
