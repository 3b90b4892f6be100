"""The way from an empty project to the first row: every command in it is one that exists.

Where gcloud is installed its own table of commands and flags is the judge; elsewhere a list of the groups that are used.
"""

import argparse
import importlib.util
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from handlers.cli import _parser
from handlers.provisioning.rights import account_names
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs/backend/DEPLOYMENT_CLOUD_RUN.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]
GROUPS = {
    *("config", "services", "artifacts", "compute", "iam", "firestore", "secrets", "builds", "run", "projects", "info"),
}
GLOBAL = {"--project", "--format", "--quiet", "--filter", "--limit"}
ELSEWHERE = {"provision"}  # commands of parts that are built beside this one


def _gcloud() -> list[list[str]]:
    """Every gcloud command of the guide, in substitutions and in prose too, without its `gcloud`."""
    lines = [re.sub(r"\$\((?!gcloud)[^)]*\)", "X", line) for line in LINES]
    found = [line for line in lines if line.startswith("gcloud ")]
    found += [inner for line in lines for inner in re.findall(r"\$\((gcloud .+)\)$", line)]
    found += re.findall(r"`(gcloud run [^`]+)`", GUIDE)
    return [shlex.split(command)[1:] for command in found]


def _tree() -> dict[str, Any] | None:
    program = shutil.which("gcloud")
    if not program:
        return None
    file = Path(program).resolve().parents[1] / "data/cli/gcloud_completions.py"
    spec = importlib.util.spec_from_file_location("gcloud_completions", file) if file.exists() else None
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tree: dict[str, Any] = module.STATIC_COMPLETION_CLI_TREE
    return tree


TREE = _tree()


@pytest.mark.parametrize("command", _gcloud(), ids=lambda command: " ".join(command[:5]))
def test_every_gcloud_command_exists_with_its_flags(command: list[str]) -> None:
    assert command[0] in GROUPS
    if TREE is None:
        return
    node = TREE
    for word in command:
        if word not in node["commands"]:
            break
        node = node["commands"][word]
    assert not node["commands"], "it is a command, not a group"
    flags = {word.partition("=")[0] for word in command if word.startswith("--")}
    assert flags - GLOBAL <= set(node["flags"])


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("./dev ")])
def test_every_command_of_ours_exists(line: str) -> None:
    arguments = shlex.split(line)[1:]
    [commands] = [one for one in _parser()._actions if isinstance(one, argparse._SubParsersAction)]
    if arguments[0] in ELSEWHERE - set(commands.choices):
        pytest.skip(f"./dev {arguments[0]} is not here yet")
    assert _parser().parse_args(arguments).command == arguments[0]


def test_the_guide_or_provision_makes_what_the_services_name() -> None:
    services = (ROOT / "service.yaml").read_text()
    provisioned = {email.partition("@")[0] for email in account_names(Settings())}
    assert {*re.findall(r"serviceAccountName: (starvit-\w+)@", services), "starvit-smoke"} <= provisioned
    for secret in re.findall(r"secretName: (\S+)", services):
        assert f"secrets create {secret} " in GUIDE
    for database in re.findall(r"firestore:(\w+)", services):
        assert f"--database={database} " in GUIDE


def test_nothing_in_the_guide_is_a_secret() -> None:
    assert not re.search(r"\b[0-9a-f]{32,}\b", GUIDE)
