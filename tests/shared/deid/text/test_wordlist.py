"""The lists of words are read where they lie: a word is in one if and only if it stands in its file."""

import random
from pathlib import Path

import orjson
import pytest

from shared.deid.text.lexicon import FOLDER
from shared.deid.text.wordlist import WordList, written

FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_word_is_in_the_list_exactly_if_it_stands_in_the_file(path: Path) -> None:
    text = path.read_text("utf-8")
    there = [word for alike in orjson.loads(text).values() for word in alike[1:-1].split("|")]
    assert written(there) == text, "each once, at its beginning: what the search rests on"
    words, listed, chance = frozenset(there), WordList(path), random.Random(7)
    known = [*chance.sample(there, 4000), there[0], there[-1]]
    assert [word for word in known if word not in listed] == []
    asked = {made for word in known for made in _near(word, chance)}
    assert [word for word in asked if (word in listed) is not (word in words)] == []
    assert len(asked - words) > 1000, "most of what was asked for is not there"


def _near(word: str, chance: random.Random) -> list[str]:
    """Other words near this one, and what is none."""
    at = chance.randrange(len(word))
    return [word[:at], word[at:], word[:at] + "x" + word[at:], word + "\n", "\n" + word, word.upper(), word[::-1], ""]
