"""Numbers, booleans and quantities: measured values, typed as FHIR types them.

A number leaves only if it is a JSON number that fits its type: a string of digits is text, and a large number without
a unit is somebody's number. A quantity leaves as value, comparator and a unit of a known system; its `unit`, free
text, only where it repeats the code. A span of 90 years or more is the class "90 or older" wherever it stands
(164.514(b)(2)(i)(C)): nothing else in medicine lasts as long as a life.
"""

from collections.abc import Mapping
from math import isfinite

from shared.deid.calendar import LIFE
from shared.deid.terminology import Allowed
from shared.deid.walk import Given, Leave

UCUM = "http://unitsofmeasure.org"
_LARGEST = 10**12  # with a unit: copies/mL and cells/L stay below
_LARGEST_BARE = 10**8  # without one: social security and telephone numbers are above
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})

# How much of each unit makes a life of 90 years. The second table is for units given as words, in small letters.
_LIVES = {
    "a": LIFE, "a_j": LIFE, "a_t": LIFE, "a_g": LIFE, "mo": 1080, "mo_j": 1080, "mo_s": 1080, "mo_g": 1080,
    "wk": 4696, "d": 32_872, "h": 788_928, "min": 47_335_680, "s": 2_840_140_800,
}  # fmt: skip
_WORDS = {
    **dict.fromkeys(("year", "years", "yr", "yrs", "y", "yo", "y/o", "years old"), LIFE),
    **dict.fromkeys(("month", "months", "mos"), 1080),
    **dict.fromkeys(("week", "weeks", "wks"), 4696),
    **dict.fromkeys(("day", "days"), 32_872),
}


def boolean(value: object, given: Given) -> object:
    """A boolean."""
    return value if type(value) is bool else None


def number(value: object, largest: int) -> int | float | None:
    """A JSON number below a bound; no boolean, which Python counts among the integers."""
    if type(value) is int or (type(value) is float and isfinite(value)):
        return value if -largest < value < largest else None
    return None


def decimal(value: object, given: Given) -> object:
    """A number without a unit."""
    return number(value, _LARGEST_BARE)


def whole(least: int) -> Leave:
    """An integer, not below `least`."""

    def leave(value: object, given: Given) -> object:
        return value if type(value) is int and least <= value < _LARGEST_BARE else None

    return leave


INTEGERS: Mapping[str, Leave] = {"integer": whole(1 - _LARGEST_BARE), "unsignedInt": whole(0), "positiveInt": whole(1)}


def _old() -> dict[str, object]:
    """The single class of ages over 89, as a quantity."""
    return {"value": LIFE, "comparator": ">=", "system": UCUM, "code": "a"}


def quantity(leaves: Allowed, *, age: bool = False) -> Leave:
    """A Quantity. With `age`, one without a unit is taken to be in years."""

    def leave(value: object, given: Given) -> object:
        if type(value) is not dict:
            return None
        system, code, unit = value.get("system"), value.get("code"), value.get("unit")
        name = leaves(system, code) if type(system) is str and type(code) is str else None
        said = unit if type(unit) is str and (unit == code or name is None) and leaves(UCUM, unit) else None
        amount = number(value.get("value"), _LARGEST_BARE if name is None and said is None else _LARGEST)
        if amount is None:
            return None
        if amount >= LIFE and amount >= _life(code if name == UCUM else said, unit, age=age):
            return _old()
        kept: dict[str, object] = {"value": amount}
        if type(comparator := value.get("comparator")) is str and comparator in _COMPARATORS:
            kept["comparator"] = comparator
        if name is not None:
            kept["system"], kept["code"] = name, code
        if said is not None:
            kept["unit"] = said
        return kept

    return leave


def _life(ucum: object, unit: object, *, age: bool) -> float:
    """How much of a unit is 90 years; infinity for what is no time. `ucum` is the unit's code where it has one."""
    if type(ucum) is str:
        return _LIVES.get(ucum, float("inf"))
    if type(unit) is str and (known := _WORDS.get(unit.strip().lower())) is not None:
        return known
    return LIFE if age else float("inf")


def years(value: object, given: Given) -> object:
    """An age in years given as a bare number: 90 stands for 90 or older."""
    amount = number(value, _LARGEST_BARE)
    return LIFE if amount is not None and amount >= LIFE else amount
