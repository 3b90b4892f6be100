"""`./dev deid`: NDJSON resources in, de-identified resources out, with the service's own door.

    stdin: one resource a line → [this] → stdout: one line for each, in order

A line that is refused prints `{"line": n, "error": {"code": …, "path": …}}` in its place, and never what it held.
Memory stays flat: one line at a time, and a line longer than the limit is passed over without being kept.

Against: a parser that reads a line otherwise than the next one would (duplicate keys, NaN), which is why lines are
read strictly; and a demo key that ends in production, which is why its use is said aloud.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import BinaryIO, TextIO

import orjson

from shared.deid.door import Door
from shared.deid.policy import NAMES, load
from shared.deid.pseudonyms import Pseudonyms
from shared.errors import Code, Problem
from shared.strict_json import NotStrictJson, parse_object

_LIMIT = 16 * 1024 * 1024  # bytes of a line
_DEMO_KEY = b"starvit demo key: never for real data!"
_TEXT_MODES = ("local", "withhold")
_GOOD, _SOME_REFUSED, _WRONG_USAGE = 0, 1, 2


def run(stdin: BinaryIO, stdout: BinaryIO, policy_name: str, text_mode: str, key_file: Path | None) -> int:
    """De-identify every line. 0 = all good, 1 = some lines refused, 2 = wrong usage."""
    if policy_name not in NAMES or text_mode not in _TEXT_MODES:
        return _usage(f"the policy is one of {', '.join(NAMES)}; the text is one of {', '.join(_TEXT_MODES)}")
    try:
        key = _DEMO_KEY if key_file is None else bytes.fromhex(key_file.read_text().strip())
        pseudonyms = Pseudonyms(key, "demo" if key_file is None else "k1")
    except (OSError, ValueError):
        return _usage("the key file holds 32 bytes or more, in hex")
    if key_file is None:
        sys.stderr.write("deid: no --key-file: using the public demo key, so these pseudonyms hide nothing\n")
    if text_mode == "local":
        sys.stderr.write("deid: there is no local scrubber yet: free text is withheld\n")
    door = Door("local", load(policy_name), pseudonyms)
    refused = 0
    progress = _Progress(sys.stderr)
    try:
        for number, line in enumerate(_lines(stdin), 1):
            try:
                safe: object = _deidentified(door, line)
            except Problem as problem:
                refused += 1
                safe = {"line": number, "error": {"code": problem.code.slug, "path": problem.at}}
            stdout.write(orjson.dumps(safe, option=orjson.OPT_APPEND_NEWLINE))
            progress.at(number, refused)
        stdout.flush()
    except BrokenPipeError:
        return _SOME_REFUSED  # whoever reads has had enough
    finally:
        progress.done()
    return _SOME_REFUSED if refused else _GOOD


def _deidentified(door: Door, line: bytes | None) -> dict[str, object]:
    """One line. Raises Problem: RESOURCE_TOO_LARGE, RESOURCE_NOT_JSON, NO_POLICY."""
    if line is None:
        raise Problem(Code.RESOURCE_TOO_LARGE)
    try:
        resource = parse_object(line)
    except NotStrictJson:
        raise Problem(Code.RESOURCE_NOT_JSON) from None
    return door.deidentify(resource)


def _lines(stdin: BinaryIO) -> Iterator[bytes | None]:
    """The lines without their ends; None for one that is longer than the limit."""
    while line := stdin.readline(_LIMIT):
        if line.endswith(b"\n") or len(line) < _LIMIT:
            yield line.rstrip(b"\r\n")
            continue
        while (rest := stdin.readline(_LIMIT)) and not rest.endswith(b"\n"):
            pass
        yield None


def _usage(text: str) -> int:
    sys.stderr.write(f"deid: {text}\n")
    return _WRONG_USAGE


class _Progress:
    """One line on a terminal, renewed twice a second; silent anywhere else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = stream.isatty()
        self._next = monotonic()
        self._last = ""

    def at(self, lines: int, refused: int) -> None:
        """Say how far it is."""
        if self._shown and (now := monotonic()) >= self._next:
            self._next = now + 0.5
            self._last = f"\rdeid: {lines} lines, {refused} refused"
            self._stream.write(self._last)
            self._stream.flush()

    def done(self) -> None:
        """Leave the terminal on a line of its own."""
        if self._last:
            self._stream.write("\n")
