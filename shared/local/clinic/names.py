"""Names that nobody bears, so that finding one anywhere means that it came from the clinic.

Each has a consonant cluster in its middle that no English or clinical word, no code and no FHIR name has (such as rvz),
and at least eight letters: a shorter one would turn up by chance in base64, which is read without regard to case. Some
carry a diacritic, and any can be written in Cyrillic, for a matcher that knows ASCII only must fail here first.
"""

import random
import unicodedata

_ONSETS = (
    "zv",
    "vr",
    "kv",
    "zh",
    "dzh",
    "j",
    "thr",
    "v",
    "z",
    "k",
    "br",
    "gr",
    "tz",
    "y",
    "m",
    "sz",
    "l",
    "t",
    "d",
    "b",
    "n",
)
_VOWELS = "aeiou"
_CLUSTERS = (
    "rvz",
    "lzv",
    "kzh",
    "tvj",
    "gzr",
    "vzh",
    "lqv",
    "rqh",
    "nzk",
    "bzl",
    "jzd",
    "mzv",
    "dzr",
    "pzh",
    "vjk",
    "hzv",
)
_GIVEN = ("iel", "ona", "eth", "irel", "une", "aya", "ander", "osh", "ilde", "emin")
_FAMILY = ("emar", "othen", "ulin", "askar", "ivel", "andro", "orun", "izek", "eluth", "aben")
_PLACE = ("aford", "ebury", "imouth", "oham", "unger", "awick")
_DIACRITICS = {"a": "áåã", "e": "éëè", "i": "íï", "o": "öøó", "u": "üúů"}
_CYRILLIC = str.maketrans(
    dict(zip("abdefghijklmnopqrstuvwyz", "абдефгхийклмнопкрстувщыз", strict=True)) | {"x": "кс", "c": "ц"}
)

LEAST = 8  # letters


class Names:
    """A source of names. As in life, two people may have the same."""

    def __init__(self, source: random.Random) -> None:
        self._random = source

    def given(self) -> str:
        """A first, middle or pet name."""
        return self._accented(self._new(_GIVEN))

    def family(self) -> str:
        """A family name of one part."""
        return self._accented(self._new(_FAMILY))

    def place(self) -> str:
        """A town, a street, or what a clinic is called after."""
        return self._new(_PLACE)

    def _new(self, endings: tuple[str, ...]) -> str:
        while True:
            pick = self._random.choice
            name = (pick(_ONSETS) + pick(_VOWELS) + pick(_CLUSTERS) + pick(endings)).capitalize()
            if len(name) >= LEAST:
                return name

    def _accented(self, name: str) -> str:
        if self._random.random() < 0.8:
            return name
        at = max(name.rfind(vowel) for vowel in _VOWELS)
        return name[:at] + self._random.choice(_DIACRITICS[name[at]]) + name[at + 1 :]


def folded(name: str) -> str:
    """The name as an e-mail address or an old system has it: without diacritics."""
    plain = name.replace("ø", "o").replace("Ø", "O")
    return "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))


def cyrillic(name: str) -> str:
    """The name in Cyrillic letters, one for one; no claim to be a proper transliteration."""
    return folded(name).lower().translate(_CYRILLIC).title()
