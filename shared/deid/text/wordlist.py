"""A list of words in the form in which its file has it: a membership test, and no object for each word.

    "aba": "|aba|abacus|abandon|abate|"     the words that begin with these three letters
    "ab":  "|abcoulomb|abfarad|abwatt|"     where few do, with these two

As sets of words the lists are seventy megabytes and a third of a second at each start; as these texts they are what the files
are, and a question takes half a microsecond longer. Nothing of what was looked for is remembered: it may be a patient's name.
"""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from msgspec import json

_LONG, _SHORT = 3, 2  # letters of a beginning: a few hundred words at most share the long one
_FEW = 60  # characters: words that are shorter together have no text of their own


class WordList:
    """The words of a file that `written` gave. Raises OSError without the file, ValueError when it is not of that form.

    What is asked for is one word: with a `|` in it the answer says nothing.
    """

    __slots__ = ("_alike",)

    def __init__(self, path: Path) -> None:
        self._alike = json.decode(path.read_bytes(), type=dict[str, str])

    def __contains__(self, word: object) -> bool:
        if not isinstance(word, str):
            return False
        alike = self._alike.get(word[:_LONG]) or self._alike.get(word[:_SHORT])
        return alike is not None and f"|{word}|" in alike


def written(words: Iterable[str]) -> str:
    """The file's text, a beginning on each line: sorted by code points, each word once."""
    texts: dict[str, str] = {}
    for beginning, alike in groupby(sorted(set(words)), key=lambda word: word[:_LONG]):
        text = "|".join(alike)
        at = beginning if len(beginning) == _LONG and len(text) >= _FEW else beginning[:_SHORT]
        texts[at] = f"{texts.get(at, '|')}{text}|"
    return "{\n" + ",\n".join(f'"{beginning}":"{text}"' for beginning, text in sorted(texts.items())) + "\n}\n"
