"""Cloud Monitoring's alert policies, and the log-based metrics that they read; both as schemas/alerts has them.

    schemas/alerts/cloud-monitoring.json ─┬─► log-based metrics   logging.googleapis.com
                                          └─► alert policies      monitoring.googleapis.com
    STARVIT_ALERT_CHANNELS ─► whom each policy tells, by its severity

Google gives a policy its id, so ours are known by their display names, which begin with `starvit `. A policy keeps its
condition's id when it is changed, so that an incident that is open stays open. Where no channel is set for a severity the
channels of its policies are not looked at: whoever gave them some in Google's console keeps them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from handlers.alerts import CLOUD
from handlers.provisioning.changes import Act, Change, Refusal, compared
from handlers.provisioning.deployment import Severity
from handlers.provisioning.rest import Google

METRIC, ALERT = "metric", "alert"
_LOGGING, _MONITORING = "logging.googleapis.com", "monitoring.googleapis.com"
_METRIC_FIELDS = ("description", "filter", "valueExtractor", "labelExtractors")
_PREFIX, _METRIC_PREFIX = "starvit ", "starvit_"
_PAGE = "100"
# fact → the field of the AlertPolicy that an update mask names
_MASKS = {
    "severity": "userLabels",
    "documentation": "documentation",
    "combiner": "combiner",
    "says": "conditions",
    "query": "conditions",
    "duration": "conditions",
    "evaluationInterval": "conditions",
    "disableMetricValidation": "conditions",
    "enabled": "enabled",
    "channels": "notificationChannels",
}
_NOT_THERE = "the project is not there, or its API is not enabled"
_ROOT = Path(__file__).resolve().parents[2]


class MonitoringArea:
    """`channels`: severity → the names of the notification channels, projects/P/notificationChannels/ID."""

    name = "monitoring"

    def __init__(self, google: Google, project: str, channels: Mapping[Severity, Sequence[str]]) -> None:
        self._google = google
        self._metrics, self._policies = f"v2/projects/{project}/metrics", f"v3/projects/{project}/alertPolicies"
        made = json.loads((_ROOT / CLOUD).read_text())
        self._wanted_metrics: dict[str, dict[str, Any]] = {one["name"]: one for one in made["logMetrics"]}
        self._wanted: dict[str, dict[str, Any]] = {
            one["displayName"]: _told(one, channels) for one in made["alertPolicies"]
        }
        self._found: dict[str, dict[str, Any]] = {}

    async def plan(self) -> list[Change]:
        return [*await self._plan_metrics(), *await self._plan_alerts()]

    async def apply(self, change: Change) -> None:
        if change.kind == METRIC:
            wanted, path = self._wanted_metrics[change.name], f"{self._metrics}/{change.name}"
            method, path = ("POST", self._metrics) if change.act is Act.CREATE else ("PUT", path)
            answer = await self._google.ask(method, _LOGGING, path, body=wanted)
        elif change.act is Act.CREATE:
            answer = await self._google.ask("POST", _MONITORING, self._policies, body=self._wanted[change.name])
        else:
            answer = await self._change(change)
        if answer is None:
            raise Refusal(_NOT_THERE)

    async def delete(self, change: Change) -> None:
        if change.kind == METRIC:
            await self._google.ask("DELETE", _LOGGING, f"{self._metrics}/{change.name}")
        else:
            await self._google.ask("DELETE", _MONITORING, f"{self._policies}/{change.name}")

    async def _plan_metrics(self) -> list[Change]:
        found = {one["name"]: one for one in await self._list(_LOGGING, self._metrics, "metrics", {})}
        changes = [
            compared(self.name, METRIC, name, _metric(wanted), _metric(found[name]) if name in found else None)
            for name, wanted in self._wanted_metrics.items()
        ]
        for name in sorted(set(found) - set(self._wanted_metrics)):
            if name.startswith(_METRIC_PREFIX):
                changes.append(Change(self.name, METRIC, name, Act.EXTRA, how="no metric of ours has this name"))
        return changes

    async def _plan_alerts(self) -> list[Change]:
        """A second policy of a name, or one that no alert has, is extra, and goes by its id."""
        query = {"filter": f'display_name=starts_with("{_PREFIX}")'}
        listed = await self._list(_MONITORING, self._policies, "alertPolicies", query)
        self._found, extra = {}, list[Change]()
        for one in listed:
            name = one["displayName"]
            if name in self._wanted and name not in self._found:
                self._found[name] = one
            else:
                why = "a second one of this name" if name in self._wanted else "no alert of ours has this name"
                id = str(one["name"]).rpartition("/")[2]
                extra.append(Change(self.name, ALERT, id, Act.EXTRA, how=f"{name}: {why}"))
        changes = []
        for name, wanted in self._wanted.items():
            found = self._found.get(name)
            changes.append(compared(self.name, ALERT, name, _alert(wanted), _alert(found) if found else None))
        return changes + extra

    async def _change(self, change: Change) -> dict[str, Any] | None:
        wanted, found = self._wanted[change.name], self._found[change.name]
        labels = {**found.get("userLabels", {}), **wanted["userLabels"]}  # somebody else's stay
        kept = [{"name": one["name"]} for one in found.get("conditions", ())[:1]] or [{}]
        body = wanted | {"userLabels": labels, "conditions": [wanted["conditions"][0] | kept[0]]}
        mask = sorted({_MASKS[fact] for fact in change.fields})
        path = f"{self._policies}/{str(found['name']).rpartition('/')[2]}"
        return await self._google.ask("PATCH", _MONITORING, path, query={"updateMask": ",".join(mask)}, body=body)

    async def _list(self, host: str, path: str, field: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = {**query, "pageSize": _PAGE}
        while True:
            page = await self._google.ask("GET", host, path, query=query)
            if page is None:
                raise Refusal(_NOT_THERE)
            found += page.get(field, ())
            if not page.get("nextPageToken"):
                return found
            query["pageToken"] = page["nextPageToken"]


def _told(policy: dict[str, Any], channels: Mapping[Severity, Sequence[str]]) -> dict[str, Any]:
    """The policy with the channels of its severity, if there are any."""
    whom = channels.get(policy["userLabels"]["severity"], ())
    return policy | {"enabled": True} | ({"notificationChannels": list(whom)} if whom else {})


def _metric(metric: Mapping[str, Any]) -> dict[str, object]:
    """What we say of a log-based metric; Google adds names and times to it."""
    descriptor = metric.get("metricDescriptor", {})
    labels = sorted(label["key"] for label in descriptor.get("labels", ()))
    said = {field: metric.get(field) for field in _METRIC_FIELDS}
    kind = {field: descriptor.get(field) for field in ("metricKind", "valueType", "unit")}
    return said | kind | {"labels": labels, "disabled": bool(metric.get("disabled", False))}


def _alert(policy: Mapping[str, Any]) -> dict[str, object]:
    """What we say of a policy. One with several conditions is not ours any more: its query differs."""
    conditions = cast("list[dict[str, Any]]", policy.get("conditions", []))
    [condition] = conditions if len(conditions) == 1 else [{}]
    query = condition.get("conditionPrometheusQueryLanguage", {})
    channels = {"channels": sorted(policy["notificationChannels"])} if policy.get("notificationChannels") else {}
    return {
        "severity": policy.get("userLabels", {}).get("severity"),
        "documentation": policy.get("documentation", {}).get("content"),
        "combiner": policy.get("combiner"),
        "says": condition.get("displayName"),
        **{field: query.get(field) for field in ("query", "duration", "evaluationInterval")},
        "disableMetricValidation": bool(query.get("disableMetricValidation", False)),
        "enabled": bool(policy.get("enabled", False)),
        **channels,
    }
