"""The only place that calls gcloud: arguments in, JSON out. What it says on stderr goes to the build's log as it is."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from handlers.release.plan import Document, Serving

ENTRIES = 5000  # of a request log, read at once: more than a step waits for


class Failed(Exception):
    """A gcloud command ended with an error: which, and its exit code."""

    def __init__(self, command: Sequence[str], status: int) -> None:
        super().__init__(f"gcloud {' '.join(command[:4])} ended with {status}")


class Gcloud:
    """gcloud for one project and region."""

    def __init__(self, project: str, region: str) -> None:
        self._project, self._region = project, region

    def describe(self, service: str) -> Document:
        """The service, or nothing when there is none yet."""
        query = ("run", "services", "list", *self._where(), f"--filter=metadata.name={service}", "--format=json")
        found = json.loads(self._run(*query) or "[]")
        return dict(found[0]) if found else {}

    def replace(self, document: Document) -> None:
        """Apply one document; returns when its revision is ready, and so when its startup probe has passed."""
        self._run("run", "services", "replace", "-", *self._where(), given=json.dumps(document))

    def traffic(self, service: str, shares: Serving) -> None:
        """Give the traffic to these revisions."""
        to = ",".join(f"{revision}={percent}" for revision, percent in shares.items())
        self._run("run", "services", "update-traffic", service, f"--to-revisions={to}", *self._where())

    def statuses(self, service: str, revision: str, since: str) -> list[int]:
        """The status of each request that the front end logged for a revision since then (RFC 3339)."""
        query = (
            f'resource.type="cloud_run_revision" AND resource.labels.service_name="{service}" AND '
            f'resource.labels.revision_name="{revision}" AND logName:"run.googleapis.com%2Frequests" AND '
            f'timestamp>="{since}"'
        )
        form = ("--format=json(httpRequest.status)", f"--limit={ENTRIES}")
        found = json.loads(self._run("logging", "read", query, f"--project={self._project}", *form) or "[]")
        return [int(one["httpRequest"]["status"]) for one in found if one.get("httpRequest", {}).get("status")]

    def smoke_inside(self, zone: str, url: str, image: str, network: str, subnetwork: str) -> None:
        """The smoke test from within the network, where the internal zones can be reached: the same image, as a job."""
        account = f"starvit-smoke@{self._project}.iam.gserviceaccount.com"
        self._run(
            *("run", "jobs", "deploy", f"starvit-smoke-{zone}", f"--image={image}", f"--service-account={account}"),
            *(f"--network={network}", f"--subnet={subnetwork}", "--vpc-egress=all-traffic", "--max-retries=0"),
            *("--command=/srv/.venv/bin/python", f"--args=-m,handlers.cli,smoke,{url},--zone,{zone},--identity"),
            *("--execute-now", "--wait", *self._where()),
        )

    def vulnerabilities(self, image: str) -> list[dict[str, Any]]:
        """What is known of a pushed image's packages."""
        scan = ("artifacts", "docker", "images", "scan", image, "--remote", "--format=value(response.scan)")
        name = self._run(*scan, f"--project={self._project}").strip()
        query = ("artifacts", "docker", "images", "list-vulnerabilities", name, "--format=json")
        return list(json.loads(self._run(*query, f"--project={self._project}") or "[]"))

    def _where(self) -> tuple[str, ...]:
        return (f"--project={self._project}", f"--region={self._region}", "--quiet")

    def _run(self, *arguments: str, given: str = "") -> str:
        command = ["gcloud", *arguments]
        done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise Failed(arguments, done.returncode)
        return done.stdout
