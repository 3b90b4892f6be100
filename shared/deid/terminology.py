"""Codes: a code leaves only if its system is known and it is, as far as can be told, a code of that system.

HL7's own systems are known code by code (schemas/fhir/r4/codes.json). The large ones are known by form and, where
they have one, by check digit (schemas/deid/code-systems.toml): nine of ten numbers in the place of a LOINC code, and
499 of 500 in the place of a SNOMED CT concept, are told from a code. Against: `{"system": "http://loinc.org", "code":
"Smith, John"}`, a record number in a coded field, and a system's URL that is itself the message. What is left: a
number that happens to be a code of its system says nothing that the code does not.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from shared.deid.walk import Given, Leave

_CACHED = 65_536
_LONGEST = 64  # of a code
_LONGEST_SYSTEM = 256

type Check = Callable[[str], bool]
type Allowed = Callable[[str, str], str | None]


class CodeSystem(Struct, frozen=True):
    """An entry of code-systems.toml. One of form, codes and check says which codes leave."""

    name: str
    url: str
    also: Sequence[str] = ()
    form: str | None = None
    check: str | None = None
    codes: Sequence[str] = ()
    list: str | None = None


def loinc(code: str) -> bool:
    """Mod 10 over the digits before the hyphen (LOINC Users' Guide)."""
    digits, _, check = code.partition("-")
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 if place % 2 else 2)
        total += number - 9 if number > 9 else number
    return (10 - total % 10) % 10 == int(check)


_DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
_CONCEPT = ("00", "10")  # partition identifiers: short and long form


def sctid(code: str) -> bool:
    """Verhoeff's check digit, and the partition of a concept (SNOMED CT release file specification §5)."""
    if code[-3:-1] not in _CONCEPT:
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


def allowed(
    systems: Sequence[CodeSystem], own: Mapping[str, frozenset[str]], lists: Mapping[str, Sequence[str]], ucum: Check
) -> Allowed:
    """(system, code) → the system's name beyond the door if the code may leave, else None."""
    checks = {"loinc": loinc, "sctid": sctid, "ucum": ucum}
    forms: dict[str, list[Check]] = {}
    names: dict[str, str] = {}
    for system in systems:
        forms.setdefault(system.url, []).append(_known(system, lists, checks))
        names |= dict.fromkeys((system.url, *system.also), system.url)

    def leaves(system: str, code: str) -> str | None:
        if len(code) > _LONGEST or len(system) > _LONGEST_SYSTEM:
            return None  # and fills no cache
        return known(system, code)

    @lru_cache(_CACHED)
    def known(system: str, code: str) -> str | None:
        if (codes := own.get(system)) is not None and code in codes:
            return system
        url = names.get(system)
        return url if url is not None and any(check(code) for check in forms[url]) else None

    return leaves


def _known(system: CodeSystem, lists: Mapping[str, Sequence[str]], checks: Mapping[str, Check]) -> Check:
    """Whether a code is one of the system's, as its entry says."""
    if system.codes or system.list:
        return frozenset(lists[system.list] if system.list else system.codes).__contains__
    digits = checks[system.check] if system.check else None
    if system.form is None:
        if digits is None:
            raise ValueError(f"{system.name}: no form, check, codes or list")
        return digits
    matches = re.compile(system.form, re.ASCII).fullmatch
    if digits is None:
        return lambda code: matches(code) is not None
    return lambda code: matches(code) is not None and digits(code)


def member(codes: frozenset[str]) -> Leave:
    """A `code` of a value set that is known code by code."""

    def leave(value: object, given: Given) -> object:
        return value if type(value) is str and value in codes else None

    return leave


def coding(leaves: Allowed) -> Leave:
    """A Coding: system and code, and nothing else."""

    def leave(value: object, given: Given) -> object:
        if type(value) is not dict:
            return None
        system, code = value.get("system"), value.get("code")
        if type(system) is not str or type(code) is not str or (name := leaves(system, code)) is None:
            return None
        return {"system": name, "code": code}

    return leave


def concept(leaves: Allowed) -> Leave:
    """A CodeableConcept: its codings that may leave; never its text."""
    one = coding(leaves)

    def leave(value: object, given: Given) -> object:
        if type(value) is not dict or type(codings := value.get("coding")) is not list:
            return None
        kept = [safe for item in codings if (safe := one(item, given)) is not None]
        return {"coding": kept} if kept else None

    return leave
