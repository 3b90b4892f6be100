"""What no webhook told of arrives by itself once reconcile has run: over the real service, and from the command line."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.demo.service import environment_of
from handlers.demo.stack import PROJECT, UNTOLD, Stack, embedded

pytestmark = pytest.mark.xdist_group("demo")
_CANARY = "Canarymember"
_COVERAGE = {
    "resourceType": UNTOLD,
    "status": "active",
    "subscriberId": _CANARY,
    "beneficiary": {"display": _CANARY},
    "payor": [{"display": _CANARY}],
}


async def test_what_no_webhook_told_of_arrives_and_what_was_deleted_in_silence_goes(tmp_path: Path) -> None:
    messages: list[bytes] = []
    async with embedded(
        tmp_path, faults=None, observe=lambda _, message: messages.append(message.data), settle=0
    ) as stack:
        made = [stack.medplum.create(PROJECT, _COVERAGE) for _ in range(5)]
        report = await _command(stack, "reconcile", "--type", UNTOLD)
        assert (report["missing"], report["published"]) == (5, 0)
        assert not _there(stack)

        async with httpx.AsyncClient() as http:
            assert (await http.post(stack.settings.reconcile_url)).status_code == 401
            wrong = {"authorization": f"Bearer {_token(stack, 'deid')}"}
            assert (await http.post(stack.settings.reconcile_url, headers=wrong)).status_code == 403
            right = {"authorization": f"Bearer {_token(stack, 'reconcile')}"}
            assert (await http.post(stack.settings.reconcile_url, headers=right, timeout=30)).status_code == 204
        await _until(stack, 5)

        stack.medplum.delete(PROJECT, UNTOLD, str(made[0]["id"]))
        report = await _command(stack, "reconcile", "--type", UNTOLD, "--apply")
        assert (report["extra"], report["missing"], report["stopped"]) == (1, 0, False)
        await _until(stack, 4)
        assert await _command(stack, "backfill", "--type", UNTOLD) | {"there": 4, "published": 0} == await _command(
            stack, "backfill", "--type", UNTOLD, "--again"
        )
        assert _CANARY.encode() not in b"".join([*messages, stack.service.log.read_bytes()])
        searches = [json.loads(data) for data in messages if b'"action":"search"' in data]
        assert searches
        assert all(act["id"] is None for one in searches for act in one["acts"])


async def _command(stack: Stack, *arguments: str) -> dict[str, Any]:
    """What a command says, which runs as operators run it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "handlers.cli", *arguments, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment_of(stack.settings)},
    )
    out, error = await process.communicate()
    assert process.returncode in (0, 1), error.decode()
    found: dict[str, Any] = json.loads(out)
    return found


async def _until(stack: Stack, number: int) -> None:
    async with asyncio.timeout(30):
        while _there(stack) != number:
            await asyncio.sleep(0.1)


def _there(stack: Stack) -> int:
    view = f"`{stack.settings.gcp_project}.clinic.resources`"
    [[count]] = stack.warehouse.rows(f"SELECT COUNT(*) FROM {view} WHERE resource_type = '{UNTOLD}'")
    return int(count)


def _token(stack: Stack, handler: str) -> str:
    return stack.issuer.token(stack.settings.account(handler), stack.settings.reconcile_url)
