"""Google's REST APIs that a deployment is made of, as far as they are asked for: strict, small, in memory.

    iam                   service accounts: list, create, enable, delete; their policies
    run, secretmanager    policies of services and secrets (GET), which somebody else has deployed
    cloudresourcemanager  the project's policy
    cloudscheduler        jobs: get, create, patch, resume
    monitoring, logging   alert policies and log-based metrics (shared/local/monitoring.py)

Each API is under its host's name: http://127.0.0.1:PORT/iam.googleapis.com/v1/… A policy with a stale etag is refused with
409; a body with a field that the API does not have, with 400. What is not listed is 404.
"""

import hashlib
import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.local.medplum.listener import Listener
from shared.local.monitoring import Monitoring

_POLICY = frozenset({"version", "etag", "bindings", "auditConfigs"})
_JOB = frozenset(
    {"name", "description", "schedule", "timeZone", "attemptDeadline", "retryConfig", "httpTarget", "state"}
)
_IAM, _RUN, _SECRETS = "/iam.googleapis.com/v1", "/run.googleapis.com/v2", "/secretmanager.googleapis.com/v1"
_PROJECT, _JOBS = (
    "/cloudresourcemanager.googleapis.com/v3",
    "/cloudscheduler.googleapis.com/v1/projects/{p}/locations/{l}/jobs",
)


class GoogleApis:
    """`services` and `secrets`: what is deployed. `writes` counts what has changed anything."""

    def __init__(self, project: str, *, services: tuple[str, ...] = (), secrets: tuple[str, ...] = ()) -> None:
        self.project, self.services, self.secrets = project, set(services), set(secrets)
        self.accounts: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.writes = 0
        self.monitoring = Monitoring(self._wrote)
        self._listener = Listener()

    async def start(self) -> str:
        """Listen; the base URL."""
        await self._listener.start(self._app())
        return f"http://127.0.0.1:{self._listener.port}"

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

    def policy(self, name: str) -> dict[str, Any]:
        """The policy of `project`, or of an account, service or secret by its short name."""
        policy = self.policies.get(name, {"version": 1})
        return policy | {"etag": hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:16]}

    def _wrote(self) -> None:
        self.writes += 1

    def _app(self) -> Starlette:
        accounts = f"{_IAM}/projects/{{p}}/serviceAccounts"
        service = f"{_RUN}/projects/{{p}}/locations/{{l}}/services/{{name}}"
        secret = f"{_SECRETS}/projects/{{p}}/secrets/{{name}}"
        return Starlette(
            routes=[
                Route(accounts, self._list_accounts, methods=["GET"]),
                Route(accounts, self._create_account, methods=["POST"]),
                Route(f"{accounts}/{{name}}:enable", self._enable, methods=["POST"]),
                Route(f"{accounts}/{{name}}", self._delete_account, methods=["DELETE"]),
                Route(f"{accounts}/{{name}}:getIamPolicy", self._get_policy, methods=["POST"]),
                Route(f"{accounts}/{{name}}:setIamPolicy", self._set_policy, methods=["POST"]),
                Route(f"{service}:getIamPolicy", self._get_policy, methods=["GET"]),
                Route(f"{service}:setIamPolicy", self._set_policy, methods=["POST"]),
                Route(f"{secret}:getIamPolicy", self._get_policy, methods=["GET"]),
                Route(f"{secret}:setIamPolicy", self._set_policy, methods=["POST"]),
                Route(f"{_PROJECT}/projects/{{name}}:getIamPolicy", self._get_policy, methods=["POST"]),
                Route(f"{_PROJECT}/projects/{{name}}:setIamPolicy", self._set_policy, methods=["POST"]),
                Route(_JOBS, self._create_job, methods=["POST"]),
                Route(f"{_JOBS}/{{name}}:resume", self._resume_job, methods=["POST"]),
                Route(f"{_JOBS}/{{name}}", self._job, methods=["GET"]),
                Route(f"{_JOBS}/{{name}}", self._patch_job, methods=["PATCH"]),
                *self.monitoring.routes(),
            ]
        )

    def _there(self, name: str) -> bool:
        return name == self.project or name in self.services | self.secrets | set(self.accounts)

    async def _get_policy(self, request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse(self.policy(name)) if self._there(name) else _error(404)

    async def _set_policy(self, request: Request) -> Response:
        name, body = request.path_params["name"], await request.json()
        if not self._there(name):
            return _error(404)
        policy = body.get("policy", {})
        conditional = any("condition" in binding for binding in policy.get("bindings", ()))
        if (
            set(body) - {"policy", "updateMask"}
            or set(policy) - _POLICY
            or (conditional and policy.get("version") != 3)
        ):
            return _error(400)
        if policy.get("etag", self.policy(name)["etag"]) != self.policy(name)["etag"]:
            return _error(409)
        self.policies[name] = {key: value for key, value in policy.items() if key != "etag"}
        self.writes += 1
        return JSONResponse(self.policy(name))

    async def _list_accounts(self, request: Request) -> Response:
        """Two a page, so that whoever does not turn the page is found out."""
        start, emails = int(request.query_params.get("pageToken", "0")), sorted(self.accounts)
        page: dict[str, Any] = {"accounts": [self.accounts[email] for email in emails[start : start + 2]]}
        return JSONResponse(page | ({"nextPageToken": str(start + 2)} if start + 2 < len(emails) else {}))

    async def _create_account(self, request: Request) -> Response:
        body = await request.json()
        account = body.get("accountId", "")
        if set(body) - {"accountId", "serviceAccount"} or not 6 <= len(account) <= 30:
            return _error(400)
        email = f"{account}@{self.project}.iam.gserviceaccount.com"
        if email in self.accounts:
            return _error(409)
        self.accounts[email] = {"email": email, "name": f"projects/{self.project}/serviceAccounts/{email}"}
        self.writes += 1
        return JSONResponse(self.accounts[email])

    async def _enable(self, request: Request) -> Response:
        account = self.accounts.get(request.path_params["name"])
        if account is None:
            return _error(404)
        account.pop("disabled", None)
        self.writes += 1
        return JSONResponse({})

    async def _delete_account(self, request: Request) -> Response:
        self.writes += 1
        return JSONResponse({}) if self.accounts.pop(request.path_params["name"], None) else _error(404)

    async def _job(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["name"])
        return JSONResponse(job) if job else _error(404)

    async def _create_job(self, request: Request) -> Response:
        body = await request.json()
        name = body.get("name", "").rpartition("/")[2]
        if set(body) - _JOB or not name:
            return _error(400)
        if name in self.jobs:
            return _error(409)
        self.jobs[name] = body | {"state": "ENABLED"}
        self.writes += 1
        return JSONResponse(self.jobs[name])

    async def _patch_job(self, request: Request) -> Response:
        job, body = self.jobs.get(request.path_params["name"]), await request.json()
        mask = request.query_params.get("updateMask", "").split(",")
        if job is None:
            return _error(404)
        if set(mask) - (_JOB - {"name", "state"}):
            return _error(400)
        job |= {field: body[field] for field in mask}
        self.writes += 1
        return JSONResponse(job)

    async def _resume_job(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["name"])
        if job is None:
            return _error(404)
        job["state"] = "ENABLED"
        self.writes += 1
        return JSONResponse(job)


def _error(status: int) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": "refused", "status": "X"}}, status_code=status)
