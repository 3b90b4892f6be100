"""Cloud Scheduler: the jobs that ask a zone for work, each with an identity token of its own account.

starvit-reconcile     ─► clinical  what no webhook told of
starvit-dead-letters  ─► ops       what a dependency's outage left behind, once it is over
"""

from typing import Any

from handlers.provisioning.changes import Act, Change, Refusal, compared
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.rest import Google
from handlers.provisioning.rights import CALLERS
from shared.settings import Settings

RECONCILE, DEAD_LETTERS = "reconcile", "dead-letters"
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


def job(task: str) -> str:
    """The job that asks for a task."""
    return f"starvit-{task}"


class SchedulerArea:
    name = "scheduler"

    def __init__(self, google: Google, settings: Settings, deployment: Deployment) -> None:
        self._google = google
        self._jobs = f"v1/projects/{settings.gcp_project}/locations/{deployment.region}/jobs"
        schedules = {RECONCILE: deployment.reconcile_schedule, DEAD_LETTERS: deployment.dead_letters_schedule}
        self._wanted = {job(task): self._job(settings, deployment, task, when) for task, when in schedules.items()}

    async def plan(self) -> list[Change]:
        changes = []
        for name, wanted in self._wanted.items():
            found = await self._google.ask("GET", _HOST, f"{self._jobs}/{name}")
            facts = _facts(wanted) | {"state": "ENABLED"}
            changes.append(compared(self.name, "job", name, facts, _facts(found) if found else None))
        return changes

    async def apply(self, change: Change) -> None:
        wanted, path = self._wanted[change.name], f"{self._jobs}/{change.name}"
        if change.act is Act.CREATE:
            answer = await self._google.ask("POST", _HOST, self._jobs, body=wanted)
            if answer is None:
                raise Refusal("the region is not there, or the Cloud Scheduler API is not enabled")
            return
        if mask := sorted({_MASKS[field] for field in change.fields if field in _MASKS}):
            await self._google.ask("PATCH", _HOST, path, query={"updateMask": ",".join(mask)}, body=wanted)
        if "state" in change.fields:
            await self._google.ask("POST", _HOST, f"{path}:resume", body={})

    async def delete(self, change: Change) -> None:
        await self._google.ask("DELETE", _HOST, f"{self._jobs}/{change.name}")

    def _job(self, settings: Settings, deployment: Deployment, task: str, schedule: str) -> dict[str, Any]:
        zone, what = CALLERS[task]
        endpoint = f"{deployment.url(settings, zone)}/v1/tasks/{task}"
        return {
            "name": f"{self._jobs.removeprefix('v1/')}/{job(task)}",
            "description": what,
            "schedule": schedule,
            "timeZone": "Etc/UTC",
            "attemptDeadline": f"{settings.request_timeout:g}s",
            "httpTarget": {
                "uri": endpoint,
                "httpMethod": "POST",
                "oidcToken": {"serviceAccountEmail": settings.account(task), "audience": endpoint},
            },
        }


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
