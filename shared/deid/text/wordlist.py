"""A sorted list of words in the form in which the file has it: a membership test, and no object for each word.

As sets the lists are seventy megabytes and a third of a second at each start; as text they are what the files are, and a
question takes half a microsecond longer. A word is looked for among those that begin with the same three letters. Nothing of
what was looked for is remembered: it may be a patient's name.
"""

import re
from pathlib import Path

_BEGINNING = 3  # letters: a few hundred words at most share them
_ALIKE = re.compile(rf"^(.{{{_BEGINNING}}}).*\n(?:\1.*\n)*|^.*\n", re.MULTILINE)  # lines that begin alike; shorter ones


class WordList:
    """The words of a file: one in each line, sorted by code points, each once. Raises OSError without the file.

    What is asked for is one word: with a line break in it the answer says nothing.
    """

    __slots__ = ("_groups",)

    def __init__(self, path: Path) -> None:
        text = path.read_text("utf-8")
        self._groups = {found[1] or found[0][:-1]: "\n" + found[0] for found in _ALIKE.finditer(text)}

    def __contains__(self, word: object) -> bool:
        group = self._groups.get(word[:_BEGINNING]) if isinstance(word, str) else None
        return group is not None and f"\n{word}\n" in group
