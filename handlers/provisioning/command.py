"""`./dev provision`: the difference on stdout, for people or as NDJSON; with `--apply` it is mended.

    + create   ~ change   ! refused, with the way to do it   ? extra, nobody here wants it   . not to be seen here

Exit 0: nothing is to be done, or all of it was, or (without `--apply`) this is the difference; 1: something is refused;
2: wrong usage. Without `--apply` nothing is changed, without `--delete NAME` nothing deleted.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter

from msgspec import structs
from pydantic import ValidationError
from pydantic_settings import SettingsError

from handlers.deadletters.command import settings as running_settings
from handlers.provisioning.areas import NAMES, opened
from handlers.provisioning.changes import Act, Change
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.iam import HERE
from handlers.provisioning.run import run as run_areas
from shared.settings import Settings

_GOOD, _REFUSED, _WRONG_USAGE = 0, 1, 2
_SIGNS = {Act.CREATE: "+", Act.CHANGE: "~", Act.REFUSED: "!", Act.EXTRA: "?", Act.UNSEEN: ".", Act.KEEP: "="}


def run(options: argparse.Namespace) -> int:
    """Look, and mend if asked."""
    only = options.only.split(",") if options.only else []
    if unknown := sorted(set(only) - set(NAMES)):
        return _wrong(f"--only knows {', '.join(NAMES)}; not {', '.join(unknown)}")
    if options.delete and not options.apply:
        return _wrong("--delete deletes, and so needs --apply")
    try:
        settings, deployment = described()
    except (ValidationError, SettingsError, OSError):
        return _wrong("the settings can not be read")
    if refusal := deployment.refusal(settings):
        return _wrong(refusal)
    return asyncio.run(_print(settings, deployment, only, options))


def described() -> tuple[Settings, Deployment]:
    """The settings, and what only operators ask. Raises ValidationError, SettingsError, OSError."""
    return running_settings(), Deployment()


async def _print(settings: Settings, deployment: Deployment, only: list[str], options: argparse.Namespace) -> int:
    counts: Counter[str] = Counter()
    absent: Counter[str] = Counter()
    named = set(options.delete)
    async with opened(settings, deployment, only) as areas:
        async for change in run_areas(areas, apply=options.apply, delete=options.delete):
            counts["done" if change.done else change.act] += 1
            named.discard(change.name)
            if options.json:
                print(json.dumps(structs.asdict(change)), flush=True)
            elif change.how == HERE:
                absent[change.kind] += 1
            elif change.act is not Act.KEEP:
                print(_line(change), flush=True)
    if not options.json:
        if absent:
            print(f". {HERE}, and so not looked at: {', '.join(map(_counted, absent.items()))}")
        print(_sum(counts, apply=options.apply))
    for name in sorted(named):
        print(f"provision: nothing here is called {name}", file=sys.stderr)
    return _REFUSED if counts[Act.REFUSED] or named else _GOOD


def _line(change: Change) -> str:
    fields = "; ".join(f"{name}: {_shown(found)} → {_shown(wanted)}" for name, (found, wanted) in change.fields.items())
    rest = " - ".join(part for part in (fields, change.how) if part)
    done = " [done]" if change.done else ""
    return f"{_SIGNS[change.act]} {change.kind:<13}{change.name}{done}{'  ' if rest else ''}{rest}"


def _counted(absent: tuple[str, int]) -> str:
    kind, count = absent
    return f"{count} {kind}{'' if count == 1 else 's'}"


def _shown(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _sum(counts: Counter[str], *, apply: bool) -> str:
    said = ", ".join(f"{count} {act}" for act, count in sorted(counts.items()))
    to_do = counts[Act.CREATE] + counts[Act.CHANGE]
    return f"{said or 'nothing is wanted'}{'' if apply or not to_do else '; nothing was changed: --apply does it'}"


def _wrong(text: str) -> int:
    print(f"provision: {text}", file=sys.stderr)
    return _WRONG_USAGE
