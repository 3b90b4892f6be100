"""What R4, UCUM and Medplum say beyond the table of elements, as data (but for narrative.toml written by generate.py)."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import orjson
import rtoml
from msgspec import Struct

_FOLDER = Path(__file__).parents[3] / "schemas" / "fhir"
FACTS = _FOLDER / "r4" / "validation.json"
UCUM = _FOLDER / "ucum.json"
_NARRATIVE = _FOLDER / "narrative.toml"


class Constraint(Struct, frozen=True):
    """The severity of one of R4's constraints, and the paths of the elements that it is asked of."""

    severity: str
    at: Sequence[str]


class Facts(Struct, frozen=True):
    """`constraints`: key → what is known of it. `simple`: the Quantities that take no comparator, by path."""

    constraints: Mapping[str, Constraint]
    simple: frozenset[str]
    currencies: frozenset[str]
    medplum: frozenset[str]  # resource types that are Medplum's own


@cache
def facts() -> Facts:
    """The facts of R4."""
    raw = orjson.loads(FACTS.read_bytes())
    constraints = {key: Constraint(**told) for key, told in raw["constraints"].items()}
    return Facts(constraints, *(frozenset(raw[name]) for name in ("simple", "currencies", "medplum")))


class Units(Struct, frozen=True):
    """UCUM's parts. A metric unit takes a prefix, a plain one takes none."""

    prefixes: Sequence[str]
    metric: frozenset[str]
    plain: frozenset[str]


@cache
def units() -> Units:
    """The parts of UCUM's units."""
    raw = orjson.loads(UCUM.read_bytes())
    return Units(tuple(raw["prefixes"]), frozenset(raw["metric"]), frozenset(raw["plain"]))


@cache
def narrative() -> tuple[frozenset[str], frozenset[str]]:
    """The elements and the attributes that a narrative may have."""
    raw = rtoml.loads(_NARRATIVE.read_text())
    return frozenset(raw["elements"]), frozenset(raw["attributes"])
