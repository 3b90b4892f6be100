"""Cloud Monitoring's alert policies and Cloud Logging's log-based metrics, as far as they are asked for: strict, in memory.

    monitoring  alertPolicies: list (a filter by the display name's beginning, pages), create, patch with updateMask, delete
    logging     metrics: list (pages), create, update, delete

As Google does: it names a policy and its conditions; a condition that comes without its name becomes a new one; a query
about a metric that is not there is refused unless the condition says that this is not to be looked at; so is a channel
that is not there, an interval that is no multiple of 30 seconds, and a field that it does not know.
"""

import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_POLICIES = "/monitoring.googleapis.com/v3/projects/{p}/alertPolicies"
_METRICS = "/logging.googleapis.com/v2/projects/{p}/metrics"
_POLICY = frozenset(
    {"name", "displayName", "documentation", "userLabels", "combiner", "conditions", "enabled", "notificationChannels"}
    | {"alertStrategy", "severity"}
)
_CONDITION = frozenset({"name", "displayName", "conditionPrometheusQueryLanguage"})
_QUERY = frozenset(
    {"query", "duration", "evaluationInterval", "labels", "ruleGroup", "alertRule", "disableMetricValidation"}
)
_METRIC = frozenset(
    {"name", "description", "filter", "valueExtractor", "labelExtractors", "metricDescriptor", "disabled"}
    | {"bucketOptions", "bucketName"}
)
_FILTER = re.compile(r'display_name=starts_with\("([^"]*)"\)')
_LONGEST_PAGE = 5  # so that whoever does not turn the page is found out


class Monitoring:
    """`channels`: the names of the notification channels that are there; `known`: metrics that data has come of."""

    def __init__(self, wrote: Callable[[], None]) -> None:
        self.policies: dict[str, dict[str, Any]] = {}
        self.metrics: dict[str, dict[str, Any]] = {}
        self.channels: set[str] = set()
        self.known: set[str] = set()
        self._wrote, self._ids = wrote, count(1)

    def routes(self) -> list[Route]:
        """Each API under its host's name."""
        return [
            Route(_POLICIES, self._list_policies, methods=["GET"]),
            Route(_POLICIES, self._create_policy, methods=["POST"]),
            Route(f"{_POLICIES}/{{id}}", self._patch_policy, methods=["PATCH"]),
            Route(f"{_POLICIES}/{{id}}", self._delete_policy, methods=["DELETE"]),
            Route(_METRICS, self._list_metrics, methods=["GET"]),
            Route(_METRICS, self._create_metric, methods=["POST"]),
            Route(f"{_METRICS}/{{id}}", self._put_metric, methods=["PUT"]),
            Route(f"{_METRICS}/{{id}}", self._delete_metric, methods=["DELETE"]),
        ]

    async def _list_policies(self, request: Request) -> Response:
        asked = request.query_params.get("filter", "")
        found = _FILTER.fullmatch(asked)
        if asked and not found:
            return _refused(400)
        begin = found[1] if found else ""
        return _page(
            request, "alertPolicies", [p for p in self.policies.values() if p["displayName"].startswith(begin)]
        )

    async def _create_policy(self, request: Request) -> Response:
        body = await request.json()
        if "name" in body or not {"displayName", "combiner", "conditions"} <= set(body) or not self._fit(body):
            return _refused(400)
        id = str(next(self._ids))
        name = f"projects/{request.path_params['p']}/alertPolicies/{id}"
        record = {"mutateTime": "2026-11-24T10:00:00Z", "mutatedBy": "operator@clinic.example"}
        self.policies[id] = {"enabled": True} | body | {"name": name, "creationRecord": record}
        self._name_conditions(self.policies[id])
        self._wrote()
        return JSONResponse(self.policies[id])

    async def _patch_policy(self, request: Request) -> Response:
        policy, body = self.policies.get(request.path_params["id"]), await request.json()
        mask = list(filter(None, request.query_params.get("updateMask", "").split(",")))
        if policy is None:
            return _refused(404)
        if not self._fit(body) or set(mask) - (_POLICY - {"name"}):
            return _refused(400)
        for field in mask or sorted(_POLICY - {"name"}):
            policy.pop(field, None)
            if field in body:
                policy[field] = body[field]
        self._name_conditions(policy)
        self._wrote()
        return JSONResponse(policy)

    async def _delete_policy(self, request: Request) -> Response:
        self._wrote()
        return JSONResponse({}) if self.policies.pop(request.path_params["id"], None) else _refused(404)

    def _fit(self, policy: Mapping[str, Any]) -> bool:
        channels = set(policy.get("notificationChannels", ()))
        return (
            not set(policy) - _POLICY - {"creationRecord"}
            and channels <= self.channels
            and all(map(self._fits, policy.get("conditions", ())))
        )

    def _fits(self, condition: Mapping[str, Any]) -> bool:
        query = condition.get("conditionPrometheusQueryLanguage", {})
        interval = re.fullmatch(r"(\d+)s", query.get("evaluationInterval", "30s"))
        metrics = re.findall(r"logging_googleapis_com:user_(\w+?)(?:_sum|_count|_bucket)\b", query.get("query", ""))
        return (
            not set(condition) - _CONDITION
            and not set(query) - _QUERY
            and bool(query.get("query"))
            and interval is not None
            and int(interval[1]) % 30 == 0
            and (query.get("disableMetricValidation", False) or set(metrics) <= self.known)
        )

    def _name_conditions(self, policy: dict[str, Any]) -> None:
        policy["conditions"] = [
            {"name": f"{policy['name']}/conditions/{next(self._ids)}"} | one for one in policy["conditions"]
        ]

    async def _list_metrics(self, request: Request) -> Response:
        return _page(request, "metrics", list(self.metrics.values()))

    async def _create_metric(self, request: Request) -> Response:
        body = await request.json()
        return _refused(409) if body.get("name") in self.metrics else self._keep(request, body)

    async def _put_metric(self, request: Request) -> Response:
        body = await request.json()
        return self._keep(request, body) if body.get("name") == request.path_params["id"] else _refused(400)

    async def _delete_metric(self, request: Request) -> Response:
        self._wrote()
        return JSONResponse({}) if self.metrics.pop(request.path_params["id"], None) else _refused(404)

    def _keep(self, request: Request, body: dict[str, Any]) -> Response:
        """Every label needs its extractor, and a distribution the values'."""
        name, descriptor = body.get("name", ""), body.get("metricDescriptor", {})
        labels = {label["key"] for label in descriptor.get("labels", ())}
        if set(body) - _METRIC or not name or not body.get("filter") or labels != set(body.get("labelExtractors", ())):
            return _refused(400)
        if descriptor.get("valueType") == "DISTRIBUTION" and not body.get("valueExtractor"):
            return _refused(400)
        type = f"logging.googleapis.com/user/{name}"
        project = request.path_params["p"]
        made = {"type": type, "name": f"projects/{project}/metricDescriptors/{type}"}
        self.metrics[name] = body | {"metricDescriptor": descriptor | made, "updateTime": "2026-11-24T10:00:00Z"}
        self._wrote()
        return JSONResponse(self.metrics[name])


def _page(request: Request, field: str, found: list[dict[str, Any]]) -> JSONResponse:
    size = min(int(request.query_params.get("pageSize", _LONGEST_PAGE)), _LONGEST_PAGE)
    start = int(request.query_params.get("pageToken", "0"))
    more = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
    return JSONResponse({field: found[start : start + size]} | more)


def _refused(status: int) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": "refused", "status": "X"}}, status_code=status)
