"""One text as the finders read it: its words, and what each can be by the lexicon."""

from enum import Enum
from typing import final

from shared.deid.text.lexicon import Lexicon
from shared.deid.text.tokens import Shape, Start, Word, words

_VOWELS = frozenset("aeiouy")
# What such words end in.
_MEDICAL = (
    "itis", "osis", "oses", "emia", "aemia", "ectomy", "otomy", "ostomy", "oscopy", "plasty", "graphy", "graphic",
    "gram", "pathy", "pathic", "algia", "uria", "penia", "philia", "cytosis", "oma", "omas", "mab", "mabs", "nib",
    "statin", "pril", "sartan", "olol", "azole", "cillin", "mycin", "micin", "floxacin", "cycline", "oxetine",
    "triptan", "gliptin", "glutide", "flozin", "parin", "xaban", "dipine", "zosin", "zepam", "zolam", "barbital",
    "caine", "solone", "tidine", "prazole", "lukast", "terol", "tropium", "dronate", "ology", "ologist", "ologic",
    "ological", "iatric", "iatry", "scope", "metry", "genic", "lytic", "plegia", "paresis", "phasia", "phagia", "pnea",
    "pnoea", "rrhea", "rrhoea", "rrhage", "trophy", "trophic", "tropic", "ectasis", "stasis", "stenosis", "lysis",
    "emic", "etic", "otic", "itic", "opic", "ical", "ically",
)  # fmt: skip
_ENGLISH = (
    "tion", "tions", "sion", "ing", "ings", "ness", "ment", "ments", "ably", "ibly", "ally", "ular", "eal", "oid",
    "oids", "ase", "ate", "ed", "ide", "ine", "ism", "ist", "ists", "ity", "ities", "ive", "less", "like", "free",
    "ful", "able", "ible", "ous", "ously", "ics", "logic", "vir", "sone", "meter",
)  # fmt: skip
_CONTRACTED = ("'d", "'ll", "'m", "'re", "'t", "'ve")
_CARELESS = 0.06  # the share of words with a capital, below which nobody typed any


class Kind(Enum):
    """What a word is by the lexicon."""

    NEVER = 0  # never a name by itself
    CLINICAL = 1  # a term, an eponym, a drug, an abbreviation
    ORDINARY = 2  # a word of the language, which may be a name too
    UNSURE = 3  # none of these, but it ends like a word
    STRANGE = 4  # none of these


@final
class Reading:
    """The words of one text."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text, self.lexicon = text, lexicon
        self.lists = lexicon.lists
        low = text.lower()  # of the same length: a few letters have a longer small form
        self.low = low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        self.words = words(text)
        capitals = sum(word.shape is not Shape.SMALL for word in self.words)
        self.careless = len(self.words) > 3 and capitals <= max(1, _CARELESS * len(self.words))
        self._kinds: dict[str, Kind] = {}

    def kind(self, word: Word) -> Kind:
        """What the word is; a word put together with hyphens is what its parts are."""
        key = word.key if "-" not in word.key else word.text
        found = self._kinds.get(key)
        if found is None:
            found = self._kinds[key] = self._kind(word)
        return found

    def listed(self, key: str) -> bool:
        """A given name or surname of the lists."""
        return key in self.lexicon.given or key in self.lexicon.surnames

    def strange(self, word: Word) -> bool:
        """No word that the lexicon knows; one that ends like a word only where nothing else asks for its capital."""
        kind = self.kind(word)
        return kind is Kind.STRANGE or (
            kind is Kind.UNSURE and word.shape is Shape.CAPITAL and word.begins is Start.INSIDE and not word.heading
        )

    def _kind(self, word: Word) -> Kind:
        key, lexicon = word.key, self.lexicon
        if key in self.lists["never"] or key.endswith(_CONTRACTED) or key.removesuffix("s") in self.lists["never"]:
            return Kind.NEVER
        if key in lexicon.clinical:
            return Kind.CLINICAL
        if "-" in key:
            return self._compound(word)
        return self._simple(key)

    def _simple(self, key: str) -> Kind:
        lexicon = self.lexicon
        if key in lexicon.clinical:
            return Kind.CLINICAL
        if key in self.lists["names-first"]:
            return Kind.STRANGE
        if key in lexicon.words or key in lexicon.both or key in lexicon.rare or len(key) < 2:
            return Kind.ORDINARY
        if self.listed(key) or key in lexicon.places:
            return Kind.STRANGE
        if key[-1] == "s" and (key[:-1] in lexicon.words or key[:-1] in lexicon.clinical):
            return Kind.ORDINARY
        if _VOWELS.isdisjoint(key) or (len(key) > 5 and key.endswith(_MEDICAL)):
            return Kind.CLINICAL
        return Kind.UNSURE if len(key) > 5 and key.endswith(_ENGLISH) else Kind.STRANGE

    def _compound(self, word: Word) -> Kind:
        written = [part for part in word.text.split("-") if part]
        kinds = [self._simple(part.lower()) for part in written]
        if any(part[0].islower() for part in written[1:]) and word.shape is not Shape.SMALL:
            return Kind.ORDINARY  # Spitz-like, Olive-sized
        if Kind.STRANGE in kinds or Kind.UNSURE in kinds:
            return Kind.STRANGE
        if all(self.listed(part.lower()) for part in written) and Kind.CLINICAL not in kinds:
            return Kind.STRANGE
        return Kind.CLINICAL if Kind.CLINICAL in kinds else Kind.ORDINARY
