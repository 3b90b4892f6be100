"""`./dev views run VIEW.json` and `./dev views report`: a view over NDJSON, and a test suite judged.

    stdin: one resource a line → [this] → stdout: its rows, as many as there are, each with its columns in order

A resource of another type, or one that the view filters out, has no rows. A resource that the view cannot be evaluated
on answers with its line's number, a code and the FHIRPath. A view that is no good is told of before a line is read.
"""

from pathlib import Path
from typing import BinaryIO, TextIO

import orjson

from shared import ndjson
from shared.strict_json import NotStrictJson, parse_object
from shared.views.compile import compile_view
from shared.views.definition import View, ViewError
from shared.views.report import report as judged


def run(file: Path, stdin: BinaryIO, stdout: BinaryIO, stderr: TextIO) -> int:
    """The rows of a view over every line. 0 = all good, 1 = some lines refused, 2 = a bad view."""
    try:
        view = _view(file)
    except ViewError as error:
        stderr.write(f"views: {error}\n")
        return ndjson.WRONG_USAGE
    return ndjson.expand(stdin, stdout, stderr, view.rows, name="views", exact=view.exact_decimals)


def _view(file: Path) -> View:
    """Raises ViewError."""
    try:
        return compile_view(parse_object(file.read_bytes()))
    except OSError:
        raise ViewError("no-such-file", "") from None
    except NotStrictJson:
        raise ViewError("not-json", "") from None


def report(suite: Path, out: Path, stderr: TextIO) -> int:
    """Judge a suite and write the report. 0 = all passed, 1 = some failed, 2 = there is no suite."""
    try:
        found = judged(suite)
    except (NotStrictJson, LookupError, TypeError, AttributeError):
        found = {}
    if not found:
        stderr.write("views: the folder has no test files of SQL-on-FHIR\n")
        return ndjson.WRONG_USAGE
    out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    passed = {name: [test["result"]["passed"] for test in file["tests"]] for name, file in found.items()}
    for name, results in passed.items():
        stderr.write(f"{name}: {sum(results)} of {len(results)}\n")
    everything = [one for results in passed.values() for one in results]
    stderr.write(f"passed {sum(everything)} of {len(everything)}\n")
    return ndjson.GOOD if all(everything) else ndjson.SOME_REFUSED
