"""Names of people that no record lists: told by their letters, their place in the sentence, and their company.

Each word that is written like a name collects evidence: no English or clinical word, a known given name or surname, a
capital in the middle of a sentence, a title or a relation before it, a credential behind it. From a threshold on it
is a name. Names found once count everywhere in the text.

Left out: what words mean. A name that is an ordinary word in small letters, with nothing beside it that tells, stays.
"""

import re
from collections.abc import Collection, Iterator
from typing import final

from shared.deid.text.port import Label, Span
from shared.deid.text.reading import Kind, Reading
from shared.deid.text.tokens import Shape, Start, Word

_ENOUGH = 2.0
_ODD = (Kind.STRANGE, Kind.UNSURE)
_NEAR = frozenset({" ", ". ", " (", ", ", ": ", " - ", ' "', " “", "/", " / "})
_JOINED = frozenset({" ", "-", " “", ' "', "” ", '" '})
_NUMERALS = frozenset(("ii", "iii", "iv", "jr", "sr"))
_PLACED = frozenset(("in", "from", "near", "outside"))
_CREDENTIAL_GAPS = frozenset((", ", " ", " (", ","))
_DOUBTFUL = frozenset(("ms", "pt", "ma", "ot", "st", "do", "pa"))  # credentials that are more often something else
_AFTER_INITIAL = frozenset('.,;:)/"\n')
_BREAKS = frozenset((" -", " –", " —", " /", " (", " |", " &"))
_CREDENTIAL = re.compile(r"(?:M\.? ?D|D\.O|R\.N|P\.A|N\.P|Ph\.? ?D|O\.T|P\.T|M\.B|B\.S|M\.S|M\.A|D\.D\.S|O\.D)\b")
_DOSE = re.compile(
    r"[- ]?\d{1,4}(?:[.,/]\d+)*(?:-\d+)?(?: ?(?:mg|mcg|g|ml|units?|%|iu|meq|tabs?|puffs?|caps?|x|bid|tid|daily"
    r"|qd|od|bd|po|gp)\b|%|(?=[,.;)]?(?:\s|$)))",
    re.IGNORECASE,
)
_SIGNED = (
    re.compile(r"(?:^|\n|[.!?)] )\s*[-–—/~]+ ?([A-Za-z]{2,4}|(?:[A-Z]\.){2,4})\s*/?\s*(?:$|\n)"),
    re.compile(r"[/-]([a-z]{2,3})/?\s*$|/([a-z]{2,3})/"),
    re.compile(r"(?:^|\n|\s{2,})([A-Z]{2,4})[/:] ?[a-z]{2,3}\s*$"),
    re.compile(r"(?:^|\n|\s{2,})[A-Z]{2,4}[/:] ?([a-z]{2,3})\s*$"),
    re.compile(r"[.!?)\d]\s+([A-Z]{2,3}|[a-z]{3})\s*$"),
    re.compile(r"\b(?:[Cc]o-?sign|[Cc]osigned|[Ii]nitial(?:s|ed)(?: \w+){0,3})[:,]? \"?([A-Z]{2,4}|[a-z]{3})\b"),
    re.compile(
        r"\b(?:initials?|initialed|initialled|signed|scribe|scribed by|dictated by|typed by|transcribed by|author),?:?"
        r" ?((?:[A-Z]\.? ?){2,4}|[A-Z]{2,4})(?![A-Za-z])"
    ),
    re.compile(r"(?<![\w.])((?:[A-Z]\.-?){2,4})(?=[,;:)\s]|$)"),
)


@final
class Names:
    """Finds names in one text. `known` are the record's."""

    def __init__(self, reading: Reading, known: Collection[str]) -> None:
        self._reading, self._words = reading, reading.words
        self._lexicon, self._lists = reading.lexicon, reading.lists
        self._found = set(known)  # names count wherever they stand

    def spans(self, taken: Collection[int]) -> Iterator[Span]:
        """The names among the words that are not taken by a place."""
        words = self._words
        marked = []
        for index, word in enumerate(words):
            if index not in taken and self._evidence(index, word) >= _ENOUGH:
                marked.append(index)
                self._remember(word)
        found = {*marked, *(i for i, word in enumerate(words) if i not in taken and self._again(word))}
        named = found | self._beside(found, taken)
        for index in sorted(named):
            word = words[index]
            yield Span(word.start, word.end, Label.LOCATION if self._is_place(index) else Label.NAME)
        yield from self._initials(named)

    def _remember(self, word: Word) -> None:
        for key in {word.key, *word.key.split("-")}:
            if len(key) > 2 and key not in self._lexicon.words and key not in self._lexicon.clinical:
                self._found.add(key)

    def _again(self, word: Word) -> bool:
        return word.shape is not Shape.SMALL and word.key in self._found and word.key not in self._lists["never"]

    def _evidence(self, index: int, word: Word) -> float:
        """How much speaks for a name."""
        reading, lists, words = self._reading, self._lists, self._words
        kind = reading.kind(word)
        if kind is Kind.NEVER and self._month_after_mister(index, word):
            return _ENOUGH
        if kind is Kind.NEVER or word.shape is Shape.ODD or len(word.key) < 2:
            return 0
        before = words[index - 1] if index else None
        after = words[index + 1] if index + 1 < len(words) else None
        if word.shape is Shape.SMALL:
            return self._small(word, before)
        if (word.key in lists["credentials"] and word.shape is Shape.SHOUTED) or (
            (word.key in lists["titles"] or word.key in lists["relations"])
            and after is not None
            and after.shape is not Shape.SMALL
        ):
            return 0
        return (
            self._letters(word, kind)
            + self._company_before(word, kind, before)
            + self._company_after(index, word, kind, after)
        )

    def _month_after_mister(self, index: int, word: Word) -> bool:
        """Dr April Dean."""
        before = self._words[index - 1] if index else None
        titled = before is not None and before.key in self._lists["mister"] and word.gap in (" ", ". ")
        return titled and word.shape is Shape.CAPITAL and word.key in self._lists["months"]

    def _letters(self, word: Word, kind: Kind) -> float:
        """What the word alone tells, and whether a capital stands where none must."""
        key, lexicon = word.key, self._lexicon
        strange = self._reading.strange(word)
        if word.shape is Shape.SHOUTED:
            listed = self._reading.listed(key)
            if (
                key in self._lists["abbreviations"]
                or kind is Kind.CLINICAL
                or (not strange and word.shouted)
                or (len(key) < 4 and key not in lexicon.given)
            ):
                return -1
            if strange and (listed or any(map(self._reading.listed, key.split("-")))):
                return 2 if len(key) > 3 else 1
            return 1 if strange and len(key) > 5 else 0
        score = 2.0 if strange else 0.0
        score += 1 if key in lexicon.given else 0.5 if key in lexicon.surnames else 0
        if word.begins is Start.INSIDE:
            score += 0 if word.heading else 1
        elif word.begins is Start.SOFT:
            score += 0.25
        if kind is Kind.CLINICAL:
            score -= 1
        elif word.heading and not strange:
            score -= 0.5
        if key in lexicon.both and word.begins is Start.INSIDE and not word.heading:
            score += 0.5
        if not strange and key in self._lists["common"]:
            score -= 1
        return score - (1 if len(key) < 3 else 0)

    def _company_before(self, word: Word, kind: Kind, before: Word | None) -> float:
        if before is None:
            return 0
        lists, score = self._lists, 0.0
        ordinary = kind not in _ODD
        last = before.key.rsplit("-", 1)[-1]
        if (
            word.gap in (" ", ". ", ".")
            and before.key in lists["titles"]
            and (before.shape is not Shape.SMALL or not ordinary or before.key in self._lists["mister"])
        ):
            if before.key in self._lists["mister"]:
                score += 0 if ordinary and word.shouted else 3
            else:
                score += 2 if not ordinary else 0 if word.heading or word.shouted or word.key in lists["common"] else 1
        elif (
            word.gap == " "
            and before.shape is Shape.SHOUTED
            and before.key in lists["credentials"]
            and word.shape is Shape.CAPITAL
        ):
            score += 1.5
        elif (
            word.gap in _NEAR
            and word.begins is not Start.HARD
            and (before.key in lists["relations"] or last in lists["relations"])
        ):
            if word.shape is Shape.CAPITAL or self._reading.listed(word.key):
                score += 2 if not ordinary or word.gap != ": " else 0
        elif word.gap == ": " and before.key in lists["titles"] and self._reading.listed(word.key):
            score += 1.5  # Coordinator: Marguerite
        elif word.gap == " " and before.key in self._lists["particles-first"] and before.shape is Shape.SMALL:
            score += 1
        if kind is Kind.CLINICAL:
            return score
        if before.shape is Shape.SMALL and word.gap in (" ", ". ", ": ") and before.key in self._lists["tells"]:
            score += 0.75
        if word.gap in _JOINED and self._is_name(before):
            score += 1.5
        return score

    def _company_after(self, index: int, word: Word, kind: Kind, after: Word | None) -> float:
        lists, score, key = self._lists, 0.0, word.key
        if kind in _ODD and _DOSE.match(self._reading.text, word.end):
            score -= 1.5
        if after is None:
            return score
        if (
            after.key in lists["credentials"]
            and after.gap in _CREDENTIAL_GAPS
            and after.shape is not Shape.SMALL
            and len(after.key) > 1
            and (after.gap != " " or after.key not in _DOUBTFUL)
        ):
            score += 2.5 if kind in _ODD or word.begins is Start.INSIDE else 1.5
        if after.shape is Shape.SMALL and after.gap in (" ", "'s ", "’s ") and after.key in lists["things"]:
            score -= 2
        if self._pair(word, after):
            score += 2
        if after.gap == " (" and after.key in lists["fields"]:
            score += 1.5
        if kind is Kind.CLINICAL:
            return score
        if after.shape is Shape.SMALL:
            if after.gap in (" ", " (", ", ") and after.key in self._lists["verbs"]:
                score += 0.75
            if after.gap in (" (", ", ") and after.key in lists["relations"]:
                score += 1
        if (
            len(after.text) == 1
            and after.text.isupper()
            and after.gap == " "
            and key in self._lexicon.given
            and self._ends(index + 2)
        ):
            score += 1.5
        if word.possessive and kind in _ODD:
            score += 1
        if after.gap in (" ", "-", ", ") and after.shape is word.shape and self._is_name(after):
            score += 1 if self._reading.listed(key) else 0.5
        return score

    def _pair(self, word: Word, after: Word) -> bool:
        """A given name and a surname of the lists, side by side: even two words of the language are then a name."""
        lists, lexicon, key = self._lists, self._lexicon, after.key
        if word.key not in lexicon.given or key not in lexicon.surnames or word.heading:
            return False
        written = after.gap == " " and after.shape is Shape.CAPITAL is word.shape and len(key) > 1
        return written and key not in lists["common"] and key not in lists["never"] and key not in lists["things"]

    def _small(self, word: Word, before: Word | None) -> float:
        """A word in small letters is a name only where nobody types capitals, or right behind a title."""
        key, lexicon, lists = word.key, self._lexicon, self._lists
        careless = self._reading.careless
        strange = self._reading.strange(word)
        titled = (
            before is not None
            and word.gap in (" ", ". ", ", ")
            and (before.key in lists["titles"] or before.key in lists["relations"])
        )
        if titled and before is not None and len(key) > 2 and key not in lists["common"]:
            if before.key in self._lists["mister-small"]:
                return 2 if strange or (key in lexicon.surnames and word.gap != ", ") else 0
            if strange or (careless and key in lexicon.given and before.key not in ("pt", "ot", "ma")):
                return 2 if careless or self._reading.listed(key) else 1
        if not strange or not careless or len(key) < 3:
            return 0
        score = 2.0 if key in lexicon.given else 1.5 if key in lexicon.surnames or key in lexicon.places else 0
        if before is not None and (self._is_name(before) or before.key in self._lists["tells-small"]):
            score += 0.75
        return score

    def _is_name(self, word: Word) -> bool:
        key = word.key
        if key in self._found:
            return word.shape is not Shape.SMALL or key not in self._lexicon.words
        if word.shape is not Shape.CAPITAL:
            return False
        kind = self._reading.kind(word)
        return self._reading.strange(word) or (
            key in self._lexicon.given and kind is Kind.ORDINARY and key not in self._lexicon.words
        )

    def _ends(self, index: int) -> bool:
        """Whether a sentence, line or bracket ends before this word."""
        gap = self._words[index].gap if index < len(self._words) else "."
        return gap[:1] in _AFTER_INITIAL or gap[:2] in _BREAKS

    def _is_place(self, index: int) -> bool:
        """A name that follows `in` or `from` is a place's more often than a person's."""
        word = self._words[index]
        before = self._words[index - 1] if index else None
        return (
            before is not None
            and word.gap == " "
            and before.key in _PLACED
            and (word.key in self._lexicon.places or word.key not in self._lexicon.given)
        )

    def _beside(self, marked: Collection[int], taken: Collection[int]) -> set[int]:
        """Words that stand next to names and are written like them: van der, the surname Stern after Maribel."""
        more: set[int] = set()
        words = self._words
        for index in sorted(marked):
            at = index + 1
            while (
                at < len(words)
                and at not in marked
                and at not in taken
                and self._continues(words[at - 1], words[at], at)
            ):
                more.add(at)
                at += 1
            at = index - 1
            while (
                at >= 0
                and at not in marked
                and at not in taken
                and words[at + 1].gap in (" ", "-")
                and self._leads(words[at], at, marked, more)
            ):
                more.add(at)
                at -= 1
        return more

    def _continues(self, before: Word, word: Word, at: int) -> bool:
        key, lists = word.key, self._lists
        if word.gap not in (" ", "-", ' "', " “", '" ', "” ") and not (word.gap == ". " and len(before.text) == 1):
            return False
        if key in _NUMERALS or self._pair(before, word):
            return True
        if len(word.text) == 1 and word.text.isupper():
            follows = self._words[at + 1] if at + 1 < len(self._words) else None
            return (
                follows is not None
                and follows.gap == ". "
                and follows.shape is Shape.CAPITAL
                and self._reading.listed(follows.key)
            )
        if word.shape is Shape.SMALL:
            follows = self._words[at + 1] if at + 1 < len(self._words) else None
            if (
                key in self._lists["particles"]
                and word.gap == " "
                and follows is not None
                and follows.gap == " "
                and follows.shape is Shape.CAPITAL
            ):
                return True
            return self._reading.careless and self._reading.strange(word) and word.gap == " "
        if word.shape is not Shape.CAPITAL or word.begins is Start.HARD or word.heading:
            return False
        if (
            len(word.text) == 1
            or (key in lists["never"] and key not in lists["numbers"])
            or key in lists["common"]
            or key in lists["credentials"]
            or key in lists["titles"]
            or key in lists["facilities"]
        ):
            return False
        return self._reading.kind(word) is not Kind.CLINICAL

    def _leads(self, word: Word, at: int, marked: Collection[int], more: Collection[int]) -> bool:
        key, lists = word.key, self._lists
        if word.shape is Shape.SMALL:
            return key in self._lists["particles-first"] or (
                key in self._lists["particles"] and (at - 1 in marked or at - 1 in more)
            )
        if word.shape is not Shape.CAPITAL or key in lists["never"] or key in lists["titles"] or key in lists["common"]:
            return False
        if key in ("baby", "boy", "girl") or (word.begins is Start.HARD and self._credentialed(at + 1)):
            return True  # Baby Boy Kuznetsov; Octave Lebrun, CNM
        return key in self._lexicon.given and self._reading.kind(word) is not Kind.CLINICAL

    def _credentialed(self, at: int) -> bool:
        after = self._words[at + 1] if at + 1 < len(self._words) else None
        return (
            after is not None
            and after.gap in (", ", ",")
            and after.shape is Shape.SHOUTED
            and after.key in self._lists["credentials"]
        )

    def _initials(self, named: Collection[int]) -> Iterator[Span]:
        """Single letters beside names, and the letters with which people sign."""
        words, text = self._words, self._reading.text
        for index, word in enumerate(words):
            if len(word.text) != 1 or not word.text.isupper() or _CREDENTIAL.match(text, word.start):
                continue
            if word.start and text[word.start - 1].isalnum():
                continue  # 20G
            follows = index - 1 in named and word.gap in (" ", ", ") and (self._ends(index + 1) or index + 1 in named)
            leads = index + 1 in named and words[index + 1].gap in (". ", " ", ".")
            if leads or follows:
                yield Span(word.start, word.end, Label.NAME)
        for pattern in _SIGNED:
            for match in pattern.finditer(text):
                group = 1 if match.group(1) else 2
                letters = match.group(group)
                key = letters.lower().replace(".", "").replace(" ", "")
                if (letters[0].isupper() and key in self._lexicon.given) or (
                    key not in self._lists["credentials"]
                    and key not in self._lists["never"]
                    and ("." in letters or (key not in self._lexicon.words and key not in self._lists["abbreviations"]))
                ):
                    yield Span(*match.span(group), Label.NAME)
