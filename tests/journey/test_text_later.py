"""While DLP is down a row flows without its text; when DLP is back the text comes by itself, and wins."""

import asyncio
from pathlib import Path

import pytest

from handlers.demo.stack import PROJECT, Stack, embedded
from shared.local.dlp import LocalDlp
from tests.journey.rest import at_rest

pytestmark = pytest.mark.xdist_group("demo")

NOTE = "Canaryfamily slept well. Her aunt Chioma came. Call Ada Okello later."


async def test_an_outage_of_dlp_delays_the_text_and_nothing_else(tmp_path: Path) -> None:
    dlp = LocalDlp()
    endpoint = await dlp.start()
    messages: list[bytes] = []
    try:
        async with embedded(
            tmp_path,
            faults=None,
            observe=lambda _, message: messages.append(message.data),
            text="dlp",
            dlp_endpoint=endpoint,
        ) as stack:
            patient = stack.medplum.create(
                PROJECT, {"resourceType": "Patient", "gender": "female", "name": [{"family": "Canaryfamily"}]}
            )
            await at_rest(stack)

            dlp.fail("down", times=2)
            about = {"reference": f"Patient/{patient['id']}"}
            condition = {"resourceType": "Condition", "subject": about, "note": [{"text": NOTE}]}
            stack.medplum.create(PROJECT, condition)
            async with asyncio.timeout(60):
                while "[NAME] slept well" not in _condition(stack):
                    await asyncio.sleep(0.2)
            assert "text-withheld" not in _condition(stack)
            log = stack.warehouse.rows(
                f"SELECT TO_JSON_STRING(resource), generation FROM `{stack.settings.gcp_project}.clinic.change_log`"
                " WHERE resource_type = 'Condition' ORDER BY generation"
            )
            assert ["text-withheld" in row[0] for row in log] == [True, False], "first without its text, then with it"
            asked = [row.values[0].string_value for request in dlp.requests for row in request.item.table.rows]
            assert asked
            everything = b"".join([*messages, stack.service.log.read_bytes(), *(text.encode() for text in asked)])
            assert b"Canary" not in everything
            assert b"Chioma" not in everything
    finally:
        await dlp.stop()


def _condition(stack: Stack) -> str:
    rows = stack.warehouse.rows(
        f"SELECT TO_JSON_STRING(resource) FROM `{stack.settings.gcp_project}.clinic.resources` WHERE resource_type = 'Condition'"
    )
    return str(rows[0][0]) if rows else ""
