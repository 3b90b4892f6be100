"""The console with its ports: it reads what all zones tell of themselves, and acts at the operators' desk alone."""

import time
from contextlib import AsyncExitStack

from msgspec import Struct

from handlers.console.people import People
from handlers.deadletters.desk import Desk
from shared import egress
from shared.identity.keys import SigningKeys
from shared.identity.people import IAP_ISSUER, IAP_LONGEST, OIDC_LONGEST, PersonTokens
from shared.marks import Marks, open_marks
from shared.settings import Settings
from shared.telemetry.metrics_store import MetricsStore, open_metrics


class Console(Struct, frozen=True):
    """What the pages work with."""

    settings: Settings
    people: People
    desk: Desk
    stores: tuple[MetricsStore, ...]
    marks: Marks
    reports: Marks  # beside the analytics zone's ledger: what was published of risk


async def open_console(
    settings: Settings, stack: AsyncExitStack, http: egress.Client, keys: SigningKeys, desk: Desk
) -> Console | None:
    """The stack closes it. None where nobody has a role: then there is no console."""
    if not settings.console_roles:
        return None
    ledgers = dict.fromkeys((settings.ledger, settings.ledger_beyond))
    stores = tuple(open_metrics(ledger, project=settings.gcp_project) for ledger in ledgers)
    for store in stores:
        stack.push_async_callback(store.close)
    marks = open_marks(settings.ledger, project=settings.gcp_project)
    stack.push_async_callback(marks.close)
    reports = open_marks(settings.ledger_beyond, project=settings.gcp_project)
    stack.push_async_callback(reports.close)
    return Console(settings, await _people(settings, stack, http, keys, desk), desk, stores, marks, reports)


async def _people(
    settings: Settings, stack: AsyncExitStack, http: egress.Client, keys: SigningKeys, desk: Desk
) -> People:
    proxy = tokens = logins = None
    if settings.console_audience:
        proxy_keys = SigningKeys(settings.console_keys_url, http, time.time, "ES256")
        await proxy_keys.start()
        stack.push_async_callback(proxy_keys.stop)
        proxy = PersonTokens(proxy_keys, {IAP_ISSUER}, settings.console_audience, IAP_LONGEST, time.time)
    if settings.local:
        tokens, logins = (
            PersonTokens(keys, settings.oidc_issuers, audience, OIDC_LONGEST, time.time, verified=True)
            for audience in (f"{settings.console_origin}/ops", f"{settings.console_origin}/ops/login")
        )
    return People(settings, time.time, desk.ledgers.clinical, proxy, tokens, logins)
