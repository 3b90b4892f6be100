"""Who may come near a dataset or a view: access lists and IAM policies, kept under etags; nobody is held to them.

A write with an etag that is no longer current is refused as BigQuery refuses it: 412 for a dataset, 409 for a policy."""

import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.local.bigquery.store import Store


class Access:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._datasets: dict[str, dict[str, Any]] = {}
        self._policies: dict[tuple[str, str], dict[str, Any]] = {}

    def routes(self, prefix: str) -> list[Route]:
        table = f"{prefix}/datasets/{{dataset}}/tables/{{table}}"
        return [
            Route(f"{prefix}/datasets/{{dataset}}", self._patch_dataset, methods=["PATCH"]),
            Route(f"{table}:getIamPolicy", self._get_policy, methods=["POST"]),
            Route(f"{table}:setIamPolicy", self._set_policy, methods=["POST"]),
        ]

    def created(self, resource: dict[str, Any]) -> dict[str, Any]:
        """A new dataset, with its etag."""
        reference = resource["datasetReference"]
        self._datasets[reference["datasetId"]] = resource
        return self.dataset(reference["projectId"], reference["datasetId"])

    def dataset(self, project: str, dataset: str) -> dict[str, Any]:
        """The REST resource of a dataset."""
        named = {"datasetReference": {"projectId": project, "datasetId": dataset}}
        resource = self._datasets.get(dataset, {}) | named
        return resource | {"etag": _etag(resource)}

    async def _patch_dataset(self, request: Request) -> Response:
        project, dataset = request.path_params["project"], request.path_params["dataset"]
        if not self._store.has_dataset(dataset):
            return _error(404, "notFound")
        there = self.dataset(project, dataset)
        if request.headers.get("if-match", there["etag"]) != there["etag"]:
            return _error(412, "conditionNotMet")
        self._datasets[dataset] = {k: v for k, v in (there | await request.json()).items() if k != "etag"}
        return JSONResponse(self.dataset(project, dataset))

    async def _get_policy(self, request: Request) -> Response:
        at = request.path_params["dataset"], request.path_params["table"]
        if at not in self._store.tables:
            return _error(404, "notFound")
        return JSONResponse(self._policy(at))

    async def _set_policy(self, request: Request) -> Response:
        at = request.path_params["dataset"], request.path_params["table"]
        if at not in self._store.tables:
            return _error(404, "notFound")
        policy = (await request.json())["policy"]
        if policy.get("etag", self._policy(at)["etag"]) != self._policy(at)["etag"]:
            return _error(409, "aborted")
        self._policies[at] = {name: value for name, value in policy.items() if name != "etag"}
        return JSONResponse(self._policy(at))

    def _policy(self, at: tuple[str, str]) -> dict[str, Any]:
        policy = self._policies.get(at, {"version": 1, "bindings": []})
        return policy | {"etag": _etag(policy)}


def _etag(resource: dict[str, Any]) -> str:
    text = json.dumps(resource, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:16]


def _error(status: int, reason: str) -> JSONResponse:
    error = {"code": status, "message": reason, "errors": [{"reason": reason, "message": reason}]}
    return JSONResponse({"error": error}, status_code=status)
