"""Files in, files out: de-identified, validated, seen through views, judged by their risk. No service is needed."""

import argparse
import sys
from pathlib import Path

from handlers.commands.given import Commands, called, count, from_caller, share


def add(commands: Commands) -> None:
    """Put them into the parser."""
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

    _views_parser(
        commands.add_parser("views", help="views over resources (SQL-on-FHIR): run one, judge them by a test suite")
    )
    _risk_parser(
        commands.add_parser("risk", help="how easily the patients of a de-identified data set could be told apart")
    )


def _views_parser(views: argparse.ArgumentParser) -> None:
    verbs = views.add_subparsers(dest="verb", required=True, metavar="run|report")
    run = verbs.add_parser("run", help="NDJSON resources in, the rows of a view out")
    run.add_argument("view", type=Path, metavar="VIEW.json", help="a ViewDefinition")
    report = verbs.add_parser("report", help="a SQL-on-FHIR test suite judged, in the suite's own form")
    report.add_argument("--suite", type=Path, required=True, metavar="DIR", help="the folder of its JSON files")
    report.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the report goes")
    views.set_defaults(run=_views)


def _risk_parser(risk: argparse.ArgumentParser) -> None:
    source = risk.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", metavar="D", help="the dataset of a tenant, counted in the warehouse")
    source.add_argument("--ndjson", action="store_true", help="what ./dev deid wrote, on stdin")
    risk.add_argument("--endpoint", metavar="URL", help="REST of a local warehouse (else $BIGQUERY_EMULATOR_HOST)")
    risk.add_argument(
        "--set", action="append", metavar="ID", help="only this set of schemas/deid/risk.toml; repeatable"
    )
    risk.add_argument("--max-unique", type=share, metavar="X", help="the most patients alone in their class, 0 to 1")
    risk.add_argument("--max-small", type=share, metavar="X", help="the most patients in classes under 11, 0 to 1")
    risk.add_argument("--min-k", type=count, metavar="N", help="the least size of a class")
    risk.add_argument("--publish", action="store_true", help="show operators the report, without figures of under 11")
    risk.add_argument("--json", action="store_true", help="as JSON instead of a table")
    risk.set_defaults(run=_risk)


def _deid(options: argparse.Namespace) -> int:
    from shared.deid.command import run

    return run(sys.stdin.buffer, sys.stdout.buffer, options.policy, options.text, from_caller(options.key_file))


def _deid_text(_: argparse.Namespace) -> int:
    from shared.deid.text.command import run

    return run(sys.stdin.buffer, sys.stdout.buffer)


def _validate(options: argparse.Namespace) -> int:
    from shared.fhir.validation.command import run

    if options.file is None:
        return run(sys.stdin.buffer, sys.stdout.buffer, sys.stderr, options.rules)
    try:
        with called(options.file).open("rb") as lines:
            return run(lines, sys.stdout.buffer, sys.stderr, options.rules)
    except OSError:
        print("the file can not be read", file=sys.stderr)
        return 2


def _views(options: argparse.Namespace) -> int:
    from shared.views import command

    if options.verb == "run":
        return command.run(called(options.view), sys.stdin.buffer, sys.stdout.buffer, sys.stderr)
    return command.report(called(options.suite), called(options.out), sys.stderr)


def _risk(options: argparse.Namespace) -> int:
    from handlers.risk.command import run

    return run(options, sys.stdin.buffer, sys.stdout)
