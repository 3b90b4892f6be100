"""Free text on its way out: whatever `Given.scrub` makes of it, and nothing without that.

    string, markdown     scrubbed
    base64Binary         scrubbed where it is plain text: a note kept as an attachment; a scan, PDF, CDA or RTF stays behind
    CodeableConcept      its codes that may leave; only where there is none, its text, scrubbed

Left out: narrative (Narrative.div), which repeats the resource as prose, and display, which a reader derives from the code.
"""

import binascii
import re
from base64 import b64decode, b64encode

from shared.deid.walk import Given, Leave

_LARGEST = 1_000_000  # characters of one text
_MARKED_UP = ("<", "{\\rtf", "%PDF", "{")  # CDA and HTML, RTF, PDF, JSON: their words do not stand in a row
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def text(value: object, given: Given) -> object:
    """A string."""
    if type(value) is not str or given.scrub is None or not 0 < len(value) <= _LARGEST:
        return None
    return given.scrub(value)


def document(value: object, given: Given) -> object:
    """A file that is nothing but text in UTF-8."""
    if type(value) is not str or given.scrub is None:
        return None
    try:
        plain = b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    if plain.lstrip("\ufeff \t\r\n").startswith(_MARKED_UP) or _CONTROLS.search(plain):
        return None
    safe = text(plain, given)
    return b64encode(safe.encode()).decode() if type(safe) is str else None


def unless_coded(codings: Leave) -> Leave:
    """A CodeableConcept: as `codings` says, else its text."""

    def leave(value: object, given: Given) -> object:
        kept = codings(value, given)
        if kept is not None or given.scrub is None or type(value) is not dict:
            return kept
        safe = text(value.get("text"), given)
        return {"text": safe} if safe is not None else None

    return leave
