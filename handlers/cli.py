"""The command line: `./dev <command>`. What it can do is in handlers/commands, by who tells it.

Ends 0 = all good, 1 = some refused, or the demo failed, 2 = wrong usage.
"""

import argparse
import sys
from collections.abc import Sequence

from handlers.commands import contracts, data, deployment, machine, operators


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
    for group in (machine, data, operators, deployment, contracts):
        group.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
