"""The words of a text, each with what its letters and its place say: shape, start of a sentence, kind of line.

Offsets are code points of the text as it came. A possessive 's is no part of a word; a hyphen is.
"""

import re
from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

from msgspec import Struct

from shared.deid.text.lexicon import plain

_WORD = re.compile(r"[^\W\d_]+(?:['’‑‐-][^\W\d_]+)*")
_POSSESSIVE = re.compile(r"['’][sS]$")
_ENDS = re.compile(r"[.!?]['\")\]]*\s|\n|^\s*$")
_SOFT = re.compile(r"[:;•*>|/\[\"“”=]|--|–|—| - ")
_HEADING = 60  # characters of a line
_TITLE_CASE, _SHOUTED = 0.8, 0.7  # shares of a line's words that make it a heading, or one in capitals


class Shape(Enum):
    """How a word is written."""

    SMALL = 0
    CAPITAL = 1  # Smith, McIntyre, O'Neil
    SHOUTED = 2  # SMITH
    ODD = 3  # mEq, HbA, iPhone


class Start(Enum):
    """What stands before a word."""

    INSIDE = 0
    SOFT = 1  # a colon, a dash, a quotation mark: a capital says little
    HARD = 2  # the start of a sentence or line: a capital says nothing


class Word(Struct, eq=False):
    """One word. `gap` is what stands between the word before and this one."""

    start: int
    end: int
    text: str
    key: str
    shape: Shape
    begins: Start
    gap: str
    heading: bool  # in a line of Title Case
    shouted: bool  # in a line of capitals
    possessive: bool

    @property
    def whole(self) -> int:
        """The end with a possessive 's: it is part of a place's name (St. Luke's)."""
        return self.end + 2 if self.possessive else self.end


def _shape(text: str) -> Shape:
    if text.islower():
        return Shape.SMALL
    letters = text.replace("'", "").replace("’", "").replace("-", "")
    if len(letters) > 1 and letters.isupper():
        return Shape.SHOUTED
    parts = [part for part in re.split("[-‑‐]", text) if part]
    if all(_proper(part) for part in parts) or (parts[0] in _ARTICLES and len(parts) > 1 and _proper(parts[1])):
        return Shape.CAPITAL
    return Shape.CAPITAL if text[0].isupper() and text[1:].replace("-", "").islower() else Shape.ODD


_ARTICLES = frozenset(
    ("al", "el", "ad", "as", "ar", "an", "at", "az", "ul", "bin", "ibn", "abu", "ben", "d", "l", "de", "le", "la")
)
_PROPER = re.compile(
    r"(?:(?:Mc|Mac|De|Di|Da|La|Le|Lo|Van|Von|Fitz|St|O['’]|D['’]|L['’]|M['’])?[^\W\d_a-z][^\W\d_A-Z]*)$|[A-Z][a-zà-ÿ]*['’][A-Za-zà-ÿ]+$"
)


def _proper(part: str) -> bool:
    return part[:1].isupper() and _PROPER.match(part) is not None


def words(text: str) -> list[Word]:
    """The words of a text, in order."""
    lines = _lines(text)
    line = 0
    found: list[Word] = []
    before = 0
    for match in _WORD.finditer(text):
        start, end = match.span()
        own = match.group()
        possessive = _POSSESSIVE.search(own) is not None
        if possessive:
            own, end = own[:-2], end - 2
        while lines[line][0] <= start:
            line += 1
        gap = text[before:start]
        found.append(
            Word(
                start,
                end,
                own,
                plain(own).replace("’", "'"),
                _shape(own),
                _begins(gap, found),
                gap,
                lines[line][1],
                lines[line][2],
                possessive,
            )
        )
        before = match.end()
    for first, second in pairwise(found):
        # VISIT NOTE. What follows is prose: the line is no heading, its beginning is.
        if (
            first.shape is second.shape is Shape.SHOUTED
            and second.gap == " "
            and (first.begins is Start.HARD or first.shouted)
        ):
            first.shouted = second.shouted = True
    return found


def _begins(gap: str, before: Sequence[Word]) -> Start:
    if gap == " ":
        return Start.INSIDE
    if not before:
        return Start.HARD
    if _ENDS.search(gap):
        if "\n" not in gap and gap.startswith(". ") and (len(before[-1].text) == 1 or before[-1].key in _SHORTENED):
            return Start.INSIDE  # Dr. Vang, J. Vang
        return Start.HARD
    return Start.SOFT if _SOFT.search(gap) else Start.INSIDE


_SHORTENED = frozenset(
    (
        "dr",
        "drs",
        "mr",
        "mrs",
        "ms",
        "prof",
        "st",
        "fr",
        "sr",
        "jr",
        "rev",
        "capt",
        "sgt",
        "lt",
        "mt",
        "ft",
        "no",
        "vs",
        "approx",
        "dept",
        "apt",
        "hon",
        "det",
        "atty",
    )
)


def _lines(text: str) -> list[tuple[int, bool, bool]]:
    """For each line: where it ends, whether it is a heading in Title Case, whether it is in capitals."""
    found, at = [], 0
    for line in text.split("\n"):
        at += len(line) + 1
        own = [word for word in _WORD.findall(line) if len(word) > 3]
        capitals = sum(word[0].isupper() for word in own)
        shouted = sum(word.isupper() for word in own)
        running = len(line) > _HEADING or any(sign in line for sign in ",;.") or line.lstrip()[:1] in ("-", "–", "—")
        found.append(
            (
                at,
                len(own) > 1 and capitals >= _TITLE_CASE * len(own) and not running,
                bool(own) and shouted >= _SHOUTED * len(own),
            )
        )
    found.append((at + 1, False, False))
    return found
