"""The AccessPolicy that is supplied for the clients that write audit records: they append, and nothing else."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.doctor import access
from shared.fhir.client import MedplumClient
from shared.local.medplum import Medplum
from tests.contracts.fhir_worlds import AUDIT, LIMIT, PROJECT, clients, tenant

POLICY: dict[str, Any] = json.loads((Path(__file__).parents[2] / "schemas" / "medplum" / "auditor.json").read_text())
RULES: list[dict[str, Any]] = POLICY["resource"]


def test_the_doctor_has_nothing_to_say_of_it() -> None:
    assert POLICY["resourceType"] == "AccessPolicy"
    assert list(access.judged(access.auditor("auditor"), RULES)) == []


@pytest.mark.parametrize(
    "change",
    [{"interaction": ["create", "search", "read", "update"]}, {"interaction": ["create"]}, {"resourceType": "*"}],
)
def test_the_doctor_notices_when_it_is_another(change: dict[str, Any]) -> None:
    assert list(access.judged(access.auditor("auditor"), [RULES[0] | change]))


async def test_under_it_records_are_appended_alone_and_in_company_and_can_not_be_changed_or_taken_back() -> None:
    medplum, one = Medplum(), tenant(PROJECT, "one")
    await medplum.start()
    try:
        medplum.add_project(PROJECT, clients(one))
        for client in one.auditors:
            medplum.grant(PROJECT, client.id, *RULES)
        async with httpx.AsyncClient() as http:
            writer = MedplumClient(http, medplum.base_url, [one], LIMIT, 5.0)
            assert await writer.create_once(PROJECT, "alone", AUDIT)
            assert await asyncio.gather(*(writer.create_once(PROJECT, f"{n}", AUDIT) for n in range(3))) == [True] * 3
            event = next(iter(medplum.audit_events(PROJECT)))
            url = f"{medplum.base_url}/fhir/R4/AuditEvent/{event['id']}"
            auditor = clients(one)[1]
            assert (await http.put(url, json=dict(event), auth=auditor)).status_code == 403
            assert (await http.delete(url, auth=auditor)).status_code == 403
            assert (await http.get(f"{medplum.base_url}/fhir/R4/Patient", auth=auditor)).status_code == 403
    finally:
        await medplum.stop()
