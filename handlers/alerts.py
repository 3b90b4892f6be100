"""Alerts, from one reviewed list to what Cloud Monitoring and Prometheus take.

    shared/telemetry/metrics.py ─┬─► log-based metrics          ─┐
    schemas/alerts/alerts.json  ─┴─► alert policies              ─┴─► schemas/alerts/cloud-monitoring.json
                                 └─► rules ─► schemas/alerts/prometheus.yaml

Cloud Monitoring gets its numbers from the log lines "metric" (decision 10): each is a distribution of what the processes
said, so a counter's increase is the sum of it, and a gauge or a quantile the mean. Prometheus gets them from
shared/telemetry/prometheus.py. Written by `./dev python -m handlers.documents`, held by a test.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from shared.telemetry.metrics import METRICS, Metric

SOURCE = "schemas/alerts/alerts.json"
CLOUD = "schemas/alerts/cloud-monitoring.json"
PROMETHEUS = "schemas/alerts/prometheus.yaml"
RUNBOOK = "docs/runbook.md"

type Window = Annotated[str, Field(pattern=r"^\d{1,3}[smh]$")]

_NAMED: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


class Alert(BaseModel):
    """Wakes somebody (critical) or waits for the morning (warning). The paragraph `Alert <name>` says what to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[a-z][a-z\-]{2,40}$")
    severity: Literal["critical", "warning"]
    says: str
    metric: str
    per: str | None = None  # the share of another counter
    where: dict[str, str]
    by: tuple[str, ...]
    over: Window
    above: float | None = None
    below: float | None = None
    for_: Window = Field(alias="for")

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in filter(None, (self.metric, self.per)):
            metric = _NAMED[name]
            if not {*self.by, *self.where} <= set(metric.labels):
                raise ValueError(f"{self.name}: {name} has no such label")
        if (self.above is None) is (self.below is None):
            raise ValueError(f"{self.name}: above or below")
        return self


def alerts(root: Path) -> Sequence[Alert]:
    """The list."""
    return TypeAdapter(tuple[Alert, ...]).validate_json((root / SOURCE).read_text())


def renderings(root: Path) -> Mapping[str, str]:
    """Path → text of what is generated from the list."""
    listed = alerts(root)
    return {CLOUD: _json(cloud(listed)), PROMETHEUS: _yaml(prometheus(listed))}


def cloud(listed: Sequence[Alert]) -> dict[str, object]:
    """Log-based metrics and alert policies, as Google's REST takes them."""
    return {
        "logMetrics": [_log_metric(metric) for metric in METRICS],
        "alertPolicies": [
            {
                "displayName": f"starvit {alert.name}",
                "documentation": {
                    "content": f"{alert.says}. {RUNBOOK}, Alert {alert.name}.",
                    "mimeType": "text/markdown",
                },
                "userLabels": {"severity": alert.severity},
                "combiner": "OR",
                "conditions": [
                    {
                        "displayName": alert.says,
                        "conditionPrometheusQueryLanguage": {
                            "query": _expression(alert, _logged),
                            "duration": f"{_seconds(alert.for_)}s",
                            "evaluationInterval": "60s",
                            # A log-based metric is there from its first line on, and some lines mean that much is wrong.
                            "disableMetricValidation": True,
                        },
                    }
                ],
            }
            for alert in listed
        ],
    }


def prometheus(listed: Sequence[Alert]) -> dict[str, object]:
    """One group of alerting rules."""
    rules = [
        {
            "alert": alert.name,
            "expr": _expression(alert, _scraped),
            "for": alert.for_,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.says, "runbook": f"{RUNBOOK}, Alert {alert.name}"},
        }
        for alert in listed
    ]
    return {"groups": [{"name": "starvit", "rules": rules}]}


def _log_metric(metric: Metric) -> dict[str, object]:
    labels = (*metric.labels, *(("quantile",) if metric.kind == "distribution" else ()))
    return {
        "name": f"starvit_{metric.name}",
        "description": metric.help,
        "filter": f'jsonPayload.message="metric" AND jsonPayload.metric="{metric.name}"',
        "valueExtractor": "EXTRACT(jsonPayload.value)",
        "labelExtractors": {label: f"EXTRACT(jsonPayload.{label})" for label in labels},
        "metricDescriptor": {
            "metricKind": "DELTA",
            "valueType": "DISTRIBUTION",
            "unit": metric.unit,
            "labels": [{"key": label, "valueType": "STRING"} for label in labels],
        },
    }


def _expression(alert: Alert, read: "type[_logged] | type[_scraped]") -> str:
    value = read.of(_NAMED[alert.metric], alert)
    if alert.per is not None:
        value = f"{value} / {read.of(_NAMED[alert.per], alert)}"
    if alert.below is not None and not alert.by:
        value = f"({value} or vector(0))"  # nothing at all is less than anything
    return (
        f"{value} {'>' if alert.above is not None else '<'} {alert.above if alert.above is not None else alert.below:g}"
    )


class _scraped:  # noqa: N801 - a way of reading, not a thing
    """PromQL over what shared/telemetry/prometheus.py shows."""

    @staticmethod
    def of(metric: Metric, alert: Alert) -> str:
        by = f" by ({', '.join(alert.by)})" if alert.by else ""
        match metric.kind:
            case "counter":
                return f"sum{by} (increase(starvit_{metric.name}_total{_where(alert.where)}[{alert.over}]))"
            case "gauge":
                how = "max" if alert.above is not None else "min"
                return f"{how}{by} ({how}_over_time(starvit_{metric.name}{_where(alert.where)}[{alert.over}]))"
            case "distribution":
                where = _where(alert.where | {"quantile": "0.95"})
                return f"max{by} (max_over_time(starvit_{metric.name}{where}[{alert.over}]))"


class _logged:  # noqa: N801
    """PromQL over the log-based metrics: distributions of the values that the lines hold."""

    @staticmethod
    def of(metric: Metric, alert: Alert) -> str:
        by = f" by ({', '.join(alert.by)})" if alert.by else ""
        name = f"logging_googleapis_com:user_starvit_{metric.name}"
        where = alert.where | {"monitored_resource": "cloud_run_revision"}
        if metric.kind == "counter":
            return f"sum{by} (increase({name}_sum{_where(where)}[{alert.over}]))"
        where |= {"quantile": "p95"} if metric.kind == "distribution" else {}
        how = "max" if alert.above is not None else "min"
        total, count = (f"increase({name}_{part}{_where(where)}[{alert.over}])" for part in ("sum", "count"))
        return f"{how}{by} ({total} / {count})"


def _where(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _seconds(window: str) -> int:
    return int(window[:-1]) * {"s": 1, "m": 60, "h": 3600}[window[-1]]


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _yaml(value: dict[str, object]) -> str:
    """As Prometheus' files look; strings quoted as JSON's are, which YAML reads too."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: object, indent: str) -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                if isinstance(inner, (dict, list)):
                    yield f"{indent}{name}:"
                    yield from _lines(inner, indent + "  ")
                else:
                    yield f"{indent}{name}: {json.dumps(inner)}"
        case list():
            for inner in value:
                first, *rest = _lines(inner, indent + "  ")
                yield f"{indent}- {first.lstrip()}"
                yield from rest
