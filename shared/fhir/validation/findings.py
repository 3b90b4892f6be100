"""What a check says: nothing, or what is wrong at its place and below. The place is put together on the way up.

A check that finds nothing builds nothing, which is what nearly every check of a valid resource does.
"""

from collections.abc import Callable, Mapping

from shared.fhir.validation.issue import Severity

DEEPEST = 100  # objects within each other
MOST = 100  # findings told of one place and all below it: a hostile body may have a million

WARNINGS = frozenset({"narrative-unfilled"})  # the rules of a single value that are no errors

type Finding = tuple[Severity, str, str]  # the rule, and where below here: "", ".given[0]", "[2].code"
type Findings = list[Finding]
type Told = str | Findings | None  # a rule broken just here, or what is wrong here and below
type Known = Mapping[str, str]  # the text of a reference within this resource or bundle → the type that it points at
type Check = Callable[[object, Known, int], Told]  # the int is how deep this lies


def below(step: str, told: str | Findings, value: object) -> Findings:
    """The same, told from one step above."""
    if isinstance(told, str):
        rule = _of_no_use(value) if told == "json-type" else told
        return [("warning" if rule in WARNINGS else "error", rule, step)]
    return [(severity, rule, step + place) for severity, rule, place in told]


def stops(found: Findings) -> bool:
    """Whether it is worse than a warning."""
    return any(severity != "warning" for severity, _, _ in found)


def _of_no_use(value: object) -> str:
    """The rule that a value of the wrong JSON type breaks."""
    if value is None:
        return "null"
    return "cardinality-max" if isinstance(value, list) else "json-type"
