"""Which values could single a patient out: schemas/deid/risk.toml, and how its places are read from a de-identified resource.

    Patient.address[*].postalCode                       a value in each item of a list
    Patient.extension["url"].valueBoolean               a value in each extension with that URL

A place is read here from a resource and, as SQL, in the warehouse; both must find the same, so its form is kept small.
Nothing here can hold PHI: what is read has passed the door.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rtoml

from shared.deid.risk import Gate

FILE = Path(__file__).parents[2] / "schemas" / "deid" / "risk.toml"

_STEP = re.compile(r"\.([A-Za-z]+)(?:(\[\*\])|\[\"([A-Za-z0-9:/._\-]+)\"\])?")
_PLACE = re.compile(rf"([A-Z][A-Za-z]+)((?:{_STEP.pattern})+)")
_YEAR = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One element on the way: each item of a list where `each`, each extension with a URL where `url`."""

    name: str
    each: bool
    url: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where values stand. `year`: only the first four characters of them count."""

    resource_type: str
    steps: tuple[Step, ...]
    year: bool

    def values(self, resource: Mapping[str, object]) -> frozenset[str]:
        """The different values there, as BigQuery's JSON_VALUE has them."""
        found: list[object] = [resource]
        for step in self.steps:
            found = [item for node in found if isinstance(node, dict) for item in _taken(step, node)]
        return frozenset(text[:_YEAR] if self.year else text for text in map(_text, found) if text is not None)


@dataclass(frozen=True, slots=True)
class Column:
    """Something that others may know of a person."""

    id: str
    why: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Sensitive:
    """Something that nobody should learn of a person; `patient` is where its resource references them."""

    id: str
    why: str
    place: Place
    patient: Place


@dataclass(frozen=True, slots=True)
class QuasiSet:
    """Columns that one attacker may know together, and what is to be kept from them."""

    id: str
    why: str
    columns: tuple[Column, ...]
    sensitive: Sensitive

    @property
    def places(self) -> tuple[Place, ...]:
        """The places of all columns: patients with the same values at each are one class."""
        return tuple(place for column in self.columns for place in column.places)


@dataclass(frozen=True, slots=True)
class Questions:
    """All that risk.toml asks of a data set."""

    sets: Mapping[str, QuasiSet]
    gate: Gate


def load(file: Path = FILE) -> Questions:
    """Read the file. Raises KeyError, TypeError or ValueError when it is not of its form."""
    raw = rtoml.loads(file.read_text())
    columns = {id: _column(id, given) for id, given in raw["columns"].items()}
    sensitive = {
        id: Sensitive(id, given["why"], place(given["value-of"]), place(given["patient"]))
        for id, given in raw["sensitive"].items()
    }
    sets = {
        id: QuasiSet(id, given["why"], tuple(columns[name] for name in given["columns"]), sensitive[given["sensitive"]])
        for id, given in raw["sets"].items()
    }
    gate = raw["gate"]
    return Questions(sets, Gate(gate["max-unique"], gate["max-small"], gate.get("min-k")))


def place(text: str, *, year: bool = False) -> Place:
    """A place as the file writes it. Raises ValueError."""
    if not (found := _PLACE.fullmatch(text)):
        raise ValueError(f"{text}: no such form of a place")
    steps = tuple(Step(name, bool(each), url or None) for name, each, url in _STEP.findall(found[2]))
    return Place(found[1], steps, year)


def _column(id: str, given: Mapping[str, Any]) -> Column:
    years = (place(text, year=True) for text in given.get("year-of", ()))
    values = (place(text) for text in given.get("value-of", ()))
    return Column(id, given["why"], (*years, *values))


def _taken(step: Step, node: Mapping[str, object]) -> Iterator[object]:
    value = node.get(step.name)
    if not (step.each or step.url):
        yield value
    elif isinstance(value, list):
        for item in value:
            if step.each or (isinstance(item, dict) and item.get("url") == step.url):
                yield item


def _text(value: object) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case _:
            return None
