"""A list of words in the form in which its file has it: a membership test, and no object for each word.

    aba ⇥ abacus ⇥ abandon ⇥ abate ⇥      a line for the words that begin alike, behind their beginning

As sets of words the lists are seventy megabytes and a third of a second at each start; as lines they are what the files are,
and a question takes half a microsecond longer. Nothing of what was looked for is remembered: it may be a patient's name.
"""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

_BEGINNING = 3  # letters: a few hundred words at most share them


class WordList:
    """The words of a file that `written` gave. Raises OSError without the file.

    What is asked for is one word: with a tab in it the answer says nothing.
    """

    __slots__ = ("_lines",)

    def __init__(self, path: Path) -> None:
        with path.open(encoding="utf-8") as lines:
            self._lines = {line[: line.find("\t")]: line for line in lines}

    def __contains__(self, word: object) -> bool:
        line = self._lines.get(word[:_BEGINNING]) if isinstance(word, str) else None
        return line is not None and f"\t{word}\t" in line


def written(words: Iterable[str]) -> str:
    """The file's text: sorted by code points, each word once."""
    groups = groupby(sorted(set(words)), key=lambda word: word[:_BEGINNING])
    return "".join("\t".join((beginning, *alike, "\n")) for beginning, alike in groups)
