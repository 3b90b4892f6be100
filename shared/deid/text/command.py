"""`./dev deid-text`: free text in, scrubbed text and its spans out, by the local scrubber.

    {"patient": Patient or null, "text": "…"}  →  {"text": "… [NAME] …", "spans": [{"start", "end", "label"}]}

Offsets are code points of the text as it came.
"""

import sys
from collections.abc import Mapping
from typing import BinaryIO

from shared import ndjson
from shared.deid.text.local import Local
from shared.deid.text.port import masked
from shared.errors import Code, Problem


def run(stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Scrub every line. 0 = all good, 1 = some lines refused."""
    local = Local()

    def one(line: Mapping[str, object]) -> object:
        patient, text = line.get("patient"), line.get("text")
        if not isinstance(text, str):
            raise Problem(Code.BAD_BODY, "text")
        if patient is not None and not (isinstance(patient, dict) and patient.get("resourceType") == "Patient"):
            raise Problem(Code.BAD_BODY, "patient")
        spans = local.spans(text, local.record(patient))
        return {
            "text": masked(text, spans),
            "spans": [{"start": span.start, "end": span.end, "label": span.label.value} for span in spans],
        }

    return ndjson.convert(stdin, stdout, sys.stderr, one, name="deid-text")
