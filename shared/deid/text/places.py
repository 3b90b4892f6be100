"""Places that no record lists: clinics, schools, employers, towns. Runs of capitals, told by how they end or what stands before.

Left out: streets (their form tells, streets.py) and single words that may as well be a person's name (names.py).
"""

from collections.abc import Iterator
from typing import final

from shared.deid.text.reading import Kind, Reading
from shared.deid.text.tokens import Shape, Start, Word

type Run = tuple[int, int]  # the first word and the one after the last

_LONGEST = 8  # words of a run
_LONGEST_TOWN = 4
_GAPS = frozenset((" ", "-", " & ", "'s ", "’s ", ". ", "/", " - ", "s' ", " @ "))
_LEADS = frozenset(("in", "from", "near", "outside"))
_SHORT = 3  # letters
_MOVES = frozenset(
    ("moving", "moved", "move", "flying", "flew", "fly", "drove", "driving", "drive", "traveling", "travelling", "travel",
     "going", "went", "back", "trip")
)  # fmt: skip
_BEFORE_SMALL = frozenset(("in", "at", "from", "to", "calling", "near"))


@final
class Places:
    """Finds places in one text."""

    def __init__(self, reading: Reading) -> None:
        self._reading, self._words = reading, reading.words
        self._lists, self._lexicon = reading.lists, reading.lexicon

    def runs(self) -> Iterator[Run]:
        """The places, as runs of words."""
        words, index, careless = self._words, 0, self._reading.careless
        while index < len(words):
            found: Run | None = None
            if words[index].shape is not Shape.SMALL:
                last = self._end(index)
                found = self._named(index, last) or self._town(index, last)
            else:
                found = self._small(index) or self._town(
                    index, min(index + _LONGEST_TOWN, len(words)) if careless else index + 1
                )
            if found:
                yield found
                index = max(found[1], index + 1)
                if (town := self._after_comma(index)) is not None:
                    yield town
            else:
                index += 1

    def _after_comma(self, index: int) -> Run | None:
        """The town behind a place: Biscayne University Hospital, Miami."""
        if index >= len(self._words) or self._words[index].gap != ", " or self._words[index].shape is not Shape.CAPITAL:
            return None
        word, lists = self._words[index], self._lists
        told = word.key in self._lexicon.places or self._reading.kind(word) is Kind.STRANGE
        dull = word.key in lists["never"] or word.key in lists["common"] or word.key in lists["titles"]
        return (index, index + 1) if told and not dull and word.key not in self._lexicon.given else None

    def _end(self, first: int) -> int:
        """The end of a run of capitals, with the small words that may stand inside."""
        words, at, end = self._words, first + 1, first + 1
        while at < len(words) and at - first < _LONGEST:
            word = words[at]
            if word.gap not in _GAPS or (word.gap == ". " and words[at - 1].key not in ("st", "mt", "ft")):
                break
            if word.shape is not Shape.SMALL:
                end = at + 1
            elif word.key not in self._lists["inner"] or word.gap != " ":
                break
            at += 1
        return end

    def _named(self, first: int, last: int) -> Run | None:
        """A run that ends in what a place is called, or that follows `at` or `in`, and is more than a kind of place."""
        words, lists = self._words, self._lists
        start, before = words[first], self._before(first)
        saint = (
            start.key in ("st", "saint", "mt", "mount", "ft", "fort")
            and last - first > 1
            and words[first + 1].shape is Shape.CAPITAL
        )
        lady = start.key == "our" and last - first > 2 and words[first + 1].key == "lady"
        if not (saint or lady) and (
            start.key in lists["function"] or start.key in lists["titles"] or start.key in lists["relations"]
        ):
            return None
        if (
            start.shape is Shape.SHOUTED
            and not start.shouted
            and (start.key in lists["abbreviations"] or start.key in lists["facilities"])
            and not saint
        ):
            return None
        if before is not None and before.key in lists["titles"] and start.gap in (" ", ". "):
            return None
        if (
            start.begins is Start.HARD
            and last - first > 2
            and start.key.endswith(("ly", "ed", "ing", "es"))
            and not self._reading.strange(start)
        ):
            return None  # Formerly of Coos Bay: the run begins with the next word
        for end in range(last, first + 1, -1):
            if (
                words[end - 1].key in lists["facilities"]
                and words[end - 1].shape is not Shape.SMALL
                and (saint or self._own(first, end - 1))
            ):
                rest = words[last - 1]
                follows = (
                    last - end == 1 and rest.shape is Shape.CAPITAL and rest.key not in lists["never"] | lists["titles"]
                )
                more = end < last and words[end].key == "of"  # Silver Creek Church of Christ
                return first, last if more or (follows and rest.gap == " ") else end  # Four Corners Legal Aid
        if (saint or lady) and not start.shouted:
            return first, min(last, first + (5 if lady else 4))
        return (first, last) if before is not None and self._after_at(first, last, before) else None

    def _before(self, first: int) -> Word | None:
        """The word before, past `the`."""
        at = first - 1
        if at > 0 and self._words[at].key == "the" and self._words[at].gap == " ":
            at -= 1
        return self._words[at] if at >= 0 else None

    def _after_at(self, first: int, last: int, before: Word) -> bool:
        words, lists, reading = self._words, self._lists, self._reading
        start = words[first]
        run = [word for word in words[first:last] if word.key not in self._lists["inner"] and len(word.key) > 1]
        if start.gap != " " or start.heading or start.shouted or len(run) < 2:
            return False
        strange = any(reading.strange(word) for word in run)
        if not (
            before.key in _LEADS
            or before.key == "at"
            or (before.key == "to" and len(run) > 2)
            or (before.key == "for" and len(run) > 2 and strange)
        ):
            return False
        if any(word.key in lists["titles"] for word in run):
            return False
        dull = sum(
            word.key in lists["generic"] or word.key in lists["common"] or reading.kind(word) is Kind.CLINICAL
            for word in run
        )
        return strange or dull * 2 < len(run)

    def _own(self, first: int, end: int) -> bool:
        """Whether these words tell one place from another."""
        words, lists, reading = self._words, self._lists, self._reading
        own = [word for word in words[first:end] if word.key not in self._lists["inner"]]
        if not own or all(
            word.key in lists["generic"]
            or word.key in lists["common"]
            or word.key in lists["abbreviations"]
            or self._term(word)
            for word in own
        ):
            return False
        start = words[first]
        if (start.heading or start.shouted) and start.begins is not Start.INSIDE:
            if any(reading.strange(word) and (not word.shouted or self._lexicon_proper(word.key)) for word in own):
                return True
            # a letterhead: the whole line, and its first word is of no kind of care
            alone = start.heading and (end + 1 >= len(words) or "\n" in words[end + 1].gap)
            return (
                alone
                and reading.kind(start) is Kind.ORDINARY
                and start.key not in lists["generic"]
                and start.key not in lists["common"]
            )
        return not (
            words[first].begins is Start.HARD
            and len(own) == 1
            and not reading.strange(own[0])
            and words[end].key in lists["generic"]
        )

    def _term(self, word: Word) -> bool:
        """A clinical term that is no name besides: an eponym can name a hospital too."""
        return self._reading.kind(word) is Kind.CLINICAL and not self._lexicon_proper(word.key)

    def _lexicon_proper(self, key: str) -> bool:
        return key in self._lexicon.surnames or key in self._lexicon.places or key in self._lexicon.given

    def _small(self, index: int) -> Run | None:
        """Where nobody types capitals: copper queen clinic, robertson hi, after `at` or `in`."""
        words, lists = self._words, self._lists
        if words[index].key not in self._lists["facilities-small"]:
            return None
        first = index
        while (
            first > 0
            and index - first < 2
            and words[first].gap == " "
            and words[first - 1].key not in lists["function"]
            and words[first - 1].key not in _BEFORE_SMALL
        ):
            first -= 1
        own = words[first:index]
        if not self._reading.careless and any(word.shape is not Shape.SMALL for word in own):
            return None  # where capitals are typed, the run above has seen it
        if all(
            word.key in lists["generic"]
            or word.key in lists["common"]
            or self._term(word)
            or word.key in lists["titles"]
            for word in own
        ):
            return None
        before = words[first - 1] if first else None
        placed = before is not None and words[first].gap == " " and before.key in _BEFORE_SMALL
        return (first, index + 1) if placed or any(self._reading.strange(word) for word in own) else None

    def _town(self, first: int, last: int) -> Run | None:
        """A town of the list, of one word or several."""
        words, lexicon, lists, reading = self._words, self._lexicon, self._lists, self._reading
        start, before = words[first], words[first - 1] if first else None
        if start.key in lists["function"] and start.shape is Shape.SMALL:
            return None
        placed = before is not None and start.gap == " " and (before.key in _LEADS or before.key in ("to", "at", "by"))
        for end in range(min(last, first + _LONGEST_TOWN), first, -1):
            key = " ".join("saint" if word.key == "st" else word.key for word in words[first:end])
            if (key not in lexicon.places and key.replace("-", " ") not in lexicon.places) or any(
                word.gap not in (" ", "-", ". ") for word in words[first + 1 : end]
            ):
                continue
            if end - first > 1:
                quiet = (
                    not start.heading
                    and not start.shouted
                    and start.key not in lists["titles"]
                    and start.begins is not Start.HARD
                )
                dull = all(
                    word.key in lists["generic"] or reading.kind(word) is Kind.CLINICAL for word in words[first:end]
                )
                if quiet and (placed or not dull):
                    return first, end
            elif placed and start.key not in lists["never"] and key not in lists["common"]:
                if start.shape is Shape.SMALL:
                    unknown = key not in lexicon.words and key not in lexicon.rare and len(key) > _SHORT
                    if unknown and self._moved(first):
                        return first, end
                elif reading.kind(start) is not Kind.CLINICAL or (self._moved(first) and not self._thing(end)):
                    return first, end
        return None

    def _moved(self, index: int) -> bool:
        """Whether a word follows `in`, or `to` after a word of moving."""
        before = self._words[index - 1]
        if before.key in _LEADS:
            return True
        return before.key == "to" and index > 1 and self._words[index - 2].key in _MOVES

    def _thing(self, index: int) -> bool:
        """Whether what follows makes an eponym of it: Glasgow score."""
        return index < len(self._words) and self._words[index].key in self._lists["things"]
