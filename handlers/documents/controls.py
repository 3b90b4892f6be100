"""docs/controls.md: the eighteen identifiers of Safe Harbor."""

from handlers.documents.table import table
from shared.deid.policy import NAMES as POLICIES
from shared.deid.policy import load

_LEAKS, _IDENTITY = "tests/leaks/test_the_door.py", "tests/shared/deid/test_identity.py"
_IDENTIFIERS = {
    "A": ("names", _LEAKS),
    "B": ("geographic subdivisions smaller than a state", "tests/shared/deid/test_places.py"),
    "C": ("all elements of dates but the year, ages over 89", "tests/shared/deid/test_dates.py"),
    "D": ("telephone numbers", _LEAKS),
    "E": ("fax numbers", _LEAKS),
    "F": ("e-mail addresses", _LEAKS),
    "G": ("social security numbers", _LEAKS),
    "H": ("medical record numbers", _IDENTITY),
    "I": ("health plan beneficiary numbers", _LEAKS),
    "J": ("account numbers", _LEAKS),
    "K": ("certificate and licence numbers", _LEAKS),
    "L": ("vehicle identifiers and plates", _LEAKS),
    "M": ("device identifiers and serial numbers", "tests/shared/deid/test_structure.py"),
    "N": ("web addresses (URLs)", _LEAKS),
    "O": ("IP addresses", _LEAKS),
    "P": ("biometric identifiers", _LEAKS),
    "Q": ("full-face photographs and the like", _LEAKS),
    "R": ("any other unique number, characteristic or code", _IDENTITY),
}


def _letters(covers: str | None) -> set[str]:
    """The letters that a rule covers: `A`, `D, E, F`, or `A to R`."""
    if covers and " to " in covers:
        first, last = covers.split(" to ")
        return {chr(code) for code in range(ord(first), ord(last) + 1)}
    return set(covers.split(", ")) if covers else set()


def controls_table() -> str:
    """The eighteen identifiers of 45 CFR 164.514(b)(2)(i), each with the rules that cover it and the test that tries it."""
    rules = {id: rule for name in POLICIES for id, rule in load(name).rules.items()}
    rows = []
    for letter, (what, test) in _IDENTIFIERS.items():
        covering = [f"`{id}` ({rule.verb})" for id, rule in sorted(rules.items()) if letter in _letters(rule.covers)]
        rows.append((letter, what, ", ".join(covering), f"`{test}`"))
    return table(("", "identifier", "rules", "test"), rows)
