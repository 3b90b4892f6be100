"""Narrative: XHTML of formatting alone, with something to read in it (R4 txt-1, txt-2).

    text ─► all its tags of the plainest form? ─► expat alone: well formed
                        └► else expat with a look at each element: on the list? a link that runs something?

The list is schemas/fhir/narrative.toml. No DOCTYPE means that no entity can be declared, and so none expands. A frame that
was written in lines and never filled, as HL7's publisher left in some of its own examples, is worth a warning; a `div` with
nothing at all is an error. Nothing is remembered: a narrative is PHI.
"""

import re
from functools import cache
from xml.parsers import expat

from shared.fhir.validation.facts import narrative

_XHTML = "http://www.w3.org/1999/xhtml"
_OPENING = f'<div xmlns="{_XHTML}">'
_READABLE = re.compile(r">\s*[^\s<&]")
_LONGEST = 1024 * 1024
_LINKS = frozenset(("href", "src", "cite", "longdesc", "usemap"))
_RUNS = re.compile(r"[\s\x00-\x1f]*(?:javascript|vbscript|data\s*:\s*text)", re.IGNORECASE)
_STYLE_RUNS = re.compile(r"expression\s*\(|javascript:|@import|behavior\s*:", re.IGNORECASE)


def xhtml(value: object, _: object = None, __: int = 0) -> str | None:
    """The rule that a narrative's text breaks, or None."""
    if type(value) is not str:
        return "json-type"
    if not 0 < len(value) <= _LONGEST:
        return "format"
    return None if _is_plain(value) else _rule(value)


@cache
def _strange() -> re.Pattern[str]:
    """A tag that needs a second look: not on the list, or with an attribute that leads somewhere or has an entity."""
    elements, attributes = narrative()
    name, plain = f"(?:{'|'.join(sorted(elements))})", "|".join(sorted(attributes - _LINKS - {"style", "xmlns"}))
    # The bare ones first: nearly all are.
    return re.compile(rf"""<(?!/|{name}>|{name}(?:\s+(?:{plain})="[^"<>&]*")*\s*/?>)""")


def _is_plain(text: str) -> bool:
    """Whether the tags are plain, something stands between them, and it is well-formed XML. Nearly all narratives are so."""
    if not text.startswith(_OPENING) or not _READABLE.search(text) or _strange().search(text, len(_OPENING)):
        return False
    try:
        expat.ParserCreate("utf-8").Parse(text.encode(), True)
    except (expat.ExpatError, UnicodeEncodeError):
        return False
    return True


class _Stop(Exception):
    """Seen enough."""


def _rule(text: str) -> str | None:
    elements, attributes_of_all = narrative()
    parser = expat.ParserCreate()
    opened = in_lines = readable = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal opened, readable
        if not opened and (name != "div" or attributes.get("xmlns") != _XHTML):
            raise _Stop
        opened = True
        if name not in elements:
            raise _Stop
        if attributes:
            if not attributes.keys() <= attributes_of_all or _STYLE_RUNS.search(attributes.get("style", "")):
                raise _Stop
            if any(_RUNS.match(attributes[key]) for key in _LINKS & attributes.keys()):
                raise _Stop
        if name == "img":
            readable = True

    def read(data: str) -> None:
        nonlocal in_lines, readable
        readable, in_lines = readable or not data.isspace(), in_lines or "\n" in data

    def stop(*_: object) -> None:
        raise _Stop

    parser.StartElementHandler = start
    parser.CharacterDataHandler = read
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = stop
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, _Stop, UnicodeEncodeError):
        return "txt-1"
    if readable:
        return None
    return "narrative-unfilled" if in_lines else "txt-2"
