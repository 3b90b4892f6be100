"""For whoever runs the service: dead letters, erasures, what Medplum has against what the warehouse has, the graph."""

import argparse
from pathlib import Path

from handlers.commands.given import Commands, from_caller


def add(commands: Commands) -> None:
    """Put them into the parser."""
    _dlq_parser(commands.add_parser("dlq", help="dead letters and quarantine: list, show, plan, replay, purge"))
    _erase_parser(commands.add_parser("erase", help="forget a patient: beyond the door nothing of one is left, proven"))
    for name, what in (
        ("reconcile", "what Medplum has against what the warehouse has; tell of what no webhook told"),
        ("backfill", "tell of everything that is not in the warehouse under today's policy"),
    ):
        _reconcile_parser(commands.add_parser(name, help=what), backfill=name == "backfill")

    graph = commands.add_parser("graph", help="the graph against the warehouse; or the whole graph anew")
    verbs = graph.add_subparsers(dest="verb", required=True, metavar="hash|rebuild")
    for name, what in (
        ("hash", "whether the graph is what the warehouse says"),
        ("rebuild", "clear the graph and write it anew from the warehouse"),
    ):
        verb = verbs.add_parser(name, help=what)
        verb.add_argument("--project", metavar="NAME", help="this tenant alone, by its public name")
    graph.set_defaults(run=_graph)


def _dlq_parser(dlq: argparse.ArgumentParser) -> None:
    verbs = dlq.add_subparsers(dest="verb", required=True, metavar="list|show|plan|replay|approve|cancel|export|purge")
    listing = verbs.add_parser("list", help="one line for each message that lies aside")
    listing.add_argument("--counts", action="store_true", help="how many: by handler, code, age, type, project")
    export = verbs.add_parser("export", help="every record, also of what was replayed or purged")
    export.add_argument("--csv", action="store_true", help="as CSV instead of NDJSON")
    show = verbs.add_parser("show", help="the life of an event: its attempts in every handler, what to do")
    show.add_argument("event", help="the event's id (ce-id)")
    plan = verbs.add_parser("plan", help="a dry run: exactly what would go where, under a hash")
    replay = verbs.add_parser("replay", help="carry a plan out, or go on with it")
    replay.add_argument("plan", nargs="*", help="the plan's hash; or event ids, which make a plan of their own")
    replay.add_argument("--recovered", action="store_true", help="what an outage dead-lettered, if it is over")
    purge = verbs.add_parser("purge", help="throw messages away, without a replay; their records stay")
    for verb in (listing, export, plan, replay, purge):
        verb.add_argument("--code", help="set aside under this code, or ended with it")
        verb.add_argument("--handler", help="of this handler")
        verb.add_argument("--type", help="of this FHIR resource type")
        verb.add_argument("--project", help="of this tenant, by its public name")
        verb.add_argument("--since", help="set aside since then: 2026-11-24T07:00:00Z, or 90m, 2h, 3d ago")
        verb.add_argument("--until", help="set aside before then")
        verb.add_argument("--trace", help="of this trace or correlation id")
    for verb in (listing, export):
        verb.add_argument("--every", action="store_true", help="also what was replayed or purged")
    for verb in (plan, replay, purge):
        verb.add_argument("--limit", type=int, default=0, metavar="N", help="the oldest N alone")
        verb.add_argument("--force", action="store_true", help="also what came back too often")
    for verb in (plan, replay, purge, export):
        verb.add_argument(
            "--reason", required=verb in (plan, purge), help="what was mended, or a ticket; nothing of a patient"
        )
    for verb in (replay, purge):
        verb.add_argument("--per-second", type=float, default=50, metavar="X", help="at most, after half a minute (50)")
        verb.add_argument("--max-failures", type=int, default=10, metavar="N", help="failed or come back: stop (10)")
    approve = verbs.add_parser("approve", help="a second person says yes")
    cancel = verbs.add_parser("cancel", help="give a plan up; one that runs stops at its next message")
    for verb in (approve, cancel):
        verb.add_argument("plan", help="the plan's hash")
    for verb in (plan, replay, purge, approve, cancel, export):
        verb.add_argument("--as", dest="by", metavar="WHO", help="who you are (the name that you are logged in with)")
    verbs.add_parser("plans", help="all plans, newest first")
    dlq.set_defaults(run=_dlq)


def _erase_parser(erase: argparse.ArgumentParser) -> None:
    erase.add_argument("show", nargs="*", metavar="show ORDER", help="the proofs of an order")
    erase.add_argument("--project", metavar="NAME", help="the tenant, by its public name")
    whom = erase.add_mutually_exclusive_group()
    whom.add_argument("--patient", metavar="ID", help="the patient's id in Medplum")
    whom.add_argument("--patient-file", type=Path, metavar="F", help="a file with it: no shell keeps it then")
    erase.add_argument("--reason", metavar="R", help="a ticket; nothing of the patient")
    erase.add_argument("--by", metavar="WHO", help="who orders it")
    erase.add_argument("--dry-run", action="store_true", help="only count what there is")
    erase.add_argument("--wait", type=float, default=120, metavar="S", help="seconds for the proof (120)")
    erase.add_argument("--json", action="store_true", help="NDJSON, a line for each round and dataset")
    erase.set_defaults(run=_erase)


def _reconcile_parser(parser: argparse.ArgumentParser, *, backfill: bool) -> None:
    parser.add_argument("--project", metavar="NAME", help="this tenant alone, by its public name")
    parser.add_argument("--type", action="append", default=[], metavar="T", help="this resource type alone; repeatable")
    parser.add_argument("--histories", action="store_true", help="every older version too: ten points of quota each")
    parser.add_argument("--json", action="store_true", help="a JSON object for each type instead of a table")
    if backfill:
        parser.add_argument("--per-second", type=float, default=0, metavar="X", help="at most so many events a second")
        parser.add_argument(
            "--again", action="store_true", help="from the beginning, not from where the last one came to"
        )
    else:
        parser.add_argument("--recent", action="store_true", help="only what changed since the last time")
        parser.add_argument("--since", metavar="I", help="only what changed since an instant: 2026-11-24T07:00:00Z")
        parser.add_argument("--apply", action="store_true", help="publish what is missing, bury what has vanished")
        parser.add_argument("--allow-deletions", action="store_true", help="bury more than one in a hundred of a type")
    parser.set_defaults(run=_backfill if backfill else _reconcile)


def _dlq(options: argparse.Namespace) -> int:
    from handlers.deadletters.command import run

    return run(options)


def _erase(options: argparse.Namespace) -> int:
    from handlers.erasures.command import run

    return run(options, from_caller(options.patient_file))


def _reconcile(options: argparse.Namespace) -> int:
    from handlers.reconcile.command import run_reconcile

    return run_reconcile(options)


def _backfill(options: argparse.Namespace) -> int:
    from handlers.reconcile.command import run_backfill

    return run_backfill(options)


def _graph(options: argparse.Namespace) -> int:
    from handlers.graph.command import run

    return run(options)
