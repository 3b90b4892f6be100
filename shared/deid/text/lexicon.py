"""What a word can be: an English word, a clinical term, a given name, a surname, a place. Several at once, often.

The lists are committed data (schemas/deid/text), written by `shared.deid.text.generate` or by hand; loaded once, on first use.
"""

import unicodedata
from collections.abc import Callable, Container, Mapping
from functools import cache
from pathlib import Path

import rtoml
from msgspec import Struct

from shared.deid.text.wordlist import WordList

FOLDER = Path(__file__).resolve().parents[3] / "schemas" / "deid" / "text" / "lexicon"


def plain(text: str) -> str:
    """Small letters without marks: Malmö and MALMO are one word. The length may change."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).lower()


_LETTERS = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ß": "ss", "æ": "ae", "Æ": "Ae", "’": "'", "‘": "'"}
)


class Lexicon(Struct, frozen=True):
    """The lists, each of words as `plain` writes them."""

    words: Container[str]
    rare: Container[str]
    clinical: Container[str]  # what is no name besides, and what words.toml says
    both: Container[str]  # clinical terms that are names too: Norwalk, Coxsackie
    given: Container[str]
    surnames: Container[str]
    places: Container[str]
    nicknames: Mapping[str, str]  # a name and, with blanks between, all that its bearer is called too
    lists: Mapping[str, frozenset[str]]  # words.toml: titles, relations, credentials, ...


class _Such:
    """The words for which this holds."""

    def __init__(self, holds: Callable[[str], bool]) -> None:
        self._holds = holds

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._holds(word)


@cache
def lexicon() -> Lexicon:
    """The lexicon. Raises OSError when its files are not there."""
    nicknames: dict[str, str] = {}
    for line in (FOLDER / "nicknames.txt").read_text().splitlines():
        for name in line.split():
            nicknames[name] = f"{nicknames[name]} {line}" if name in nicknames else line
    by_hand = rtoml.loads((FOLDER.parent / "words.toml").read_text())
    lists = {name: frozenset(plain(given).split()) for name, given in by_hand.items()}
    lists["never"] |= lists["function"]
    told = lists["eponyms"] | lists["products"] | lists["abbreviations"]
    given, surnames, places, clinical, words, rare = (
        WordList(FOLDER / f"{name}.json") for name in ("given", "surnames", "places", "clinical", "words", "rare")
    )

    def proper(word: str) -> bool:
        return word in given or word in surnames or word in places

    return Lexicon(
        words=words,
        clinical=_Such(lambda word: word in told or (word in clinical and not proper(word))),
        both=_Such(lambda word: word in clinical and proper(word)),
        rare=rare,
        given=given,
        surnames=surnames,
        places=places,
        nicknames=nicknames,
        lists=lists,
    )
