"""Alert rules: generated from the list, about metrics that are, each with its paragraph in the runbook, none without."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from handlers.alerts import CLOUD, PROMETHEUS, Alert, alerts, renderings
from shared.telemetry.metrics import METRICS, VALUES

ROOT = Path(__file__).resolve().parents[1]
ALERTS = alerts(ROOT)


@pytest.mark.parametrize("path", [CLOUD, PROMETHEUS])
def test_what_is_generated_is_current(path: str) -> None:
    assert (ROOT / path).read_text() == renderings(ROOT)[path], "run ./dev python -m handlers.documents"


def test_every_alert_has_its_paragraph_and_no_paragraph_is_orphaned() -> None:
    headings = re.findall(r"^### Alert ([a-z\-]+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(alert.name for alert in ALERTS)


def test_every_alert_is_about_values_that_its_labels_can_have() -> None:
    for alert in ALERTS:
        for label, value in alert.where.items():
            assert value in VALUES[label], alert.name  # type: ignore[index]


@pytest.mark.parametrize(
    "wrong", [{"metric": "none"}, {"by": ["patient"]}, {"where": {"id": "x"}}, {"below": 1}, {"above": None}]
)
def test_an_alert_about_what_is_not_told_is_refused(wrong: dict[str, object]) -> None:
    good = ALERTS[0].model_dump(by_alias=True)
    with pytest.raises((ValidationError, KeyError)):
        Alert.model_validate(good | wrong)


def test_prometheus_can_read_its_rules() -> None:
    [group] = yaml.safe_load((ROOT / PROMETHEUS).read_text())["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    for rule in group["rules"]:
        assert re.search(r"[<>] [0-9.]+$", rule["expr"])
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_cloud_monitoring_has_a_log_metric_for_every_metric_and_a_policy_for_every_alert() -> None:
    made = json.loads((ROOT / CLOUD).read_text())
    assert [one["name"] for one in made["logMetrics"]] == [f"starvit_{metric.name}" for metric in METRICS]
    assert [one["displayName"] for one in made["alertPolicies"]] == [f"starvit {alert.name}" for alert in ALERTS]
    for policy in made["alertPolicies"]:
        [condition] = policy["conditions"]
        assert "user_starvit_" in condition["conditionPrometheusQueryLanguage"]["query"]


def test_every_metric_is_emitted_somewhere() -> None:
    """A metric that nobody adds to would be a line in the docs and a flat graph."""
    names = {
        name
        for name, value in vars(__import__("shared.telemetry.metrics", fromlist=["x"])).items()
        if value in METRICS and name.isupper()
    }
    text = "".join(path.read_text() for path in (*ROOT.glob("shared/**/*.py"), *ROOT.glob("handlers/**/*.py")))
    for name in names:
        assert re.search(rf"\b{name}\.(add|set|move|observe)\(", text), name
