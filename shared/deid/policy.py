"""A policy: which rule each element falls under, and what each rule does. Data, for a privacy officer to read.

    schemas/deid/safe-harbor.toml | expert.toml   the rules: id, verb, reason; what differs between the two
    schemas/deid/common.toml                      the rules that are the same in both
    schemas/deid/elements/*.toml                  for each FHIR type, the rule of each element
    schemas/deid/{code-systems,lists,places,units}.toml   what the rules look things up in

What no line names does not leave. The hash covers all of these files, R4's tables and the door's own revision, so
that two rows with one hash were made by the same rules.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache, cached_property
from hashlib import file_digest, sha256
from pathlib import Path

import rtoml
from msgspec import Struct

from shared.deid.terminology import CodeSystem
from shared.fhir.elements import CODES, ELEMENTS

FOLDER = Path(__file__).parents[2] / "schemas" / "deid"
REVISION = b"2"  # raised when the same data would give other rows, because the code of the door has changed
NAMES = ("safe-harbor", "expert")

type Tree = Mapping[str, "str | Tree"]  # element → the id of its rule, or the elements inside it


class PolicyError(ValueError):
    """The policy's files do not fit each other or FHIR R4. Names the place."""


class Verb(StrEnum):
    """What a rule can do."""

    ID = "id"  # the pseudonym of the resource's id
    REFERENCE = "reference"  # Type/<pseudonym>
    TOKEN = "token"  # noqa: S105 - the pseudonym of a string that is no id, so that equal ones stay equal
    CODE = "code"  # a code of a known system, value set or list
    KEEP = "keep"  # a boolean, a number, a time of day: as it is
    QUANTITY = "quantity"  # value, comparator, unit by code; Range, Ratio and so on too
    AGE = "age"  # a quantity of time; 90 years and more are one class
    DATE = "date"  # `to`: year or shift
    BIRTH = "birth"  # a date of birth: as `date`, and an age over 89 is marked
    ZIP3 = "zip3"  # the first three digits of a postal code
    PARTS = "parts"  # what the elements inside say
    TEXT = "text"  # free text: withheld
    DROP = "drop"  # does not leave; the rule says why


class Rule(Struct, frozen=True):
    """`covers` is the letter of 164.514(b)(2)(i) that asks for the rule; `list` names a list of lists.toml."""

    id: str
    verb: Verb
    why: str
    to: str | None = None
    covers: str | None = None
    list: str | None = None
    text: bool = False  # of a concept that has no code which may leave, the text does, scrubbed


class Special(Struct, frozen=True):
    """Elements that fall under another rule when their resource is about something special."""

    id: str
    types: tuple[str, ...]
    element: str
    system: str
    codes: frozenset[str]
    use: Mapping[str, str]
    why: str


class Policy(Struct, frozen=True, dict=True):
    """A policy as its files say it."""

    name: str
    basis: str
    rules: Mapping[str, Rule]
    elements: Mapping[str, Tree]
    special: tuple[Special, ...]
    patient: tuple[str, ...]  # where a resource names its patient, in order
    systems: tuple[CodeSystem, ...]
    lists: Mapping[str, tuple[str, ...]]
    withheld_zip3: frozenset[str]
    units: Mapping[str, tuple[str, ...]]
    hash: str

    @cached_property
    def generic(self) -> Tree:
        """The rules of a resource type that has no table of its own."""
        return self.elements["*"]


def load(name: str, folder: Path = FOLDER) -> Policy:
    """The policy of this name. Raises PolicyError; KeyError and ValueError when a file is not of its form."""
    return _shipped(name) if folder == FOLDER else _read(name, folder)


@cache
def _shipped(name: str) -> Policy:
    """Read once: the files of the house do not change while it runs."""
    return _read(name, FOLDER)


def _read(name: str, folder: Path) -> Policy:
    if name not in NAMES:
        raise PolicyError(f"{name}: no such policy")
    shared = [folder / f"{part}.toml" for part in ("common", "code-systems", "lists", "places", "units")]
    tables = sorted((folder / "elements").glob("*.toml"))
    words = [folder / "text" / "words.toml", *(folder / "text" / "lexicon").iterdir()]
    own = folder / f"{name}.toml"
    raw = {path.stem: rtoml.loads(path.read_text()) for path in (own, *shared)}
    common = raw["common"]
    elements: dict[str, Tree] = {}
    for path in tables:
        for type_name, tree in rtoml.loads(path.read_text()).items():
            if type_name in elements:
                raise PolicyError(f"{path.name}: {type_name} has a table already")
            elements[type_name] = tree
    rules = {
        id: Rule(id, Verb(given.pop("verb")), **given) for id, given in (common["rules"] | raw[name]["rules"]).items()
    }
    return Policy(
        name=raw[name]["name"],
        basis=raw[name]["basis"],
        rules=rules,
        elements=elements,
        special=tuple(
            Special(**given | {"types": tuple(given["types"]), "codes": frozenset(given["codes"])})
            for given in common["special"]
        ),
        patient=tuple(common["patient"]),
        systems=tuple(CodeSystem(**given) for given in raw["code-systems"]["system"]),
        lists={list_name: tuple(given) for list_name, given in raw["lists"].items()},
        withheld_zip3=frozenset(prefix for given in raw["places"]["zip3"].values() for prefix in given["prefixes"]),
        units={part: tuple(given) for part, given in raw["units"].items()},
        hash=hash_of([own, *shared, *tables, *words, ELEMENTS, CODES]),
    )


def hash_of(paths: list[Path]) -> str:
    """Over the names and the bytes of the files, in the order of their names: where a machine keeps them must not tell."""
    whole = sha256(REVISION)
    for path in sorted(paths, key=lambda path: path.name):
        with path.open("rb", buffering=0) as file:
            whole.update(path.name.encode() + b"\0" + file_digest(file, "sha256").digest())
    return whole.hexdigest()
