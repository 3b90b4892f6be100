"""What this deployment is, and how far reconcile has come: facts, no secrets, no ids of anybody."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

from msgspec import Struct

from handlers.console.pages import View
from shared.marks import Marks
from shared.settings import Settings, Tenant

_KINDS = ("recent", "whole")
_SECRET = "•••"  # noqa: S105 - stands for one
_LONGEST = 120  # characters of a value


class Swept(Struct, frozen=True):
    """How far a type of a tenant was swept; empty where no sweep has set its mark."""

    tenant: str
    type: str
    recent: str
    whole: str


async def reconcile(marks: Marks, settings: Settings, risks: Sequence[object]) -> View:
    """`risks`: of risk.py. Raises Problem(LEDGER_DOWN)."""
    those = [(tenant, type) for tenant in settings.tenants for type in await asyncio.to_thread(_types, tenant)]
    found = [await asyncio.gather(*(marks.get(f"{kind}:{t.name}:{type}") for kind in _KINDS)) for t, type in those]
    rows = [
        Swept(tenant.name, type, recent or "", _instant(whole))
        for (tenant, type), (recent, whole) in zip(those, found, strict=True)
    ]
    swept = [one for one in rows if one.recent or one.whole]
    return View("reconcile.html", {"nav": "reconcile", "rows": swept, "risks": risks})


async def deployment(settings: Settings, version: str, revision: str) -> View:
    """Version, policies, keys by name, settings with their secrets hidden."""
    names = sorted({release.policy for tenant in settings.tenants for release in tenant.releases})
    policies = await asyncio.to_thread(lambda: [(name, _policy(name)) for name in names])
    return View(
        "deployment.html",
        {
            "nav": "deployment",
            "version": version,
            "revision": revision,
            "zone": str(settings.zone),
            "policies": policies,
            "tenants": settings.tenants,
            "settings": _settings(settings),
        },
    )


def _settings(settings: Settings) -> list[tuple[str, str]]:
    """Every setting as it stands. Tenants have a table of their own; who has which role is for whoever sets it."""
    given = settings.model_dump(mode="json", exclude={"tenants", "console_roles"})
    return [(name, _SECRET if value and name.endswith("_key") else _text(value)) for name, value in given.items()]


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))[:_LONGEST]
    return "–" if value in (None, "") else str(value)[:_LONGEST]


@cache
def _policy(name: str) -> str:
    from shared.deid.policy import load

    return load(name).hash


@cache
def _known(policy: str) -> tuple[str, ...]:
    from shared.deid.policy import load

    return tuple(sorted(load(policy).elements.keys() - {"*"}))


def _types(tenant: Tenant) -> Sequence[str]:
    return tenant.types or _known(tenant.policy)


def _instant(seconds: str | None) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="seconds") if seconds else ""
