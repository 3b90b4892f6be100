"""Our rules, as data for people to review: what a resource has to be for analytics, beyond what FHIR R4 says of it.

    schemas/validation/*.toml ─► [this] ─► Rule ─► compiled.py

    sets      none: FHIR R4 alone     default: all files but us-core.toml     us-core: that one as well
    severity  error: set aside        warning: passes, and is counted

The reader is strict, so that a rule never is a line that does nothing: an unknown key, an element that R4 does not have, a
check without what it needs is an error that names the file, the rule and the place.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

import rtoml
from msgspec import Struct

from shared.deid.terminology import CodeSystem, loinc
from shared.fhir.elements import types
from shared.fhir.validation.issue import RULES, Issue
from shared.fhir.validation.places import Place, place

FOLDER = Path(__file__).parents[3] / "schemas" / "validation"
US_CORE: Final = "us-core"

type Set = Literal["none", "default", "us-core"]
type Severity = Literal["error", "warning"]
type Bounds = tuple[float, float]

SETS: tuple[Set, ...] = get_args(Set.__value__)

# check → (FHIR IssueType of its findings, the keys that it needs, those that it may have)
CHECKS: dict[str, tuple[str, frozenset[str], frozenset[str]]] = {
    "required": ("required", frozenset(), frozenset({"unless", "where"})),
    "system": ("code-invalid", frozenset({"systems"}), frozenset({"where"})),
    "code": ("code-invalid", frozenset({"system"}), frozenset()),
    "identifier": ("value", frozenset({"system", "digit"}), frozenset()),
    "unit": ("business-rule", frozenset({"loinc", "units"}), frozenset()),
    "range": ("business-rule", frozenset({"loinc", "range"}), frozenset()),
    "size": ("too-long", frozenset({"most"}), frozenset()),
}
DIGITS = frozenset({"npi"})  # check digits of identifiers
_SYSTEMS = FOLDER.parent / "deid" / "code-systems.toml"
_ALWAYS = frozenset({"id", "element", "check", "severity", "text", "reason", "good", "bad"})
_ID = re.compile(r"[a-z0-9\-]{1,64}")
_LONG = frozenset({"string", "markdown", "xhtml", "base64Binary"})
_VALUE = "Observation.valueQuantity"


class RulesError(ValueError):
    """The rules' files do not fit each other or FHIR R4. Names the place."""


class Rule(Struct, frozen=True):
    """One rule. `good` and `bad` are its examples, as the file has them (tests/shared/fhir/test_rules.py runs them all)."""

    id: str
    set: str
    element: str
    place: Place
    check: str
    severity: Severity
    text: str
    reason: str
    good: tuple[str, ...]
    bad: tuple[str, ...]
    systems: tuple[str, ...] = ()
    system: str = ""
    digit: str = ""
    loinc: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    range: Mapping[str, Bounds] | None = None
    most: int = 0
    unless: tuple[Place, ...] = ()
    where: Mapping[str, frozenset[str]] | None = None

    def issue(self, path: str) -> Issue:
        """A finding at this place."""
        return Issue(self.severity, self.id, path, (CHECKS[self.check][0], self.text))


@cache
def code_systems() -> Mapping[str, tuple[CodeSystem, ...]]:
    """The code systems whose forms are known, by URL: those of the door."""
    found: dict[str, tuple[CodeSystem, ...]] = {}
    for given in rtoml.loads(_SYSTEMS.read_text())["system"]:
        system = CodeSystem(**given)
        if system.form:
            found[system.url] = (*found.get(system.url, ()), system)
    return found


def load(name: Set, folder: Path = FOLDER) -> tuple[Rule, ...]:
    """The rules of a set. Raises RulesError."""
    if name not in SETS:
        raise RulesError(f"{name}: no such set of rules")
    rules = _shipped() if folder == FOLDER else tuple(_read(folder))
    return tuple(rule for rule in rules if name == US_CORE or (name == "default" and rule.set == "default"))


@cache
def _shipped() -> tuple[Rule, ...]:
    """Read once: the files of the house do not change while it runs."""
    return tuple(_read(FOLDER))


def _read(folder: Path) -> Iterator[Rule]:
    seen = set(RULES)
    for path in sorted(folder.glob("*.toml")):
        try:
            raw = rtoml.loads(path.read_text())
        except rtoml.TomlParsingError as error:
            raise RulesError(f"{path.name}: {error}") from None
        if set(raw) != {"rule"} or not isinstance(raw["rule"], list):
            raise RulesError(f"{path.name}: holds [[rule]] and nothing else")
        for number, given in enumerate(raw["rule"], 1):
            where = f"{path.name}: rule {number} ({given.get('id', 'without an id')})"
            try:
                rule = _rule(given, US_CORE if path.stem == US_CORE else "default")
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise RulesError(f"{where}: {error}") from None
            if rule.id in seen:
                raise RulesError(f"{where}: there is a rule of this id already")
            seen.add(rule.id)
            yield rule


def _rule(given: Mapping[str, Any], set: str) -> Rule:
    check = given.get("check")
    if check not in CHECKS:
        raise ValueError("check: is none of " + ", ".join(CHECKS))
    _, needed, more = CHECKS[check]
    for key in (_ALWAYS | needed) - given.keys():
        raise ValueError(f"{key}: is missing")
    for key in given.keys() - _ALWAYS - needed - more:
        raise ValueError(f"{key}: is no key of a {check} rule")
    if given["severity"] not in get_args(Severity.__value__):
        raise ValueError("severity: is error or warning")
    for key in ("id", "element", "text", "reason", "system", "digit"):
        if not isinstance(given.get(key, "-"), str) or not given.get(key, "-").strip():
            raise ValueError(f"{key}: is a text")
    if not _ID.fullmatch(given["id"]):
        raise ValueError("id: is small letters, digits and hyphens")
    about = place(given["element"])
    _fits(check, given, about)
    return Rule(
        id=given["id"],
        set=set,
        element=given["element"],
        place=about,
        check=check,
        severity=given["severity"],
        text=given["text"],
        reason=given["reason"],
        good=_texts(given, "good"),
        bad=_texts(given, "bad"),
        systems=_texts(given, "systems"),
        system=given.get("system", ""),
        digit=given.get("digit", ""),
        loinc=_texts(given, "loinc"),
        units=_texts(given, "units"),
        range=_ranges(given["range"]) if "range" in given else None,
        most=_whole(given.get("most", 1)),
        unless=tuple(_beside(about, one) for one in _texts(given, "unless")),
        where={name: _codes(about, name, codes) for name, codes in given["where"].items()}
        if "where" in given
        else None,
    )


def _fits(check: str, given: Mapping[str, Any], about: Place) -> None:
    """Whether the check can be made on the element. Raises ValueError."""
    coded = {"CodeableConcept", "Coding"}
    match check:
        case "system" if not set(about.types) <= coded:
            raise ValueError(f"{given['element']}: is no coded element")
        case "code" if given["element"] != "Coding.code":
            raise ValueError(f"{given['element']}: a code's form is checked wherever it is, at Coding.code")
        case "code" if given["system"] not in code_systems():
            raise ValueError("system: has no form in schemas/deid/code-systems.toml")
        case "identifier" if given["element"] != "Identifier.value":
            raise ValueError(f"{given['element']}: an identifier's form is checked wherever it is, at Identifier.value")
        case "identifier" if given["digit"] not in DIGITS:
            raise ValueError("digit: is none of " + ", ".join(sorted(DIGITS)))
        case "unit" | "range" if given["element"] != _VALUE:
            raise ValueError(f"{given['element']}: a measurement is checked at {_VALUE}")
        case "unit" | "range" if not all(re.fullmatch(r"[0-9]{1,7}-[0-9]", c) and loinc(c) for c in given["loinc"]):
            raise ValueError("loinc: is a list of LOINC codes")
        case "size" if not about.many and not set(about.types) <= _LONG:
            raise ValueError(f"{given['element']}: is neither an array nor a text")
        case "required" | "system" | "size" if types()[about.root].kind != "resource":
            raise ValueError(f"{given['element']}: is no element of a resource")


def _texts(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = given.get(key, ())
    if (
        not isinstance(found, list | tuple)
        or not all(isinstance(one, str) and one for one in found)
        or (key in given and not found)
    ):
        raise ValueError(f"{key}: is a list of texts")
    return tuple(found)


def _whole(number: object) -> int:
    if type(number) is not int or number < 1:
        raise ValueError("most: is a number above 0")
    return number


def _ranges(given: Mapping[str, Sequence[float]]) -> dict[str, Bounds]:
    found: dict[str, Bounds] = {}
    for unit, bounds in given.items():
        if len(bounds) != 2 or any(type(one) not in (int, float) for one in bounds) or not bounds[0] < bounds[1]:
            raise ValueError(f"range.{unit}: is [least, most]")
        found[unit] = (bounds[0], bounds[1])
    return found


def _beside(about: Place, text: str) -> Place:
    """Another element of the same node."""
    other = place(text)
    if (other.root, other.steps) != (about.root, about.steps):
        raise ValueError(f"{text}: does not stand beside the element")
    return other


def _codes(about: Place, name: str, codes: Sequence[str]) -> frozenset[str]:
    found = place(f"{about.root}.{name}")
    if found.types != ("code",) or not isinstance(codes, list) or not codes:
        raise ValueError(f"where.{name}: is a list of an element's codes")
    return frozenset(codes)
