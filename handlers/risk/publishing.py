"""What of a report operators may see: no class by its size, and no figure of fewer than eleven people.

Report ─► [this] ─► shared/risk_reports.py ─► /ops
"""

from datetime import UTC, datetime

from handlers.risk.report import Report
from shared.deid.risk import Measure
from shared.marks import open_marks
from shared.risk_reports import CELL, Figures, Published, publish
from shared.settings import Settings, Tenant


def published(report: Report, tenant: Tenant, dataset: str, at: datetime) -> Published:
    """The report of one of the tenant's datasets, without small cells."""
    gate = report.gate
    [release] = [one for one in tenant.releases if one.dataset == dataset]
    return Published(
        dataset=dataset,
        at=at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        policy=release.policy,
        epoch=tenant.epoch,
        max_unique=gate.max_unique,
        max_small=gate.max_small,
        min_k=gate.min_k,
        sets=tuple(_figures(id, of) for id, of in report.measures.items()),
        outside=tuple((id, breach.figure) for id, breach in report.breaches),
    )


async def keep(report: Report, settings: Settings, dataset: str) -> None:
    """Write it where the ops zone reads. Raises Problem(LEDGER_DOWN)."""
    [tenant] = [one for one in settings.tenants if dataset in {release.dataset for release in one.releases}]
    marks = open_marks(settings.ledger_beyond, project=settings.gcp_project)
    try:
        await publish(marks, published(report, tenant, dataset, datetime.now(UTC)))
    finally:
        await marks.close()


def _figures(id: str, of: Measure) -> Figures:
    return Figures(
        set=id,
        patients=_cell(of.patients),
        smallest=_cell(of.k),
        alone=_share(of.unique, of.patients),
        small=_share(of.small, of.patients),
        average_risk=of.average_risk,
    )


def _cell(people: int) -> int | None:
    return None if 0 < people < CELL else people


def _share(share: float, patients: int) -> float | None:
    """None if it is of one to ten patients: with their number it would say how many they are."""
    return None if _cell(round(share * patients)) is None else share
