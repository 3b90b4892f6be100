"""For whoever works on this service: the demo, the tests, the service alone, the figures."""

import argparse
import os
import sys
from pathlib import Path

from handlers.commands.given import ROOT, Commands, count, from_caller

BENCHES = (
    *("start", "load", "rates", "blocking", "count", "push", "webhook", "ledger"),
    *("deid", "text", "dlp", "utility", "validate", "rules", "views", "cdc", "graph"),
    *("deadletters", "console", "telemetry", "reconcile"),
    *("simulate", "model", "scale", "attacks", "fuzz", "canary", "image"),
)


def add(commands: Commands) -> None:
    """Put them into the parser."""
    demo = commands.add_parser("demo", help="the main job end to end, on this machine, judged")
    demo.add_argument("--events", type=count, default=300, metavar="N", help="how many writes the clinic does (300)")
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
        json_file=from_caller(options.json),
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


def _bench(options: argparse.Namespace) -> int:
    from importlib import import_module

    more: dict[str, object] = {"examples": from_caller(options.examples)} if options.examples else {}
    if options.peers:
        more["peers"] = True
    if options.inputs:
        more["inputs"] = options.inputs
    if options.seeds:
        more["seeds"] = options.seeds
    return int(import_module(f"tests.bench.{options.name}").run(as_json=options.json, **more))
