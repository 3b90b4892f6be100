"""Measurements: the unit and the range of what a LOINC code says was measured, of the observation and of its components."""

from collections.abc import Callable, Sequence

from shared.fhir.validation.issue import Issue
from shared.fhir.validation.places import Node
from shared.fhir.validation.rules import Rule

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
_WITHDRAWN = ("entered-in-error", "cancelled")  # set aside, it would leave the wrong number standing as the newest row


def codings(value: object) -> list[Node]:
    """The codings of a CodeableConcept, or the Coding itself."""
    if not isinstance(value, dict):
        return []
    inner = value.get("coding")
    if isinstance(inner, list):
        return [one for one in inner if isinstance(one, dict)]
    return [value] if "system" in value else []


def measurements(rules: Sequence[Rule]) -> Callable[[Node], Sequence[Issue]]:
    """By the LOINC code of what was measured: the observation's value, and each component's."""
    by_code: dict[str, list[tuple[Rule, Callable[[Node], bool]]]] = {}
    for rule in rules:
        for code in rule.loinc:
            by_code.setdefault(code, []).append((rule, _measure(rule)))

    def one(node: Node, path: str) -> list[Issue]:
        quantity = node["valueQuantity"]
        if not isinstance(quantity, dict):
            return []
        found: list[Issue] = []
        for coding in codings(node.get("code")):
            code = coding.get("code")
            if isinstance(code, str) and code in by_code and coding.get("system") == LOINC:
                found += [rule.issue(f"{path}.valueQuantity") for rule, good in by_code[code] if not good(quantity)]
        return found

    def check(resource: Node) -> Sequence[Issue]:
        if resource.get("status") in _WITHDRAWN:
            return ()
        found = one(resource, "Observation") if "valueQuantity" in resource else []
        components = resource.get("component")
        if isinstance(components, list):
            for index, component in enumerate(components):
                if isinstance(component, dict) and "valueQuantity" in component:
                    found += one(component, f"Observation.component[{index}]")
        return found

    return check


def _measure(rule: Rule) -> Callable[[Node], bool]:
    """A value without a number is not judged; one in a unit of which a range says nothing is the unit rule's."""
    if rule.check == "unit":
        units = frozenset(rule.units)

        def unit(quantity: Node) -> bool:
            code = quantity.get("code")
            return "value" not in quantity or (
                quantity.get("system") == UCUM and isinstance(code, str) and code in units
            )

        return unit
    ranges = rule.range or {}

    def within(quantity: Node) -> bool:
        value, code = quantity.get("value"), quantity.get("code")
        bounds = ranges.get(code) if isinstance(code, str) and quantity.get("system") == UCUM else None
        return bounds is None or type(value) not in (int, float) or bounds[0] <= value <= bounds[1]  # type: ignore[operator]

    return within
