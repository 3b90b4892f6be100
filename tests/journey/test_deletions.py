"""A deletion hides the row; a captured deletion, replayed on something else, does nothing."""

import hashlib
import hmac
from pathlib import Path

import httpx
import pytest

from handlers.demo.stack import PROJECT, embedded
from tests.journey.rest import at_rest, shown

pytestmark = pytest.mark.xdist_group("demo")


async def test_only_a_deletion_that_medplum_confirms_hides_a_row(tmp_path: Path) -> None:
    claims: list[bytes] = []
    async with embedded(
        tmp_path,
        faults=None,
        observe=lambda topic, message: claims.append(message.data) if b'"subscription"' in message.data else None,
    ) as stack:
        patients = [stack.medplum.create(PROJECT, {"resourceType": "Patient", "gender": "other"}) for _ in range(2)]
        await at_rest(stack)
        assert shown(stack) == 2

        stack.medplum.delete(PROJECT, "Patient", str(patients[0]["id"]))
        await at_rest(stack)
        assert shown(stack) == 1
        assert len(claims) == 1

        # What a deletion is signed with is the same for every resource: here it is, for one that is still there.
        secret = stack.tenant.webhooks["clinic-patient"][0].get_secret_value()
        headers = {
            "content-type": "application/fhir+json",
            "x-signature": hmac.new(secret.encode(), b"{}", hashlib.sha256).hexdigest(),
            "x-medplum-deleted-resource": f"Patient/{patients[1]['id']}",
        }
        async with httpx.AsyncClient(trust_env=False) as http:
            url = f"{stack.service.url}/v1/webhooks/medplum/clinic-patient"
            assert (await http.post(url, content=b"{}", headers=headers)).status_code == 204
        await at_rest(stack)
        assert len(claims) == 2, "it was taken for a claim"
        assert shown(stack) == 1, "and it was not believed"
        log = stack.service.log.read_text()
        assert '"code":"not-deleted"' in log
        assert str(patients[1]["id"]) not in log
