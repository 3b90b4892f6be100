"""`./dev dlq …`: NDJSON out, no PHI in it.

list                     each message that lies aside: code, handler, event id, keyed hash of the resource, times; or --counts
show EVENT               the life of one event: every handler's attempts, what its code means and what to do
plan                     a dry run: one line for each message that would go, and the hash that names the plan
replay PLAN              carry a plan out, or go on with it: POISON → RETRY, publish, write down, take away
replay EVENT… | --code | --handler     a plan of those, carried out at once; --recovered: what an outage left
approve PLAN --as WHO · cancel PLAN · plans · purge
export [--csv] [--reason R]             every record, for others; told to the record of each tenant in it
"""

import argparse
import asyncio
import csv
import getpass
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from copy import replace
from pathlib import Path

import msgspec

from handlers.deadletters.choosing import Filter, moment
from handlers.deadletters.desk import Desk
from handlers.deadletters.exporting import WITHOUT_REASON
from handlers.deadletters.running import Pace
from handlers.deadletters.wiring import opened
from shared.deadletters.port import Entry, Plan, Stage
from shared.errors import Problem
from shared.settings import Settings

# Where a demo that was left running says how to reach its parts.
RUNNING_DEMO = Path(__file__).resolve().parents[2] / ".starvit" / "demo.json"
_GOOD, _REFUSED, _WRONG_USAGE = 0, 1, 2
_FILTERS = ("code", "handler", "type", "project", "trace", "since", "until")
_OLD_REASON = "replayed by name"


def run(options: argparse.Namespace) -> int:
    """Run one verb; 0 = done, 1 = nothing found or something refused, 2 = wrong usage."""
    verbs: dict[str, Callable[[Desk, argparse.Namespace], Awaitable[int]]] = {
        "list": _list,
        "show": _show,
        "plan": _plan,
        "plans": _plans,
        "replay": _replay,
        "approve": _approve,
        "cancel": _cancel,
        "export": _export,
        "purge": _purge,
    }
    try:
        chosen = _filter(options)
    except ValueError:
        print("dlq: a time is 2026-11-24T07:00:00Z, or an age as 90m, 2h, 3d", file=sys.stderr)
        return _WRONG_USAGE
    if options.verb == "purge" and not chosen.given():
        print("dlq purge: say which: --code, --handler, --until, …", file=sys.stderr)
        return _WRONG_USAGE
    if options.verb == "replay" and not (options.plan or options.recovered or chosen.given()):
        print("dlq replay: name a plan; or events, or --code, or --handler", file=sys.stderr)
        return _WRONG_USAGE
    try:
        return asyncio.run(_at_the_desk(verbs[options.verb], options))
    except Problem as problem:
        _say({"error": {"code": problem.code.slug, "path": problem.at, "text": problem.code.value.text}})
        return _REFUSED
    except BrokenPipeError:  # `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _GOOD


async def _at_the_desk(verb: Callable[[Desk, argparse.Namespace], Awaitable[int]], options: argparse.Namespace) -> int:
    async with opened(settings()) as desk:
        return await verb(desk, options)


def settings() -> Settings:
    """The environment's settings; or those of the demo that was left running on this machine."""
    if "STARVIT_LEDGER" not in os.environ and RUNNING_DEMO.exists():
        for name, value in json.loads(RUNNING_DEMO.read_text()).items():
            os.environ.setdefault(name, value)
    return Settings()


async def _list(desk: Desk, options: argparse.Namespace) -> int:
    if options.counts:
        _say(await desk.counts())
        return _GOOD
    await _lines(desk, options)
    return _GOOD


async def _export(desk: Desk, options: argparse.Namespace) -> int:
    """Everything that the index has, moved messages too; each tenant in it gets an account of the copy."""
    write = _table() if options.csv else _say_all
    async with aclosing(desk.export(_filter(options), _who(options), options.reason or WITHOUT_REASON)) as pages:
        async for page in pages:
            write(page)
    return _GOOD


def _table() -> Callable[[list[Entry]], None]:
    """Writes pages as CSV, after its header."""
    names = list(Entry.__struct_fields__)
    writer = csv.writer(sys.stdout)
    writer.writerow(names)
    return lambda page: writer.writerows([getattr(one, name) for name in names] for one in page)


async def _lines(desk: Desk, options: argparse.Namespace) -> None:
    chosen = _filter(options)
    if not chosen.given():  # as they are stored
        async for texts in desk.all_texts(every=options.every):
            _write("\n".join([*texts, ""]).encode())
        return
    async for page in desk.all_records(every=options.every):
        _say_all([one for one in page if chosen.matches(one)])


async def _show(desk: Desk, options: argparse.Namespace) -> int:
    life = await desk.event(options.event)
    if life is None:
        return _REFUSED
    _say(life)
    return _GOOD


async def _plan(desk: Desk, options: argparse.Namespace) -> int:
    plan = await desk.plan(_filter(options), options.reason, _who(options), limit=options.limit, force=options.force)
    async for page in desk.all_records(plan=plan.id):
        for one in page:
            _say(_line(one, "planned"))
    _say({"plan": plan.id, "messages": plan.messages, "events": plan.events, "projects": plan.projects})
    return _GOOD


async def _plans(desk: Desk, _: argparse.Namespace) -> int:
    for plan in await desk.plans():
        _say(plan)
    return _GOOD


async def _approve(desk: Desk, options: argparse.Namespace) -> int:
    _say(await desk.approve(options.plan, _who(options)))
    return _GOOD


async def _cancel(desk: Desk, options: argparse.Namespace) -> int:
    _say(await desk.cancel(options.plan, _who(options)))
    return _GOOD


async def _replay(desk: Desk, options: argparse.Namespace) -> int:
    if options.recovered:
        plans = await desk.recovered(_pace(options))
        for plan in plans:
            _say(plan)
        return _GOOD if all(plan.stage is Stage.DONE for plan in plans) else _REFUSED
    id = options.plan[0] if len(options.plan) == 1 and not await _is_event(desk, options.plan[0]) else ""
    if not id:
        named = replace(_filter(options), events=tuple(options.plan))
        reason = options.reason or _OLD_REASON
        id = (await desk.plan(named, reason, _who(options), limit=options.limit, force=options.force)).id
    return await _carry_out(desk, id, options)


async def _is_event(desk: Desk, name: str) -> bool:
    return bool(await desk.index.of_event(name))


async def _purge(desk: Desk, options: argparse.Namespace) -> int:
    made = await desk.plan(_filter(options), options.reason, _who(options), action="purge", limit=options.limit)
    return await _carry_out(desk, made.id, options)


async def _carry_out(desk: Desk, id: str, options: argparse.Namespace) -> int:
    """Until the end, or until Ctrl-C, which lets the message in hand end first."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM) if _is_main_thread() else ()
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    try:
        plan = await desk.run(id, _pace(options), stop=stopped.is_set, watch=_progress)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    async for page in desk.all_records(plan=plan.id):
        for one in page:
            _say(_line(one, one.state.value))
    _say({"plan": plan.id, "stage": plan.stage, "messages": plan.messages, "done": plan.done, "why": plan.why})
    return _GOOD if plan.stage is Stage.DONE else _REFUSED


def _is_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()


def _progress(plan: Plan) -> None:
    if sys.stderr.isatty():
        left = f"{plan.failed} failed, {plan.returned} came back"
        print(f"\r{plan.done} of {plan.messages} moved, {left}   ", end="", file=sys.stderr, flush=True)


def _pace(options: argparse.Namespace) -> Pace:
    return Pace(options.per_second, options.max_failures)


def _filter(options: argparse.Namespace) -> Filter:
    """Raises ValueError for a time that is none."""
    given: dict[str, str] = {name: getattr(options, name, None) or "" for name in _FILTERS}
    since, until = (moment(given[name], time.time()) if given[name] else "" for name in ("since", "until"))
    return Filter(
        code=given["code"],
        handler=given["handler"],
        type=given["type"],
        project=given["project"],
        trace=given["trace"],
        since=since,
        until=until,
    )


def _who(options: argparse.Namespace) -> str:
    return str(options.by or getpass.getuser())


def _line(one: Entry, outcome: str) -> dict[str, object]:
    return {
        "event": one.event,
        "handler": one.handler,
        "code": one.code,
        "topic": one.origin,
        "from": one.topic,
        "message": one.message,
        "outcome": outcome,
    }


def _say(line: object) -> None:
    _write(msgspec.json.encode(line) + b"\n")


def _say_all(page: list[Entry]) -> None:
    _write(msgspec.json.Encoder().encode_lines(page))


def _write(lines: bytes) -> None:
    sys.stdout.write(lines.decode())
    sys.stdout.flush()
