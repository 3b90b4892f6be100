"""The whole examination: a right deployment has nothing to say, each part that fails is named, and the exit code tells."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from handlers.cli import _parser
from handlers.doctor import command
from handlers.doctor.cloud import findings
from handlers.doctor.examination import outbound
from handlers.doctor.findings import Check, Finding, bad
from handlers.doctor.here import examined as here
from handlers.provisioning.changes import Act, Change
from handlers.provisioning.deployment import Deployment
from shared.local.issuer import Issuer
from shared.settings import Settings
from tests.doctor.medplum import Clinic, clinic
from tests.provisioning.cloud import cloud
from tests.tenant import settings


@asynccontextmanager
async def whole() -> AsyncIterator[tuple[Clinic, Settings, Deployment]]:
    """A right Medplum project, a right Google Cloud project, and an issuer of tokens."""
    issuer = Issuer()
    certs = await issuer.serve()
    async with clinic() as made, cloud() as project:
        here = {name: getattr(made.settings, name) for name in ("tenants", "medplum_url", "public_url")}
        project.settings = project.settings.model_copy(update={**here, "jwks_url": certs})
        project.deployment = project.deployment.model_copy(update={"operators": made.deployment.operators})
        await project.provision()
        yield made, project.settings, project.deployment
    await issuer.stop()


async def test_a_right_deployment_has_nothing_to_say_and_a_wrong_one_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with whole() as (made, using, deployment):
        monkeypatch.setattr(command, "described", lambda: (using, deployment))

        async def doctor(*arguments: str) -> tuple[int, str]:
            options = _parser().parse_args(["doctor", *arguments])
            status = await asyncio.to_thread(command.run, options)
            return status, capsys.readouterr().out

        assert await doctor() == (0, "nothing is wrong\n")
        made.change("Patient", lambda one: one.update(status="off"))
        status, printed = await doctor("--project", "clinic", "--json")
        lines = [json.loads(line) for line in printed.splitlines()]
        assert (status, [line["code"] for line in lines]) == (1, ["status-off", "type-missing"])
        assert all("--fix-subscription Patient" in line["fix"] for line in lines)
        status, printed = await doctor("--fix-subscription", "Patient")
        assert (status, "not written" in printed, "secret of" in printed) == (0, True, False)
        assert (await doctor())[0] == 1
        status, printed = await doctor("--fix-subscription", "Patient", "--apply", "--json")
        line = json.loads(printed)
        assert (status, line["written"], line["secret"]) == (0, True, "tenants[clinic].webhooks[clinic-patient][0]")
        assert "secret of" not in printed
        assert await doctor() == (0, "nothing is wrong\n")


async def test_without_keys_or_ledger_or_with_wrong_settings_the_process_itself_is_named(tmp_path: Path) -> None:
    using = settings(jwks_url="http://127.0.0.1:9/certs", ledger=f"sqlite:{tmp_path / 'missing' / 'ledger.sqlite'}")
    [tenant] = using.tenants
    using = using.model_copy(update={"tenants": (tenant.model_copy(update={"event_key": None}),)})
    async with outbound(using, Deployment()) as http:
        found = [(one.check, one.place) async for one in here(using, http)]
    assert found == [
        (Check.SETTING, "tenant clinic: event_key is missing"),
        (Check.KEYS_UNREACHABLE, "STARVIT_JWKS_URL"),
        (Check.LEDGER_UNREACHABLE, "ledger sqlite"),
    ]


def test_what_google_refuses_and_what_drifted_elsewhere_is_named() -> None:
    refused = Change("bigquery", "area", "bigquery", Act.REFUSED, how="no Google credentials: sign in")
    drifted = Change("firestore", "field", "clinical/ledger.expires", Act.CHANGE, {"ttl": (False, True)})
    [first], [second] = list(findings(refused)), list(findings(drifted))
    assert (first.check, first.fix) == (Check.GOOGLE_REFUSES, "no Google credentials: sign in")
    assert (second.check, second.fix) == (Check.DIFFERS, "`./dev provision --apply --only firestore`.")


def test_notes_alone_are_no_failure() -> None:
    assert not bad([Finding(Check.DUPLICATE, "Subscription/x")])
    assert bad([Finding(Check.QUOTA_LOW, "tenant clinic: reader")])


def test_every_check_is_planted_somewhere_in_these_tests() -> None:
    """A check that no test has seen fire is a check that nobody knows to work."""
    told = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    assert not [check.name for check in Check if f"Check.{check.name}" not in told]
