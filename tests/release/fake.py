"""gcloud and docker as programs on PATH that write down each call, and keep the little state that a release reads back.

The state is a JSON file. `fail` names calls that end with 1: "services replace starvit-clinical", say. `errors` is the share
of a new revision's answers that are 500.
"""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

PROGRAM = r"""
import json, os, sys
from pathlib import Path

file = Path(os.environ["FAKE_STATE"])
state = json.loads(file.read_text())
program, arguments = Path(sys.argv[0]).name, sys.argv[1:]
given = sys.stdin.read() if "-" in arguments else ""
document = json.loads(given) if given else {}
named = document.get("metadata", {}).get("name", "")
words = " ".join([program, *(one for one in arguments if not one.startswith("--")), named]).strip()
state["calls"].append(words)
services, answer, status = state["services"], "", 0

def option(name):
    return next((one.split("=", 1)[1] for one in arguments if one.startswith(name + "=")), "")

if any(all(part in words for part in one.split()) for one in state["fail"]):
    status = 1
elif "services list" in words:
    name = option("--filter").partition("=")[2]
    url = state["urls"].get(name)
    traffic = [{**one, "url": url or f"https://{one['tag']}---{name}.example"} if one.get("tag") else one
               for one in services.get(name, [])]
    answer = json.dumps([{"status": {"url": f"https://{name}.example", "traffic": traffic}}] if name in services else [])
elif "services replace" in words:
    services[named] = document["spec"]["traffic"]
    state["documents"].append(document)
elif "update-traffic" in words:
    pairs = [one.split("=") for one in option("--to-revisions").split(",")]
    services[arguments[3]] = [{"revisionName": name, "percent": int(percent)} for name, percent in pairs]
elif "logging read" in words:
    new = state["commit"] in words
    bad = int(200 * state["errors"]) if new else 0
    answer = json.dumps([{"httpRequest": {"status": 500 if n < bad else 204}} for n in range(200)])
elif "images scan" in words:
    answer = "scans/1"
elif "list-vulnerabilities" in words:
    answer = json.dumps(state["vulnerabilities"])
elif "inspect" in words:
    answer = f"{arguments[-1].partition(':')[0]}@sha256:{'ab' * 32}"
elif "docker create" in words:
    answer = "container-1"
file.write_text(json.dumps(state))
print(answer)
sys.exit(status)
"""


class Cloud:
    """The programs in a folder, and what they have seen."""

    def __init__(self, folder: Path, commit: str, **state: Any) -> None:
        self._file, self.commit = folder / "state.json", commit
        self.folder = folder
        empty = {
            "calls": [],
            "services": {},
            "documents": [],
            "fail": [],
            "errors": 0,
            "vulnerabilities": [],
            "urls": {},
        }
        self._file.write_text(json.dumps(empty | {"commit": commit[:12]} | state))
        for name in ("gcloud", "docker"):
            (folder / name).write_text(f"#!{sys.executable}\n{PROGRAM}")
            (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self._file.read_text()))

    @property
    def calls(self) -> list[str]:
        return list(self.state["calls"])

    def traffic(self, service: str) -> dict[str, int]:
        """revision → percent, of those that have any."""
        return {
            one["revisionName"]: one["percent"] for one in self.state["services"].get(service, []) if one["percent"]
        }

    def environment(self, **more: str) -> dict[str, str]:
        """What a step of the build runs with."""
        path = f"{self.folder}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "FAKE_STATE": str(self._file), "TOOLS": str(self.folder), **more}
