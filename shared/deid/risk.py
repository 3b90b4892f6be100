"""How easily could a patient of a de-identified data set be told from the others? Figures from counts, and nothing else.

    each patient's quasi-identifiers and sensitive values → classes → Measure → what the gate says of it

Patients who share all their quasi-identifiers are a class, and somebody who knows those of a person finds the class, not
the person (k-anonymity: Sweeney, Int J Uncertainty Fuzziness 10(5), 2002). A class is counted, never shown: of each only
its size and two properties of its sensitive values are needed, so that a warehouse may count by itself.

The figures are those of El Emam and Dankar (J Am Med Inform Assoc 15(5), 2008) and El Emam, Guide to the De-Identification
of Personal Health Information (2013), for a prosecutor: somebody who knows that the person is in the data. That is the
strictest of the three attackers, and the one that needs no figures of the population. HHS's guidance on Expert
Determination (2012) asks how well features distinguish people, and names no limit.

Left out: journalist and marketer risk (k-map, which need a census), t-closeness, and what an attacker knows of events.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from shared.risk_reports import CELL

BANDS = {"1": 1, "2-4": 2, "5-10": 5, "11-19": CELL, "20+": 20}  # name → its smallest class


class Class(NamedTuple):
    """Classes that are alike. A patient's sensitive values count as one value: the set of them.

    `diversity` is the number of different sets in the class: distinct l-diversity (Machanavajjhala et al., ACM TKDD 1(1),
    2007). Counted one by one, the five diagnoses of a patient who is alone would look diverse, and be told all the same.
    `told`: one sensitive value is held by every patient of the class, so whoever finds the class learns it (their
    homogeneity attack), however diverse the rest is.
    """

    size: int
    diversity: int
    told: bool


class NoPatients(ValueError):
    """There is nothing to measure, which says nothing about risk."""


type Classes = Mapping[Class, int]  # → how many there are


class Band(NamedTuple):
    classes: int
    patients: int


@dataclass(frozen=True, slots=True)
class Measure:
    """With n patients in m classes, where f(i) is the size of patient i's class."""

    patients: int  # n
    classes: int  # m
    k: int  # min f: the smallest class
    bands: Mapping[str, Band]
    unique: float  # |{i: f(i) = 1}| / n
    small: float  # |{i: f(i) < 11}| / n
    average_risk: float  # Σ 1/f(i) / n = m / n
    greatest_risk: float  # max 1/f(i) = 1/k
    diversity: int  # l: the least diversity of a class
    uniform: float  # share of classes with l < 2
    told: float  # share of patients in classes that tell a sensitive value


@dataclass(frozen=True, slots=True)
class Gate:
    """The most that a release may have; a figure that equals its limit is inside. `min_k` None: not asked for."""

    max_unique: float
    max_small: float
    min_k: int | None = None


class Breach(NamedTuple):
    """A figure (a Measure's field) outside its limit."""

    figure: str
    value: float
    limit: float


@dataclass(slots=True)
class _Counted:
    size: int
    values: set[frozenset[str]]
    common: frozenset[str]


def classes(people: Iterable[tuple[Hashable, frozenset[str]]]) -> Counter[Class]:
    """The classes of patients, each given by quasi-identifiers and sensitive values."""
    counted: dict[Hashable, _Counted] = {}
    for quasi, sensitive in people:
        if (known := counted.get(quasi)) is None:
            counted[quasi] = _Counted(1, {sensitive}, sensitive)
        else:
            known.size += 1
            known.values.add(sensitive)
            known.common &= sensitive
    return Counter(Class(one.size, len(one.values), bool(one.common)) for one in counted.values())


def measure(found: Classes) -> Measure:
    """The figures of a data set's classes. Raises NoPatients."""
    if not found:
        raise NoPatients
    number = sum(found.values())
    patients = sum(one.size * count for one, count in found.items())
    k = min(one.size for one in found)
    bands = dict.fromkeys(BANDS, Band(0, 0))
    for one, count in found.items():
        name = max((least, name) for name, least in BANDS.items() if least <= one.size)[1]
        bands[name] = Band(bands[name].classes + count, bands[name].patients + one.size * count)
    return Measure(
        patients=patients,
        classes=number,
        k=k,
        bands=bands,
        unique=bands["1"].patients / patients,
        small=sum(one.size * count for one, count in found.items() if one.size < CELL) / patients,
        average_risk=number / patients,
        greatest_risk=1 / k,
        diversity=min(one.diversity for one in found),
        uniform=sum(count for one, count in found.items() if one.diversity < 2) / number,
        told=sum(one.size * count for one, count in found.items() if one.told) / patients,
    )


def breaches(gate: Gate, of: Measure) -> tuple[Breach, ...]:
    """Every figure that is outside the gate."""
    outside = [
        Breach("unique", of.unique, gate.max_unique) if of.unique > gate.max_unique else None,
        Breach("small", of.small, gate.max_small) if of.small > gate.max_small else None,
        Breach("k", of.k, gate.min_k) if gate.min_k is not None and of.k < gate.min_k else None,
    ]
    return tuple(breach for breach in outside if breach)
