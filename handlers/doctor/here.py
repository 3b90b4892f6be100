"""This process: its settings, the signing keys it would check tokens with, and its ledger."""

import os
from collections.abc import AsyncIterator

import httpx

from handlers.doctor.findings import Check, Finding
from shared import egress, startup
from shared.errors import Problem
from shared.ledger.opening import open_ledger
from shared.settings import Settings


async def examined(settings: Settings, http: egress.Client) -> AsyncIterator[Finding]:
    """What would keep the service from starting, or from working once it has."""
    for reason in startup.refusals(settings, os.environ):
        yield Finding(Check.SETTING, reason)
    if not await _has_keys(settings, http):
        yield Finding(Check.KEYS_UNREACHABLE, "STARVIT_JWKS_URL")
    ledger = open_ledger(settings.ledger, project=settings.gcp_project, retention=settings.retention)
    try:
        await ledger.get("doctor")
    except Problem:
        yield Finding(Check.LEDGER_UNREACHABLE, f"ledger {settings.ledger.partition(':')[0]}")
    finally:
        await ledger.close()


async def _has_keys(settings: Settings, http: egress.Client) -> bool:
    try:
        answer = await http.get(settings.jwks_url)
        return answer.status_code == 200 and bool(answer.json().get("keys"))
    except (httpx.HTTPError, Problem, ValueError, AttributeError):
        return False
