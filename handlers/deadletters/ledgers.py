"""Both zones' ledgers, as ops reads them, and the one arrow that an operator may make: POISON → RETRY."""

from msgspec import Struct

from handlers import catalog
from shared.deadletters.port import Entry
from shared.errors import Code
from shared.ledger.opening import open_ledger
from shared.ledger.port import FINAL, Ledger, Record
from shared.settings import Settings, Zone


class Ledgers(Struct, frozen=True):
    """`clinical` and `analytics` are one on one machine."""

    clinical: Ledger
    analytics: Ledger

    async def reopen(self, entry: Entry, now: float) -> bool:
        """Whether the key was POISON and may be worked on again. A DONE one never is."""
        return await self._of(entry.handler).reopen(entry.key, now=now)

    async def get(self, handler: str, event: str) -> Record | None:
        """What is known of an event's key."""
        return await self._of(handler).get(f"{handler}:{event}")

    async def last_code(self, entry: Entry) -> str:
        """The code that the event's last attempt ended with: why Pub/Sub gave up. Empty where the ledger knows of none."""
        record = await self.get(entry.handler, entry.event or "")
        slugs = {code.slug for code in Code}
        return next((one.outcome for one in reversed(record.attempts if record else ()) if one.outcome in slugs), "")

    async def ended(self, entry: Entry) -> float | None:
        """When the event's work came to an end, be it good or bad; None while it has none."""
        record = await self.get(entry.handler, entry.event or "")
        return record.until if record and record.state in FINAL else None

    async def close(self) -> None:
        await self.clinical.close()
        if self.analytics is not self.clinical:
            await self.analytics.close()

    def _of(self, handler: str) -> Ledger:
        zone = next((on.zone for on in catalog.subscriptions() if on.handler == handler), Zone.CLINICAL)
        return self.analytics if zone is Zone.ANALYTICS else self.clinical


def open_ledgers(settings: Settings) -> Ledgers:
    """The ledgers that the settings name. Touches no store yet."""
    first = open_ledger(settings.ledger, project=settings.gcp_project, retention=settings.retention)
    if not settings.ledger_analytics:
        return Ledgers(first, first)
    second = open_ledger(settings.ledger_analytics, project=settings.gcp_project, retention=settings.retention)
    return Ledgers(first, second)
