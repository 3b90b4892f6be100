"""`./dev reconcile` and `./dev backfill`: what Medplum has against what the warehouse has, and the missing events told.

Without `--apply`, reconcile only reports. Exit 0: nothing is wrong (or, with `--apply`, nothing is left to be looked
at); 1: something is; 2: wrong usage, or settings that can not be read. Names are tenants' and types', never a resource's.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from msgspec import structs
from pydantic import ValidationError

from handlers.deadletters.command import settings as running_settings
from handlers.reconcile.rounds import Rounds
from handlers.reconcile.sweep import Findings
from handlers.reconcile.wiring import opened
from shared.errors import Problem
from shared.settings import Settings

_GOOD, _LEFT, _WRONG_USAGE = 0, 1, 2
_COLUMNS = [name for name in Findings.__struct_fields__ if name not in ("project", "type", "stopped", "failed")]


def run_reconcile(options: argparse.Namespace) -> int:
    """Sweep, and print what was found."""
    if options.since is not None and not _is_instant(options.since):
        print("reconcile: --since is an instant with its zone, as 2026-11-24T07:00:00Z", file=sys.stderr)
        return _WRONG_USAGE

    def sweeps(rounds: Rounds) -> AsyncIterator[Findings]:
        if options.recent or options.since:
            return rounds.recent(options.type, options.since)
        return rounds.whole(options.type, histories=options.histories, allow=options.allow_deletions)

    return _run(options, "reconcile", sweeps, apply=options.apply)


def run_backfill(options: argparse.Namespace) -> int:
    """Tell of all that is not there under today's generation; progress on stderr."""

    async def pages(rounds: Rounds) -> AsyncIterator[Findings]:
        start, before, last = time.monotonic(), 0, None
        async for found in rounds.backfill(options.type, again=options.again, histories=options.histories):
            if last is not None and last is not found:
                before += last.published
                yield last
            last = found
            done = before + found.published
            print(f"\r{found.project} {found.type}: {found.there} seen, {done} told", end="", file=sys.stderr)
            if options.per_second:
                await asyncio.sleep(max(0.0, start + done / options.per_second - time.monotonic()))
        print(file=sys.stderr)
        if last is not None:
            yield last

    return _run(options, "backfill", pages, apply=True)


def _run(
    options: argparse.Namespace, name: str, work: Callable[[Rounds], AsyncIterator[Findings]], *, apply: bool
) -> int:
    try:
        settings = _settings(options.project)
    except (ValidationError, OSError, LookupError):
        print(f"{name}: the settings can not be read, or name no such tenant", file=sys.stderr)
        return _WRONG_USAGE
    try:
        return asyncio.run(_print(settings, work, as_json=options.json, apply=apply))
    except Problem as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        return _LEFT


async def _print(
    settings: Settings, work: Callable[[Rounds], AsyncIterator[Findings]], *, as_json: bool, apply: bool
) -> int:
    left = False
    if not as_json:
        print(f"{'tenant':<16}{'type':<28}" + "".join(f"{name.replace('_', ' '):>11}" for name in _COLUMNS))
    async with opened(settings, apply=apply) as rounds:
        async for found in work(rounds):
            left |= found.stopped or bool(found.failed or found.set_aside or found.hidden) or not (apply or found.clean)
            if as_json:
                print(json.dumps(structs.asdict(found)), flush=True)
            elif found.there or found.rows or found.failed:
                print(_row(found), flush=True)
    return _LEFT if left else _GOOD


def _row(found: Findings) -> str:
    end = "  stopped: too many would go; look, then --allow-deletions" if found.stopped else ""
    end += f"  failed: {found.failed}" if found.failed else ""
    return f"{found.project:<16}{found.type:<28}" + "".join(f"{getattr(found, name):>11}" for name in _COLUMNS) + end


def _settings(project: str | None) -> Settings:
    settings = running_settings()
    if project is None:
        return settings
    tenant = next((tenant for tenant in settings.tenants if tenant.name == project), None)
    if tenant is None:
        raise LookupError
    return settings.model_copy(update={"tenants": (tenant,)})


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
