"""Everything that the clinic put anywhere by which a person, a visit or a record could be told: what a scan looks for.

A value is kept in all the forms in which it might turn up: a name as composed, decomposed and without diacritics, a
phone as digits, a date as ISO and as people write it. How a form must stand in a text to count is its `Form`.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from shared.local.clinic.names import LEAST, folded


class Secrecy(StrEnum):
    """Where a value may be seen. `PHI` nowhere outside Medplum.

    `DATE`, the days of birth and of care, likewise under Safe Harbor; a policy that moves dates makes days that are
    someone else's, so that a scan of its rows has to allow the class. `RESOURCE_ID`, ids and version ids that Medplum
    gave: in the data of clinical-side messages, and nowhere else.
    """

    PHI = "phi"
    DATE = "date"
    RESOURCE_ID = "resource-id"


class Form(StrEnum):
    """What counts as an occurrence. None of them minds case.

    `NAME`: a word of its own in any case, or inside a longer one if written in one case or capitalised (so not by
    chance in base64). `NUMBER`: no letter or digit next to it. `DAY`: no digit next to it. `EXACT`: anywhere.
    """

    NAME = "name"
    NUMBER = "number"
    DAY = "day"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A value in one form. `kind` says where it came from, such as `Patient.name.family`."""

    value: str = field(repr=False)
    kind: str
    secrecy: Secrecy
    form: Form


_WORDS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\D+")


class Identifiers:
    """All identifiers so far. The first kind under which a value was put is the one that is told."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, Form], Identifier] = {}

    def __iter__(self) -> Iterator[Identifier]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def add(self, value: str, kind: str, secrecy: Secrecy = Secrecy.PHI, form: Form = Form.EXACT) -> None:
        """A value as it stands. For secrets too: a key that is told is worse than a name."""
        self._all.setdefault((value, form), Identifier(value, kind, secrecy, form))

    def name(self, text: str, kind: str) -> None:
        """Each part of a name that is long enough to be told from a word: not `van`, `de la`, `O'`."""
        for word in _WORDS.findall(text):
            if len(word) >= LEAST or (len(word) >= 5 and not word.isascii()):
                for form in (word, unicodedata.normalize("NFD", word), folded(word)):
                    self.add(form, kind, form=Form.NAME)

    def number(self, text: str, kind: str) -> None:
        """A number of any sort, as written and as digits alone."""
        self.add(text, kind, form=Form.NUMBER)
        self.add(_DIGITS.sub("", text), kind, form=Form.NUMBER)

    def phone(self, digits: str, kind: str) -> None:
        """A North American number of ten digits."""
        area, exchange, line = digits[:3], digits[3:6], digits[6:]
        for text in (
            digits,
            f"1{digits}",
            *(sep.join((area, exchange, line)) for sep in "-. "),
            f"({area}) {exchange}-{line}",
        ):
            self.add(text, kind, form=Form.NUMBER)

    def day(self, day: date, kind: str) -> None:
        """A date, as machines and as people write it."""
        self.add(day.isoformat(), kind, Secrecy.DATE, Form.DAY)
        self.add(f"{day:%Y%m%d}", kind, Secrecy.DATE, Form.NUMBER)
        for text in (
            f"{day:%m/%d/%Y}",
            f"{day.month}/{day.day}/{day.year}",
            f"{day:%B} {day.day}, {day.year}",
            f"{day:%d %b %Y}",
        ):
            self.add(text, kind, Secrecy.DATE, Form.DAY)

    def birth_year(self, year: int) -> None:
        """A year of birth that says that someone is older than 89, where it stands as one."""
        for text in (f'"birthDate":"{year}"', f'"birthDate": "{year}"'):
            self.add(text, "Patient.birthDate of one older than 89")

    def resource_id(self, uuid: str, kind: str) -> None:
        """An id that Medplum gave, with and without its hyphens."""
        self.add(uuid, kind, Secrecy.RESOURCE_ID)
        self.add(uuid.replace("-", ""), kind, Secrecy.RESOURCE_ID)
