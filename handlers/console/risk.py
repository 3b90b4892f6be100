"""The last risk report of each dataset, as `./dev risk --publish` left it; ops measures nothing, for it may read no row."""

import asyncio

from msgspec import Struct

from shared.marks import Marks
from shared.risk_reports import Published, last
from shared.settings import Settings


class Risk(Struct, frozen=True):
    """`report` None: nobody has published one. `stale`: it was measured under another policy than today's."""

    tenant: str
    dataset: str
    report: Published | None
    stale: bool


async def reports(marks: Marks, settings: Settings) -> list[Risk]:
    """One for each tenant's dataset. Raises Problem(LEDGER_DOWN)."""
    those = [(tenant, release) for tenant in settings.tenants for release in tenant.releases]
    found = await asyncio.gather(*(last(marks, release.dataset) for _, release in those))
    return [
        Risk(
            tenant.name,
            release.dataset,
            report,
            report is not None and (report.epoch, report.policy) != (tenant.epoch, release.policy),
        )
        for (tenant, release), report in zip(those, found, strict=True)
    ]
