"""`./dev validate`: NDJSON resources in, one OperationOutcome a line out, in order. It streams, and memory stays flat."""

from typing import BinaryIO, TextIO

import orjson

from shared.fhir.validation import Issue, Validator
from shared.fhir.validation.outcome import operation_outcome, refused
from shared.fhir.validation.rules import Set
from shared.strict_json import NotStrictJson, parse_object

_SHOWN_EVERY = 1000  # lines between updates of the progress display


def run(lines: BinaryIO, out: BinaryIO, progress: TextIO, rules: Set = "default") -> int:
    """0 if no resource was refused (warnings alone refuse none), 1 if some were."""
    validator, bad, number = Validator(rules), 0, 0
    for number, line in enumerate(lines, 1):
        issues = _issues(validator, line.strip())
        bad += refused(issues)
        out.write(orjson.dumps(operation_outcome(issues), option=orjson.OPT_APPEND_NEWLINE))
        if progress.isatty() and number % _SHOWN_EVERY == 0:
            progress.write(f"\r{number} resources, {bad} refused")
    if progress.isatty() and number:
        progress.write(f"\r{number} resources, {bad} refused\n")
    out.flush()
    return 1 if bad else 0


def _issues(validator: Validator, line: bytes) -> list[Issue]:
    try:
        resource = parse_object(line)
    except NotStrictJson:
        return [Issue("fatal", "not-json", "")]
    return list(validator.issues(resource))
