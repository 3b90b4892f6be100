"""The AccessPolicy that is supplied for the clients that write audit records: they append, and nothing else."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.doctor import access
from shared.events.data import Disclosure
from shared.fhir.client import MedplumClient
from shared.fhir.provenance import provenance, tag_of
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
    for number, rule in enumerate(RULES):
        others = [one for index, one in enumerate(RULES) if index != number]
        assert list(access.judged(access.auditor("auditor"), [*others, rule | change]))
        assert list(access.judged(access.auditor("auditor"), others)), "an auditor without it writes half of the record"


async def _one_for_each_release(writer: MedplumClient, medplum: Medplum) -> None:
    """Twelve at once, and again: one Provenance; and a writer that has seen it does not ask again."""
    to = Disclosure(tenant="clinic", key_id="k1", policy="safe-harbor", policy_hash="b3" * 16)
    other = to.model_copy(update={"policy_hash": "c4" * 16})
    made = provenance(to, datetime(2026, 11, 23, tzinfo=UTC))
    ends = await asyncio.gather(*(writer.create_once(PROJECT, tag_of(to), made) for _ in range(12)))
    assert ends.count(True) == 1
    before = len(medplum.newest(PROJECT, "Provenance", 9))
    assert not await writer.create_once(PROJECT, tag_of(to), made)
    assert await writer.create_once(PROJECT, tag_of(other), provenance(other, datetime(2026, 11, 24, tzinfo=UTC)))
    assert (before, len(medplum.newest(PROJECT, "Provenance", 9))) == (1, 2)


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
            await _one_for_each_release(writer, medplum)
            event = next(iter(medplum.audit_events(PROJECT)))
            url = f"{medplum.base_url}/fhir/R4/AuditEvent/{event['id']}"
            auditor = clients(one)[1]
            assert (await http.put(url, json=dict(event), auth=auditor)).status_code == 403
            assert (await http.delete(url, auth=auditor)).status_code == 403
            [kept, _] = medplum.newest(PROJECT, "Provenance", 2)
            url = f"{medplum.base_url}/fhir/R4/Provenance/{kept['id']}"
            assert (await http.delete(url, auth=auditor)).status_code == 403
            assert (await http.get(f"{medplum.base_url}/fhir/R4/Patient", auth=auditor)).status_code == 403
    finally:
        await medplum.stop()
