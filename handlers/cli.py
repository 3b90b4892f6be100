"""The command line: `./dev <command>`. Each command's own story is told where it is imported from.

Ends 0 = all good, 1 = some refused, or the demo failed, 2 = wrong usage.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCHES = (
    *(
        "start",
        "deid",
        "text",
        "dlp",
        "utility",
        "ledger",
        "simulate",
        "model",
        "reconcile",
        "views",
        "validate",
        "deadletters",
        "console",
    ),
    *("load", "push", "webhook", "rates", "blocking"),
    *("attacks", "fuzz", "canary", "telemetry", "cdc", "graph", "image", "rules", "scale"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    return int(options.run(options) or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev", description="Starvit event services: one door for all that one does here."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")

    demo = commands.add_parser("demo", help="the main job end to end, on this machine, judged")
    demo.add_argument("--events", type=_count, default=300, metavar="N", help="how many writes the clinic does (300)")
    demo.add_argument("--faults", action="store_true", help="drop, double, delay and reorder deliveries; kill a worker")
    demo.add_argument("--rate", type=float, metavar="N", help="N changes a second, instead of as many as are taken in")
    demo.add_argument("--kill", type=float, metavar="SECONDS", help="kill -9 a worker every so many seconds")
    demo.add_argument(
        "--plant", choices=("lost", "duplicated", "leaked"), help="make one on purpose: the demo must fail"
    )
    demo.add_argument("--json", type=Path, metavar="FILE", help="write the summary there as JSON")
    demo.add_argument("--serve", action="store_true", help="leave everything running until Ctrl-C")
    demo.set_defaults(run=_demo)

    test = commands.add_parser("test", help="everything that CI checks: format, types, walls, tests")
    test.add_argument("rest", nargs=argparse.REMAINDER, help="passed to pytest; then only the tests run")
    test.set_defaults(run=_test)

    serve = commands.add_parser("serve", help="the service alone, from settings in the environment")
    serve.set_defaults(run=_serve)

    deid = commands.add_parser("deid", help="NDJSON resources in, de-identified resources out")
    deid.add_argument("--policy", required=True, choices=("safe-harbor", "expert"))
    deid.add_argument("--text", choices=("local", "withhold"), default="withhold", help="what becomes of free text")
    deid.add_argument("--key-file", type=Path, metavar="F", help="the pseudonym key: 32 bytes or more, in hex")
    deid.set_defaults(run=_deid)

    deid_text = commands.add_parser(
        "deid-text", help="NDJSON notes in, each with its patient; scrubbed text and spans out"
    )
    deid_text.set_defaults(run=_deid_text)

    validate = commands.add_parser("validate", help="NDJSON resources in, one OperationOutcome a line out")
    validate.add_argument("file", nargs="?", type=Path, metavar="FILE", help="NDJSON; without it, stdin")
    which = validate.add_mutually_exclusive_group()
    which.add_argument(
        "--rules", choices=("none", "default", "us-core"), default="default", help="our rules beyond R4 (default)"
    )
    which.add_argument("--no-rules", dest="rules", action="store_const", const="none", help="R4 alone")
    validate.set_defaults(run=_validate)

    views = commands.add_parser("views", help="views over resources (SQL-on-FHIR): run one, judge them by a test suite")
    _views_parser(views)

    risk = commands.add_parser("risk", help="how easily the patients of a de-identified data set could be told apart")
    _risk_parser(risk)

    dlq = commands.add_parser("dlq", help="dead letters and quarantine: list, show, plan, replay, purge")
    _dlq_parser(dlq)

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
    _provision_parser(commands.add_parser("provision", help="what the catalog wants against what the cloud has"))
    _doctor_parser(commands.add_parser("doctor", help="what is wrong with this deployment or a Medplum project"))

    bench = commands.add_parser(
        "bench",
        help=f"figures, each measured in this run: {', '.join(BENCHES)}",
    )
    bench.add_argument(
        "name",
        nargs="?",
        choices=BENCHES,
        default="start",
    )
    bench.add_argument(
        "--examples", type=Path, metavar="D", help="deid, utility, validate: HL7's R4 examples, unpacked"
    )
    bench.add_argument(
        "--peers", action="store_true", help="text, views, push: beside other tools, installed into .peers"
    )
    bench.add_argument("--seeds", type=int, metavar="N", help="simulate: so many days")
    bench.add_argument("--inputs", type=int, metavar="N", help="fuzz, validate: so many requests or documents")
    bench.add_argument("--json", action="store_true", help="as JSON instead of a table")
    bench.set_defaults(run=_bench)

    audit = commands.add_parser("audit", help="the locked packages: their licences, and what is known against them")
    audit.add_argument("--strict", action="store_true", help="fail if vulnerabilities can not be looked up")
    audit.set_defaults(run=_audit)

    smoke = commands.add_parser("smoke", help="what answers at this URL, from outside: health, shut doors, headers")
    smoke.add_argument("url", metavar="URL")
    smoke.add_argument("--zone", choices=("ingress", "clinical", "analytics", "ops", "all"), default="all")
    smoke.add_argument("--identity", action="store_true", help="with this machine's service account's token")
    smoke.set_defaults(run=_smoke)

    release = commands.add_parser("release", help="for the build: scan an image, deploy it by steps, go back")
    release.add_argument("verb", choices=("deploy", "scan", "print"))
    release.add_argument("--commit", default="unknown", help="names the revisions")
    release.add_argument("--look", type=float, default=15, metavar="S", help="seconds between two looks at the numbers")
    release.add_argument(
        "--patience", type=float, default=300, metavar="S", help="seconds that a quiet zone is watched"
    )
    release.set_defaults(run=_release)

    openapi = commands.add_parser("openapi", help="write the OpenAPI contract to schemas/openapi/v1.json")
    openapi.add_argument("--release", action="store_true", help="this is what is promised from now on")
    openapi.set_defaults(run=_openapi)

    events = commands.add_parser("events", help="write the events' schemas to schemas/events and schemas/asyncapi.json")
    events.add_argument("--release", action="store_true", help="this is what is promised from now on")
    events.set_defaults(run=_events)
    return parser


def _views_parser(views: argparse.ArgumentParser) -> None:
    verbs = views.add_subparsers(dest="verb", required=True, metavar="run|report")
    run = verbs.add_parser("run", help="NDJSON resources in, the rows of a view out")
    run.add_argument("view", type=Path, metavar="VIEW.json", help="a ViewDefinition")
    report = verbs.add_parser("report", help="a SQL-on-FHIR test suite judged, in the suite's own form")
    report.add_argument("--suite", type=Path, required=True, metavar="DIR", help="the folder of its JSON files")
    report.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the report goes")
    views.set_defaults(run=_views)


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


def _provision_parser(provision: argparse.ArgumentParser) -> None:
    provision.add_argument("--apply", action="store_true", help="create and change; without it, only the difference")
    provision.add_argument("--only", metavar="A,B", help="pubsub, bigquery, firestore, iam, scheduler, monitoring")
    provision.add_argument(
        "--delete", action="append", default=[], metavar="NAME", help="delete this one, if nobody wants it; repeatable"
    )
    provision.add_argument("--json", action="store_true", help="NDJSON, a line for each thing, instead of a list")
    provision.set_defaults(run=_provision)


def _doctor_parser(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument("--project", metavar="NAME", help="this tenant alone, by its public name")
    doctor.add_argument(
        "--fix-subscription", metavar="TYPE", help="write a correct Medplum Subscription for a resource type"
    )
    doctor.add_argument("--webhook", metavar="NAME", help="with --fix-subscription: which of the tenant's webhooks")
    doctor.add_argument("--apply", action="store_true", help="with --fix-subscription: write it, not only show it")
    doctor.add_argument("--json", action="store_true", help="NDJSON, a line for each finding, instead of a list")
    doctor.set_defaults(run=_doctor)


def _risk_parser(risk: argparse.ArgumentParser) -> None:
    source = risk.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", metavar="D", help="the dataset of a tenant, counted in the warehouse")
    source.add_argument("--ndjson", action="store_true", help="what ./dev deid wrote, on stdin")
    risk.add_argument("--endpoint", metavar="URL", help="REST of a local warehouse (else $BIGQUERY_EMULATOR_HOST)")
    risk.add_argument(
        "--set", action="append", metavar="ID", help="only this set of schemas/deid/risk.toml; repeatable"
    )
    risk.add_argument("--max-unique", type=_share, metavar="X", help="the most patients alone in their class, 0 to 1")
    risk.add_argument("--max-small", type=_share, metavar="X", help="the most patients in classes under 11, 0 to 1")
    risk.add_argument("--min-k", type=_count, metavar="N", help="the least size of a class")
    risk.add_argument("--publish", action="store_true", help="show operators the report, without figures of under 11")
    risk.add_argument("--json", action="store_true", help="as JSON instead of a table")
    risk.set_defaults(run=_risk)


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return number


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError("must be between 1 and 1000000")
    return number


def _demo(options: argparse.Namespace) -> int:
    try:
        from handlers.demo.command import run
    except ModuleNotFoundError as missing:
        print(f"./dev demo needs the embedded parts, which the image does not have ({missing.name})", file=sys.stderr)
        return 2
    return run(
        options.events,
        faults=options.faults,
        kill_every=options.kill,
        rate=options.rate,
        plant=options.plant,
        json_file=_from_caller(options.json),
        serve=options.serve,
    )


def _test(options: argparse.Namespace) -> int:
    from handlers.checks import run

    return run(ROOT, options.rest)


def _serve(_: argparse.Namespace) -> int:
    os.execv(  # noqa: S606 - this very interpreter
        sys.executable,
        [sys.executable, "-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"],
    )


def _deid(options: argparse.Namespace) -> int:
    from shared.deid.command import run

    return run(sys.stdin.buffer, sys.stdout.buffer, options.policy, options.text, _from_caller(options.key_file))


def _deid_text(_: argparse.Namespace) -> int:
    from shared.deid.text.command import run

    return run(sys.stdin.buffer, sys.stdout.buffer)


def _validate(options: argparse.Namespace) -> int:
    from shared.fhir.validation.command import run

    if options.file is None:
        return run(sys.stdin.buffer, sys.stdout.buffer, sys.stderr, options.rules)
    try:
        with _called(options.file).open("rb") as lines:
            return run(lines, sys.stdout.buffer, sys.stderr, options.rules)
    except OSError:
        print("the file can not be read", file=sys.stderr)
        return 2


def _views(options: argparse.Namespace) -> int:
    from shared.views import command

    if options.verb == "run":
        return command.run(_called(options.view), sys.stdin.buffer, sys.stdout.buffer, sys.stderr)
    return command.report(_called(options.suite), _called(options.out), sys.stderr)


def _risk(options: argparse.Namespace) -> int:
    from handlers.risk.command import run

    return run(options, sys.stdin.buffer, sys.stdout)


def _dlq(options: argparse.Namespace) -> int:
    from handlers.deadletters.command import run

    return run(options)


def _erase(options: argparse.Namespace) -> int:
    from handlers.erasures.command import run

    return run(options, _from_caller(options.patient_file))


def _reconcile(options: argparse.Namespace) -> int:
    from handlers.reconcile.command import run_reconcile

    return run_reconcile(options)


def _backfill(options: argparse.Namespace) -> int:
    from handlers.reconcile.command import run_backfill

    return run_backfill(options)


def _graph(options: argparse.Namespace) -> int:
    from handlers.graph.command import run

    return run(options)


def _provision(options: argparse.Namespace) -> int:
    from handlers.provisioning.command import run

    return run(options)


def _doctor(options: argparse.Namespace) -> int:
    from handlers.doctor.command import run

    return run(options)


def _bench(options: argparse.Namespace) -> int:
    from importlib import import_module

    more: dict[str, object] = {"examples": _from_caller(options.examples)} if options.examples else {}
    if options.peers:
        more["peers"] = True
    if options.inputs:
        more["inputs"] = options.inputs
    if options.seeds:
        more["seeds"] = options.seeds
    return int(import_module(f"tests.bench.{options.name}").run(as_json=options.json, **more))


def _audit(options: argparse.Namespace) -> int:
    from handlers.audit_packages import run

    return run(ROOT, strict=options.strict)


def _smoke(options: argparse.Namespace) -> int:
    import asyncio

    from handlers.smoke import run
    from shared.settings import Zone

    return asyncio.run(run(options.url, Zone(options.zone), identity=options.identity))


def _release(options: argparse.Namespace) -> int:
    from handlers.release.command import run

    return run(options)


def _openapi(options: argparse.Namespace) -> int:
    from handlers.contract import release, write

    print(write(ROOT))
    broken = release(ROOT) if options.release else []
    print("".join(f"{what}\n" for what in broken), end="", file=sys.stderr)
    return 1 if broken else 0


def _events(options: argparse.Namespace) -> int:
    from handlers.asyncapi import release, write

    print("".join(f"{path}\n" for path in write(ROOT)), end="")
    broken = release(ROOT) if options.release else []
    print("".join(f"{what}\n" for what in broken), end="", file=sys.stderr)
    return 1 if broken else 0


def _from_caller(path: Path | None) -> Path | None:
    """A path as the caller meant it: `./dev` may be called from anywhere."""
    return path if path is None else _called(path)


def _called(path: Path) -> Path:
    return Path(os.environ.get("STARVIT_CALLED_FROM", ".")) / path


if __name__ == "__main__":
    sys.exit(main())
