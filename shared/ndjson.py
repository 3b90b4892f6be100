"""NDJSON in, NDJSON out: one line for each line, in order; a refused one answers with its number, a code and a place.
Where a line has several answers, or none (the rows of a view), `expand` gives them in its place.

Memory stays flat: one line at a time, and a line longer than the limit is passed over without being kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic
from typing import BinaryIO, TextIO

import orjson

from shared.errors import Code, Problem
from shared.strict_json import NotStrictJson, parse_object

LIMIT = 16 * 1024 * 1024  # bytes of a line
GOOD, SOME_REFUSED, WRONG_USAGE = 0, 1, 2  # how a command ends


def convert(
    stdin: BinaryIO,
    stdout: BinaryIO,
    stderr: TextIO,
    one: Callable[[Mapping[str, object]], object],
    *,
    name: str,
) -> int:
    """`one` for each object; its Problem refuses the line. 0 = all good, 1 = some lines refused."""
    return expand(stdin, stdout, stderr, lambda given: (one(given),), name=name)


def expand(
    stdin: BinaryIO,
    stdout: BinaryIO,
    stderr: TextIO,
    every: Callable[[Mapping[str, object]], Iterable[object]],
    *,
    name: str,
    exact: bool = False,
) -> int:
    """As many lines as `every` gives for each object, none too. `exact`: decimals come as Decimal, with their zeros."""
    refused, progress = 0, _Progress(stderr, name)
    try:
        for number, line in enumerate(_lines(stdin, LIMIT), 1):
            try:
                answers = every(_parsed(line, exact))
            except Problem as problem:
                refused += 1
                answers = ({"line": number, "error": {"code": problem.code.slug, "path": problem.at}},)
            for answer in answers:
                stdout.write(orjson.dumps(answer, float if exact else None, orjson.OPT_APPEND_NEWLINE))
            progress.at(number, refused)
        stdout.flush()
    except BrokenPipeError:
        return SOME_REFUSED  # whoever reads has had enough
    finally:
        progress.done()
    return SOME_REFUSED if refused else GOOD


def _parsed(line: bytes | None, exact: bool) -> Mapping[str, object]:
    """Raises Problem: RESOURCE_TOO_LARGE, RESOURCE_NOT_JSON."""
    if line is None:
        raise Problem(Code.RESOURCE_TOO_LARGE)
    try:
        return parse_object(line, exact=exact)
    except NotStrictJson:
        raise Problem(Code.RESOURCE_NOT_JSON) from None


def _lines(stdin: BinaryIO, limit: int) -> Iterator[bytes | None]:
    """The lines without their ends; None for one that is longer than the limit."""
    while line := stdin.readline(limit):
        if line.endswith(b"\n") or len(line) < limit:
            yield line.rstrip(b"\r\n")
            continue
        while (rest := stdin.readline(limit)) and not rest.endswith(b"\n"):
            pass
        yield None


class _Progress:
    """One line on a terminal, renewed twice a second; silent anywhere else."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._shown = stream.isatty()
        self._next = monotonic()
        self._last = ""

    def at(self, lines: int, refused: int) -> None:
        """Say how far it is."""
        if self._shown and (now := monotonic()) >= self._next:
            self._next = now + 0.5
            self._last = f"\r{self._name}: {lines} lines, {refused} refused"
            self._stream.write(self._last)
            self._stream.flush()

    def done(self) -> None:
        """Leave the terminal on a line of its own."""
        if self._last:
            self._stream.write("\n")
