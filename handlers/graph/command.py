"""`./dev graph hash` and `./dev graph rebuild`: whether the graph is what the warehouse says, and the way to make it so.

One JSON object for each dataset. Exit 0: they are equal; 1: they are not, or a dependency did not answer; 2: wrong usage,
or settings that can not be read.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator

from pydantic import ValidationError

from handlers.deadletters.command import settings as running_settings
from handlers.graph.rebuild import rebuild, wanted
from handlers.graph.wiring import Parts, alone
from shared.errors import Problem
from shared.graph.canonical import Canonical, canonical
from shared.settings import Settings

_GOOD, _BAD, _WRONG_USAGE = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    """One of the two verbs, for all datasets or those of one tenant."""
    try:
        settings = running_settings()
    except (ValidationError, OSError):
        print("graph: the settings can not be read", file=sys.stderr)
        return _WRONG_USAGE
    datasets = list(_datasets(settings, options.project))
    if not settings.tigergraph_url or not datasets:
        print("graph: the settings name no graph, or no such tenant", file=sys.stderr)
        return _WRONG_USAGE
    try:
        return asyncio.run(_run(settings, datasets, anew=options.verb == "rebuild"))
    except Problem as problem:
        print(f"graph: {problem}", file=sys.stderr)
        return _BAD


async def _run(settings: Settings, datasets: list[tuple[str, str]], *, anew: bool) -> int:
    equal = True
    async with alone(settings) as parts:
        for of in datasets:
            if anew:
                await rebuild(parts.changes, parts.graph, parts.drawing, parts.settled, *of)
            equal &= await _compare(parts, *of)
    return _GOOD if equal else _BAD


async def _compare(parts: Parts, project: str, key_id: str) -> bool:
    shown = await canonical(parts.graph.vertices(project, key_id))
    should = await wanted(parts.changes, parts.drawing, project, key_id)
    equal = shown.hash == should.hash
    line = {"project": project, "key_id": key_id, "equal": equal, "graph": _told(shown), "warehouse": _told(should)}
    print(json.dumps(line), flush=True)
    return equal


def _told(counted: Canonical) -> dict[str, object]:
    return {"vertices": counted.vertices, "edges": counted.edges, "hash": counted.hash}


def _datasets(settings: Settings, project: str | None) -> Iterator[tuple[str, str]]:
    for tenant in settings.tenants:
        if project in (None, tenant.name):
            yield from ((tenant.name, release.key_id) for release in tenant.releases)
