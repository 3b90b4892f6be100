"""`./dev release deploy | scan | print`: what cloudbuild.yaml calls. Places come from the environment.

0 = released or fit to be, 1 = not, 2 = wrong usage.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from handlers.release import plan
from handlers.release.deploy import Release, Worse
from handlers.release.gcloud import Failed, Gcloud
from handlers.release.verdict import grave

ROOT = Path(__file__).resolve().parents[2]


def run(options: argparse.Namespace) -> int:
    """One verb."""
    if empty := plan.missing(os.environ):
        print(f"./dev release: not set: {' '.join(empty)}", file=sys.stderr)
        return 2
    cloud = Gcloud(os.environ["PROJECT_ID"], os.environ["REGION"])
    match options.verb:
        case "print":
            print(json.dumps(plan.documents((ROOT / "service.yaml").read_text(), os.environ), indent=1))
            return 0
        case "scan":
            return _scan(cloud)
        case _:
            return _deploy(cloud, options)


def _scan(cloud: Gcloud) -> int:
    try:
        found = grave(cloud.vulnerabilities(os.environ["IMAGE"]))
    except Failed as error:
        print(f"./dev release scan: {error}", file=sys.stderr)
        return 1
    for one in found:
        print(one)
    print(f"{len(found)} grave vulnerabilities that a newer version mends", file=sys.stderr)
    return 1 if found else 0


def _deploy(cloud: Gcloud, options: argparse.Namespace) -> int:
    documents = plan.documents((ROOT / "service.yaml").read_text(), os.environ)

    def smoke(zone: str, url: str) -> None:
        if zone in plan.INSIDE:
            cloud.smoke_inside(zone, url, *(os.environ[name] for name in ("IMAGE", "NETWORK", "SUBNETWORK")))
            return
        command = [sys.executable, "-m", "handlers.cli", "smoke", url, "--zone", zone]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - this project's own command
            raise Worse(f"{zone}: the smoke test failed")

    release = Release(
        cloud, options.commit, smoke, lambda line: print(line, flush=True), options.look, options.patience
    )
    return 0 if release.run(documents) else 1
