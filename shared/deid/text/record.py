"""The record's own identifiers: what a Patient resource says of a person, in the forms in which notes repeat it.

    Patient ─► [Record] ─► spans in a text: names whole, in part, short, mistyped; places; numbers; dates

Numbers and places are sought in the text without its blanks and signs, so that 555-20-918 and (714) 555.0132 are
found however they are written, and without one regular expression for each record: a service sees a new record with
each event.

Against: a note that says what the structure withholds. Left out: relatives and colleagues whom the record does not
name (names.py).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import final

from shared.deid.text.lexicon import Lexicon, plain
from shared.deid.text.port import Label, Span
from shared.deid.text.streets import ENDS, KINDS, UNITS
from shared.deid.text.tokens import Shape, Start, Word
from shared.fhir.port import Resource

_PART = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_TAIL = re.compile(rf"(?:\W{{1,2}}{ENDS}\b\.?(?! of\b)){{0,2}}(?: (?:[NS][EW]?|[EW])\b\.?)?{UNITS}?")
_BOX = re.compile(r"(?:p\.?\s?o\.?\s?)?box\W*(\d+)", re.IGNORECASE)
_INITIALS = re.compile(r"(?<![\w.])[A-Z](?:[.‑-]{1,2}\s?[A-Z]){1,3}(?:\.|(?!\w))")
_LAST_FOUR = re.compile(
    r"(?:\bend(?:s|ing)?(?: in| with)?|\blast (?:four|4)(?: digits)?(?: (?:of|on) (?:\w+ ){0,2}\w+)?(?: is| are)?"
    r"|\bssn|\bx{2,}|\*{2,}|#)\W{0,3}(\d{4})(?!\d)",
    re.IGNORECASE,
)
_OLD, _NOW = 90, 2030  # ages that are one class; no note is of a later year than this
_BARE_AGE = re.compile(
    r"(?:^|[.(,;:]\s|\n|\b(?:is|was|now|aged|turned|turns|at) )(9\d|1[01]\d)"
    r"(?=(?: and| who|,|;|\)| -| –| years?| yrs?|\.(?:\s|$)))"
)
_TYPO = 5  # letters: a shorter name is one letter away from too many words
_NUMBER = 4  # letters and digits: a shorter one is a number like others
_GAP = 3  # signs between two letters or digits of one number


@final
class Flat:
    """A text without all but its letters and digits, in small letters without marks, and where each of them stood."""

    def __init__(self, text: str) -> None:
        self.text = text
        if text.isascii():
            self.at = [i for i, c in enumerate(text) if c.isalnum()]
            self.signs = "".join(filter(str.isalnum, text)).lower()
        else:
            pairs = [(letter, i) for i, c in enumerate(text) if c.isalnum() for letter in plain(c)]
            self.at = [i for _, i in pairs]
            self.signs = "".join(letter for letter, _ in pairs)

    def find(self, signs: str) -> Iterator[tuple[int, int]]:
        """Where these letters and digits stand as a whole, whatever few signs are between them."""
        at, start = self.at, self.signs.find(signs)
        while start >= 0:
            first, last = at[start], at[start + len(signs) - 1]
            alone = (start == 0 or at[start - 1] < first - 1) and (
                start + len(signs) == len(at) or at[start + len(signs)] > last + 1
            )
            if (
                alone
                and last - first < len(signs) * 2 + _GAP
                and all(at[i + 1] - at[i] <= _GAP + 1 for i in range(start, start + len(signs) - 1))
            ):
                yield first, last + 1
            start = self.signs.find(signs, start + 1)


@final
class Record:
    """What is known of one person. Empty for a text that belongs to nobody."""

    def __init__(self, patient: Resource | None, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self.names: set[str] = set()
        self._initials: set[str] = set()
        self._particles: set[str] = set()  # of this person's names: de, la, van, Pa
        self._typos: set[str] = set()
        self._sought: dict[str, Label] = {}  # letters and digits
        self._written: dict[str, Label] = {}  # literally, in this case: a town that is a word too
        self._streets: list[tuple[str, bool]] = []  # letters and digits; whether the kind of street must follow
        self._tails: dict[str, Label] = {}
        self.born: int | None = None
        if patient:
            self._read(patient)

    # in a text

    def spans(self, text: str, words: Sequence[Word], *, careless: bool) -> Iterator[Span]:
        """Where the record speaks in a text. `careless`: nobody typed capitals."""
        if self._sought or self._streets:
            yield from self._numbers_and_places(text)
        for written, label in self._written.items():
            for match in re.finditer(rf"(?<!\w){re.escape(written)}(?!\w)", text):
                yield Span(*match.span(), label)
        for match in _LAST_FOUR.finditer(text) if self._tails else ():
            if (what := self._tails.get(match.group(1))) is not None:
                yield Span(*match.span(1), what)
        for match in _INITIALS.finditer(text) if self._initials else ():
            if "".join(filter(str.isalpha, match.group())) in self._initials:
                yield Span(*match.span(), Label.NAME)
        if self.born is not None and _NOW - self.born >= _OLD:
            for match in _BARE_AGE.finditer(text):
                if _OLD <= int(match.group(1)) <= _NOW - self.born:
                    yield Span(*match.span(1), Label.AGE_OVER_89)
        if self.names:
            named = {index for index, word in enumerate(words) if self._named(word, index, words, careless)}
            named |= self._beside(words, named)
            yield from (Span(words[index].start, words[index].end, Label.NAME) for index in sorted(named))

    def _beside(self, words: Sequence[Word], named: set[int]) -> set[int]:
        """Initials and the small words of this person's own names, next to a name: Hal N., de la Cruz, H. K. Dhillon."""
        more: set[int] = set()
        for index in sorted(named):
            at = index + 1
            while (
                at < len(words)
                and at not in named
                and words[at].gap in _BESIDE
                and self._belongs(words, at, left=False)
            ):
                more.add(at)
                at += 1
            at = index - 1
            while at >= 0 and at not in named and words[at + 1].gap in _BEFORE and self._belongs(words, at, left=True):
                more.add(at)
                at -= 1
        return more

    def _belongs(self, words: Sequence[Word], at: int, *, left: bool) -> bool:
        word = words[at]
        if len(word.text) == 1 and word.text.isupper():
            gap = words[at + 1].gap if at + 1 < len(words) else "."
            return left or gap[:1] in _ENDS or gap[:2] in ("  ", ". ", ", ")
        return word.key in self._particles and (
            left or (at + 1 < len(words) and words[at + 1].key in self.names | self._particles)
        )

    def _numbers_and_places(self, text: str) -> Iterator[Span]:
        flat = Flat(text)
        for signs, label in self._sought.items():
            if signs in flat.signs:
                for start, end in flat.find(signs):
                    opened = label is Label.PHONE and start > 0 and text[start - 1] == "("
                    yield Span(start - opened, end, label)
        for signs, kind in self._streets:
            if signs in flat.signs:
                for start, end in flat.find(signs):
                    tail = _TAIL.match(text, end)
                    if tail is not None and (tail.end() > end or not kind):
                        yield Span(start, tail.end(), Label.LOCATION)

    def _named(self, word: Word, index: int, words: Sequence[Word], careless: bool) -> bool:
        key = word.key
        if key in self.names:
            return self._meant(word, index, words, careless)
        if "-" in key:
            parts = key.split("-")
            own = [part in self.names for part in parts]
            return any(own) and (word.shape is not Shape.SMALL or all(own)) and key not in self._lexicon.words
        if key[-1] == "s" and key[:-1] in self.names and key not in self._lexicon.words:
            return True  # jaylens mother
        return len(key) >= _TYPO and not self._typos.isdisjoint(shortened(key)) and self._strange(key)

    def _strange(self, key: str) -> bool:
        """Not a word of its own: then one letter from a name is that name, mistyped."""
        lexicon = self._lexicon
        return (
            key not in lexicon.words
            and key not in lexicon.clinical
            and key not in lexicon.rare
            and key not in lexicon.both
        )

    def _meant(self, word: Word, index: int, words: Sequence[Word], careless: bool) -> bool:
        """A name that is a word too (Grace, Cliff, Hale) is meant when it is written like a name."""
        key, lexicon = word.key, self._lexicon
        if key not in lexicon.words and key not in lexicon.clinical:
            return True
        after = words[index + 1] if index + 1 < len(words) else None
        before = words[index - 1] if index else None
        beside = (before is not None and word.gap in _BESIDE and before.key in self.names) or (
            after is not None and after.gap in _BESIDE and after.key in self.names
        )
        titled = before is not None and word.gap in (" ", ". ") and before.key in lexicon.lists["titles"]
        never = lexicon.lists["never"]
        if word.shape is Shape.SMALL:
            told = titled or (
                before is not None
                and word.gap == " "
                and (before.key in lexicon.lists["relations"] or (careless and before.key in _TELL))
            )
            return (beside or told or (word.possessive and careless and key in lexicon.given)) and key not in never
        if beside or titled:
            return True
        if (
            after is not None
            and after.shape is Shape.SMALL
            and after.gap in (" ", "'s ", "’s ")
            and after.key in lexicon.lists["things"]
        ):
            return False  # the Bishop score, Murphy's sign
        if (
            word.begins is Start.HARD
            and key in lexicon.lists["modal"]
            and after is not None
            and after.shape is Shape.SMALL
            and after.gap == " "
            and after.key not in self._lexicon.lists["said"]
        ):
            return False
        if (
            before is not None
            and word.gap == " "
            and key in lexicon.lists["months"]
            and before.key in lexicon.lists["function"]
        ):
            return False  # since August
        acts = after is not None and (after.key in lexicon.lists["acts"] or after.key.endswith(("ed", "s")))
        if word.begins is Start.HARD and word.shape is Shape.CAPITAL and not word.possessive:
            if key in never:
                return acts
            if (
                after is not None
                and after.gap == " "
                and after.shape is Shape.SMALL
                and key not in lexicon.lists["names-first"]
            ):
                return acts and after.key not in lexicon.lists["looks"]
        return not (word.shape is Shape.SHOUTED and word.shouted and word.gap == " " and key not in lexicon.given)

    # from a resource

    def _read(self, patient: Resource) -> None:
        own = [self._name(name) for name in _each(patient.get("name"))]
        for contact in _each(patient.get("contact")):
            for name in _each(contact.get("name")):
                own.append(self._name(name))
            self._telecom(contact)
            self._address(contact)
            self._place(_each(contact.get("organization")))
        for one in _each(patient.get("generalPractitioner")):
            self._display(one.get("display"))
        self._place(_each(patient.get("managingOrganization")))
        for parts in own:
            self._initialled(parts)
        self._telecom(patient)
        self._address(patient)
        self._identifiers(patient)
        for key in ("birthDate", "deceasedDateTime"):
            self._date(patient.get(key), key)
        self._typos = {short for name in self.names if len(name) >= _TYPO for short in shortened(name)}

    def _name(self, name: Mapping[str, object]) -> list[str]:
        """All its parts count, with the short forms of the given names. Answers given and family, for initials."""
        given = [part for text in _strings(name.get("given")) for part in _PART.findall(text)]
        family = [part for text in _strings(name.get("family")) for part in _PART.findall(text)]
        rest = [part for text in _strings(name.get("text")) for part in _PART.findall(text)]
        for part in (*given, *family, *rest):
            self._add(part)
        for text in _strings(name.get("family")):
            if len(joined := plain("".join(_PART.findall(text)))) > 3:
                self.names.add(joined)
        for part in given:
            self._short(plain(part))
        return [*given, *family]

    def _short(self, given: str) -> None:
        """The usual short forms of a given name, and its own beginnings and ends where they are no words."""
        lexicon = self._lexicon
        self.names.update(lexicon.nicknames.get(given, "").split())
        if (written := _WRITTEN_SHORT.get(given)) is not None:
            self.names.add(written)
        for form in (
            *(given[:n] for n in range(_SHORT, len(given))),
            *(given[n:] for n in range(1, len(given) - _SHORT)),
        ):
            if form not in lexicon.words and form not in lexicon.clinical and form not in lexicon.both:
                self.names.add(form)

    def _add(self, part: str) -> None:
        key = plain(part)
        if key in self._lexicon.lists["no-names"]:
            self._particles.add(key)
        elif len(key) > 1:
            self.names.add(key)
            if "'" in key:
                self.names.add(key.replace("'", ""))

    def _display(self, text: object) -> None:
        """A clinician by display: Dr. Fergus Lamont, MD."""
        for part in _PART.findall(text) if isinstance(text, str) else ():
            if part[0].isupper() and plain(part) not in self._lexicon.lists["credentials"]:
                self._add(part)
                self.names.update(self._lexicon.nicknames.get(plain(part), "").split())

    def _initialled(self, parts: Sequence[str]) -> None:
        letters = [part[0].upper() for part in parts]
        if len(letters) > 1:
            first, last = letters[0], letters[-1]
            self._initials |= {
                first + last,
                last + first,
                "".join(letters),
                "".join((first, *letters[-2:])),
                "".join(letters[-2:]),
                "".join(letters[1:]),
            } - {last}

    def _telecom(self, holder: Mapping[str, object]) -> None:
        for point in _each(holder.get("telecom")):
            for value in _strings(point.get("value")):
                digits = "".join(filter(str.isdigit, value))
                if "@" in value:
                    self._seek(value, Label.EMAIL)
                    self._seek(value.replace("@", "at").replace(".", "dot"), Label.EMAIL)  # spoken
                    if len(local := value.split("@")[0]) >= _TYPO and plain(local) not in self._lexicon.words:
                        self._seek(local, Label.EMAIL)
                elif len(digits) >= 7:
                    self._seek(digits, Label.PHONE)
                    self._seek(digits[-10:], Label.PHONE)
                    self._seek(digits[-7:], Label.PHONE)
                    self._tails[digits[-4:]] = Label.PHONE
                else:
                    self._seek(value, Label.URL)

    def _seek(self, value: str, label: Label) -> None:
        signs = "".join(filter(str.isalnum, plain(value)))
        if len(signs) >= _NUMBER:
            self._sought.setdefault(signs, label)

    def _address(self, holder: Mapping[str, object]) -> None:
        for address in _each(holder.get("address")):
            for line in _strings(address.get("line")):
                for part in line.split(","):  # The Old Forge, Mill Lane
                    self._line(part)
            for key in ("city", "district"):
                for value in _strings(address.get(key)):
                    self._town(value)
            for value in _strings(address.get("postalCode")):
                self._seek(value, Label.LOCATION)
                self._seek(value[:5], Label.LOCATION)

    def _line(self, line: str) -> None:
        """902 Kingfisher Blvd: the number with the street's name, however the rest is written; or the name with its kind."""
        if box := _BOX.search(line):
            self._seek(f"pobox{box.group(1)}", Label.LOCATION)
            self._seek(f"box{box.group(1)}", Label.LOCATION)
        if (found := re.match(r"\s*(\d+[A-Za-z]?(?:-\d+)?)?\W*(.*)", line)) is None:
            return
        number, names = found.group(1) or "", list[str]()
        for part in re.findall(r"[\w’'-]+", found.group(2)):
            if names and part.lower() in KINDS:
                break
            names.append(part)
        if not names:
            return
        bare = [part for part in names if plain(part) not in self._lexicon.lists["no-streets"]] or names
        ways = {"".join(some) for some in (names, bare, bare[:1])}
        ways |= {f"{compass}{''.join(bare)}" for compass in _compass(names[0])}
        for way in ways if number else ():
            self._streets.append(("".join(filter(str.isalnum, plain(number + way))), False))
        name = "".join(filter(str.isalnum, plain("".join(names if len(names) > 1 else bare))))
        if len(name) > _NUMBER - 1:
            self._streets.append((name, len(names) == 1 and plain(names[0]) in self._lexicon.words))

    def _place(self, organizations: Iterable[Mapping[str, object]]) -> None:
        for one in organizations:
            for text in _strings(one.get("display")):
                self._seek(text, Label.LOCATION)
                own = text.split()
                while len(own) > 1 and plain(own[-1]) in self._lexicon.lists["no-names"]:
                    own.pop()  # Kestrel Harbor, of Kestrel Harbor Hospital
                if len(own) > 1 or plain(own[0]) not in self._lexicon.words:
                    self._seek("".join(own), Label.LOCATION)

    def _town(self, text: str) -> None:
        """A town: in any case when it is no word, else written like a name."""
        if plain(text) in self._lexicon.words:
            self._written |= dict.fromkeys((text.capitalize(), text.upper()), Label.LOCATION)
        elif len(text) < _NUMBER:
            self._written[text] = Label.LOCATION
        else:
            self._seek(text, Label.LOCATION)

    def _identifiers(self, patient: Resource) -> None:
        for identifier in _each(patient.get("identifier")):
            for value in _strings(identifier.get("value")):
                signs = "".join(filter(str.isalnum, plain(value)))
                digits = "".join(filter(str.isdigit, value))
                if len(signs) >= _NUMBER or not value.isalnum():
                    self._sought.setdefault(signs, Label.ID)
                if _NUMBER <= len(digits) < len(signs):
                    self._sought.setdefault(digits, Label.ID)
                if len(bare := digits.lstrip("0")) > _NUMBER:
                    self._sought.setdefault(bare, Label.ID)
                if len(digits) >= _NUMBER:
                    self._tails.setdefault(digits[-4:], Label.ID)

    def _date(self, value: object, key: str) -> None:
        if not isinstance(value, str):
            return
        if key == "birthDate" and value[:4].isdigit():
            self.born = int(value[:4])
        try:
            day = date.fromisoformat(value[:10])
        except ValueError:
            return
        y, yy, m, d = f"{day.year}", f"{day.year % 100:02}", f"{day.month:02}", f"{day.day:02}"
        for digits in (
            m + d + y,
            d + m + y,
            y + m + d,
            m + d + yy,
            d + m + yy,
            f"{day.month}{day.day}{y}",
            f"{day.day}{day.month}{y}",
        ):
            self._sought.setdefault(digits, Label.DATE)


_SHORT = 3  # letters of a short form
_WRITTEN_SHORT = {
    "william": "wm", "charles": "chas", "thomas": "thos", "james": "jas", "george": "geo", "robert": "robt", "edward": "edw",
    "joseph": "jos", "john": "jno", "benjamin": "benj", "samuel": "saml", "daniel": "danl",
}  # fmt: skip
_BEFORE = frozenset((" ", ". ", ".", ", ", "\n", "-"))
_ENDS = frozenset('.,;:)/"\n')
_BESIDE = frozenset({" ", ", ", "-", "\n"})
_TELL = frozenset(("my", "im", "am", "called", "named", "name", "dear", "hi", "hey", "hello"))


def _compass(word: str) -> tuple[str, ...]:
    """N Main is North Main, and Main."""
    for short, long in (
        ("n", "north"),
        ("s", "south"),
        ("e", "east"),
        ("w", "west"),
        ("se", "southeast"),
        ("sw", "southwest"),
        ("ne", "northeast"),
        ("nw", "northwest"),
    ):
        if plain(word) in (short, long):
            return short, long
    return ()


def shortened(key: str) -> set[str]:
    """The word and all it becomes with one letter less: two words that share one are about one letter apart."""
    return {key} | {key[:i] + key[i + 1 :] for i in range(len(key))}


def _each(value: object) -> Iterator[Mapping[str, object]]:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, Mapping):
            yield item


def _strings(value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, str) and item.strip():
            yield item.strip()
