"""`./dev provision` and `./dev doctor` as commands: what they print, how they end, and that a dry run changes nothing."""

import argparse
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from handlers.cli import _parser
from handlers.demo.service import environment_of
from handlers.provisioning import aside, command, hold, index
from handlers.provisioning.changes import Act
from tests.contracts.emulator import pubsub_emulator
from tests.provisioning.cloud import Cloud, cloud


@pytest.fixture
async def project(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cloud]:
    """A project whose parts stand in the environment, as an operator has them."""
    async with cloud() as made:
        for name, value in environment_of(made.settings).items():
            monkeypatch.setenv(name, value)
        for name, value in made.deployment.model_dump(include={"region", "project_number", "analysts"}).items():
            monkeypatch.setenv(f"STARVIT_{name.upper()}", value)
        monkeypatch.setenv("STARVIT_GOOGLE_URL", made.deployment.google_url)
        monkeypatch.setenv("STARVIT_FIRESTORE_ADMIN_ENDPOINT", made.deployment.firestore_admin_endpoint)
        yield made


async def provision(*arguments: str) -> int:
    """Run the command in this loop: the parts that it speaks to run here too."""
    import asyncio

    options = _parser().parse_args(["provision", *arguments])
    return await asyncio.to_thread(command.run, options)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_dry_run_shows_and_changes_nothing_and_apply_does_what_it_showed(
    project: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await provision("--json") == 0
    shown = lines(capsys)
    assert {line["act"] for line in shown} == {"create"}
    assert project.google.writes == 0
    assert await provision("--json", "--apply") == 0
    assert [(line["kind"], line["name"]) for line in lines(capsys) if line["done"]] == [
        (line["kind"], line["name"]) for line in shown
    ]
    assert await provision("--json") == 0
    assert {line["act"] for line in lines(capsys)} == {"keep"}
    assert await provision() == 0
    assert capsys.readouterr().out.strip() == f"{len(shown)} keep"


async def test_one_area_can_be_done_alone(project: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert await provision("--only", "pubsub,firestore", "--apply", "--json") == 0
    assert {line["area"] for line in lines(capsys)} == {"pubsub", "firestore"}
    assert not project.google.accounts


async def test_what_is_refused_ends_with_1_and_says_the_way(project: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    project.google.services.clear()
    assert await provision("--apply") == 1
    refused = [line for line in capsys.readouterr().out.splitlines() if line.startswith("!")]
    assert refused
    assert all("provision or deploy it first" in line for line in refused)


async def test_a_name_to_be_deleted_that_is_nowhere_is_said(project: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert await provision("--only", "pubsub", "--apply", "--delete", "nothing") == 1
    assert "nothing here is called nothing" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--only", "everything"), ("--delete", "x")])
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(_parser().parse_args(["provision", *arguments])) == 2
    assert capsys.readouterr().err.startswith("provision: ")


def test_a_deployment_in_the_cloud_needs_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STARVIT_LEDGER", "firestore:clinical")
    for arguments in (["provision"], ["doctor"]):
        options: argparse.Namespace = _parser().parse_args(arguments)
        assert options.run(options) == 2
        assert "STARVIT_REGION, STARVIT_PROJECT_NUMBER" in capsys.readouterr().err


@pytest.mark.xdist_group("pubsub-emulator")
async def test_googles_emulator_is_provisioned_and_what_it_lacks_is_said(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with pubsub_emulator(tmp_path_factory.mktemp("pubsub")) as address:
        async with cloud() as project:
            project.settings = project.settings.model_copy(update={"pubsub_endpoint": address})
            made = await project.provision("pubsub", "iam")
            refused = {change.name for change in made if change.act is Act.REFUSED and change.area == "pubsub"}
            held = {hold(topic) for topic in aside(project.settings)}
            told = {index(topic) for topic in aside(project.settings)}
            assert refused == held | told, "it keeps messages for seven days at most"
            assert {change.kind for change in made if change.act is Act.UNSEEN} == {"topic", "subscription"}, "no IAM"
            again = await project.provision("pubsub", "iam")
            assert {change.name for change in again if change.area == "pubsub"} == refused
            assert not [change for change in again if change.done and change.area == "pubsub"]
