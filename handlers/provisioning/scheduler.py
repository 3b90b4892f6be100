"""Cloud Scheduler: the job that asks the clinical zone for reconcile, with an identity token of its own."""

from typing import Any

from handlers.provisioning.changes import Act, Change, Refusal, compared
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.rest import Google
from shared.settings import Settings, Zone

JOB = "starvit-reconcile"
_HOST = "cloudscheduler.googleapis.com"
# fact → the field of the Job that an update mask names
_MASKS = {
    "schedule": "schedule",
    "timeZone": "timeZone",
    "attemptDeadline": "attemptDeadline",
    "uri": "httpTarget",
    "method": "httpTarget",
    "account": "httpTarget",
    "audience": "httpTarget",
}


class SchedulerArea:
    name = "scheduler"

    def __init__(self, google: Google, settings: Settings, deployment: Deployment) -> None:
        self._google = google
        self._jobs = f"v1/projects/{settings.gcp_project}/locations/{deployment.region}/jobs"
        endpoint = f"{deployment.url(settings, Zone.CLINICAL)}/v1/tasks/reconcile"
        self._wanted: dict[str, Any] = {
            "name": f"{self._jobs.removeprefix('v1/')}/{JOB}",
            "description": "asks for what no webhook told of",
            "schedule": deployment.reconcile_schedule,
            "timeZone": "Etc/UTC",
            "attemptDeadline": f"{settings.request_timeout:g}s",
            "httpTarget": {
                "uri": endpoint,
                "httpMethod": "POST",
                "oidcToken": {"serviceAccountEmail": settings.account("reconcile"), "audience": endpoint},
            },
        }

    async def plan(self) -> list[Change]:
        found = await self._google.ask("GET", _HOST, f"{self._jobs}/{JOB}")
        wanted = _facts(self._wanted) | {"state": "ENABLED"}
        return [compared(self.name, "job", JOB, wanted, _facts(found) if found else None)]

    async def apply(self, change: Change) -> None:
        if change.act is Act.CREATE:
            answer = await self._google.ask("POST", _HOST, self._jobs, body=self._wanted)
            if answer is None:
                raise Refusal("the region is not there, or the Cloud Scheduler API is not enabled")
            return
        if mask := sorted({_MASKS[field] for field in change.fields if field in _MASKS}):
            query = {"updateMask": ",".join(mask)}
            await self._google.ask("PATCH", _HOST, f"{self._jobs}/{JOB}", query=query, body=self._wanted)
        if "state" in change.fields:
            await self._google.ask("POST", _HOST, f"{self._jobs}/{JOB}:resume", body={})

    async def delete(self, change: Change) -> None:
        await self._google.ask("DELETE", _HOST, f"{self._jobs}/{change.name}")


def _facts(job: dict[str, Any]) -> dict[str, object]:
    target = job.get("httpTarget", {})
    token = target.get("oidcToken", {})
    return {
        "schedule": job.get("schedule"),
        "timeZone": job.get("timeZone"),
        "attemptDeadline": job.get("attemptDeadline"),
        "uri": target.get("uri"),
        "method": target.get("httpMethod"),
        "account": token.get("serviceAccountEmail"),
        "audience": token.get("audience"),
        "state": job.get("state"),
    }
