"""`./dev doctor --fix-subscription`: what it writes fires for every change, and the secret is shown to nobody."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from handlers.doctor import mend
from handlers.doctor.findings import Check
from handlers.doctor.mend import Unclear
from shared.local.medplum.listener import Listener
from tests.doctor.medplum import Clinic, clinic
from tests.doctor.test_medplum import PLANTED
from tests.tenant import PROJECT


@pytest.fixture
async def right() -> AsyncIterator[Clinic]:
    async with clinic() as made:
        yield made


async def fixed(made: Clinic, type: str, webhook: str | None = None) -> str:
    from handlers.doctor.examination import outbound
    from handlers.doctor.medplum import Project

    async with outbound(made.settings, made.deployment) as http:
        project = Project(made.settings.tenants[0], made.settings, made.deployment, http, made.now)
        operator = project.operator()
        assert operator is not None
        mending = mend.planned(type, await mend.look(operator), project.expected, webhook)
        return await mend.write(operator, mending)


MENDED = sorted(
    what
    for what, (_, check) in PLANTED.items()
    if check not in (Check.CRITERIA_TYPE, Check.CRITERIA_AUDIT, Check.ENDPOINT_MISSING)
)


@pytest.mark.parametrize("what", MENDED)
async def test_a_spoilt_subscription_is_mended_in_place(right: Clinic, what: str) -> None:
    right.change("Patient", PLANTED[what][0])
    assert await fixed(right, "Patient") == right.ids["Patient"]
    assert await right.examined() == []


async def test_what_it_writes_tells_of_a_creation_an_update_and_a_deletion_signed() -> None:
    told: list[tuple[str, str, bytes]] = []

    async def hook(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        if "x-medplum-interaction" in headers:
            told.append((headers["x-medplum-interaction"], headers["x-signature"], body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with clinic() as made:
        receiver = Listener()
        await receiver.start(hook)
        url = f"http://127.0.0.1:{receiver.port}"
        made.settings = made.settings.model_copy(update={"public_url": url})
        await fixed(made, "Patient")
        patient = made.medplum.create(PROJECT, {"resourceType": "Patient"})
        await made.medplum.idle()
        made.medplum.update(PROJECT, {**patient, "gender": "female"})
        await made.medplum.idle()
        made.medplum.delete(PROJECT, "Patient", str(patient["id"]))
        async with asyncio.timeout(10):
            await made.medplum.idle()
        await receiver.stop()
    assert [interaction for interaction, _, _ in told] == ["create", "update", "delete"]
    for _, signature, body in told:
        assert signature == hmac.new(b"secret of Patient", body, hashlib.sha256).hexdigest()


async def test_a_type_without_a_webhook_is_not_guessed(right: Clinic) -> None:
    with pytest.raises(Unclear, match="--webhook"):
        await fixed(right, "Encounter")
    with pytest.raises(Unclear, match="no webhook"):
        await fixed(right, "Encounter", "clinic-encounter")


async def test_what_is_shown_has_no_secret(right: Clinic) -> None:
    from handlers.doctor.medplum import Project

    project = Project(right.settings.tenants[0], right.settings, right.deployment, None, right.now)  # type: ignore[arg-type]
    mending = mend.planned("Patient", right.aimed(), project.expected, None)
    assert "secret of" not in json.dumps(mending.shown())
    assert mend.HIDDEN in json.dumps(mending.shown())


async def test_somebody_elses_change_meanwhile_is_not_overwritten(right: Clinic) -> None:
    from handlers.doctor.examination import outbound
    from handlers.doctor.medplum import Project
    from shared.errors import Problem

    async with outbound(right.settings, right.deployment) as http:
        project = Project(right.settings.tenants[0], right.settings, right.deployment, http, right.now)
        operator = project.operator()
        assert operator is not None
        mending = mend.planned("Patient", await mend.look(operator), project.expected, None)
        right.change("Patient", lambda one: one.update(reason="somebody else's"))
        with pytest.raises(Problem):
            await mend.write(operator, mending)
    assert right.there("Subscription", right.ids["Patient"])["reason"] == "somebody else's"
