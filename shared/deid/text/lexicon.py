"""What a word can be: an English word, a clinical term, a given name, a surname, a place. Several at once, often.

The lists are committed data (schemas/deid/text), written by `shared.deid.text.generate` or by hand; loaded once, on first use.
"""

import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The lists, each a set of words as `plain` writes them."""

    words: frozenset[str]
    rare: frozenset[str]
    clinical: frozenset[str]  # what is no name besides, and what words.toml says
    both: frozenset[str]  # clinical terms that are names too: Norwalk, Coxsackie
    given: frozenset[str]
    surnames: frozenset[str]
    places: frozenset[str]
    nicknames: Mapping[str, frozenset[str]]
    lists: Mapping[str, frozenset[str]]  # words.toml: titles, relations, credentials, ...


@cache
def lexicon() -> Lexicon:
    """The lexicon. Raises OSError when its files are not there."""

    def read(name: str) -> frozenset[str]:
        return frozenset((FOLDER / f"{name}.txt").read_text().split("\n")) - {""}

    short: dict[str, set[str]] = {}
    for line in read("nicknames"):
        name, *others = line.split()
        for one in (name, *others):
            short.setdefault(one, set()).update(others, (name,))
    by_hand = tomllib.loads((FOLDER.parent / "words.toml").read_text())
    lists = {name: frozenset(map(plain, given.split())) for name, given in by_hand.items()}
    lists["never"] |= lists["function"]
    given, surnames, places, clinical = (read(name) for name in ("given", "surnames", "places", "clinical"))
    proper = given | surnames | places
    return Lexicon(
        words=read("words"),
        clinical=(clinical - proper) | lists["eponyms"] | lists["products"] | lists["abbreviations"],
        both=clinical & proper,
        rare=read("rare"),
        given=given,
        surnames=surnames,
        places=places,
        nicknames={name: frozenset(others) for name, others in short.items()},
        lists=lists,
    )
