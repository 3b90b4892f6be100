"""What others build on, written down: the OpenAPI document and the schemas of the events."""

import argparse
import sys

from handlers.commands.given import ROOT, Commands


def add(commands: Commands) -> None:
    """Put them into the parser."""
    openapi = commands.add_parser("openapi", help="write the OpenAPI contract to schemas/openapi/v1.json")
    openapi.add_argument("--release", action="store_true", help="this is what is promised from now on")
    openapi.set_defaults(run=_openapi)

    events = commands.add_parser("events", help="write the events' schemas to schemas/events and schemas/asyncapi.json")
    events.add_argument("--release", action="store_true", help="this is what is promised from now on")
    events.set_defaults(run=_events)


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
