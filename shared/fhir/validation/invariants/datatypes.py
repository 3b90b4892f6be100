"""The invariants of R4's data types."""

from shared.fhir.validation.invariants.rule import Invariant, Node, error, has, has_any, has_choice, warning
from shared.fhir.validation.moments import surely_after
from shared.fhir.validation.ucum import standing

_UCUM = "http://unitsofmeasure.org"


def _is_range(node: Node) -> bool:
    """Low and high compare only within one unit."""
    low, high = node.get("low"), node.get("high")
    if low is None or high is None or "value" not in low or "value" not in high:
        return True
    alike = all(low.get(key) == high.get(key) for key in ("system", "code", "unit"))
    return not alike or bool(low["value"] <= high["value"])


def _is_age(node: Node) -> bool:
    return (
        (has(node, "code") or not has(node, "value"))
        and node.get("system", _UCUM) == _UCUM
        and ("value" not in node or node["value"] > 0)
    )


def _is_count(node: Node) -> bool:
    return (
        (has(node, "code") or not has(node, "value"))
        and node.get("system", _UCUM) == _UCUM
        and node.get("code", "1") == "1"
        and ("value" not in node or node["value"] == node["value"] // 1)
    )


def _is_trigger(node: Node) -> bool:
    kind = node.get("type", "")
    return (
        (kind != "named-event" or has(node, "name"))
        and (kind != "periodic" or has_choice(node, "TriggerDefinition", "timing"))
        and (not kind.startswith("data-") or "data" in node)
    )


def _unit(node: Node) -> str:
    return standing(node["code"]) if node.get("system") == _UCUM and "code" in node else "unit"


_MEALS = frozenset(("C", "CM", "CD", "CV"))

_QUANTITY = (
    error(
        "qty-3",
        "A code for a unit has its system beside it.",
        lambda node: not has(node, "code") or has(node, "system"),
    ),
    error("ucum", "The code is no unit of UCUM, though the system says so.", lambda node: _unit(node) != "none"),
    warning(
        "ucum-practice",
        "The code is practice's name of a unit, and not UCUM's.",
        lambda node: _unit(node) != "practice",
    ),
)
SIMPLE_QUANTITY = error("sqty-1", "A simple quantity has no comparator.", lambda node: not has(node, "comparator"))

DATATYPES: dict[str, tuple[Invariant, ...]] = {
    "Extension": (
        error(
            "ext-1",
            "An extension has either a value or extensions of its own.",
            lambda node: ("extension" in node) != has_choice(node, "Extension", "value"),
        ),
    ),
    "Quantity": _QUANTITY,
    "Age": (*_QUANTITY, error("age-1", "An age has a UCUM code and is more than nothing.", _is_age)),
    "Count": (*_QUANTITY, error("cnt-3", "A count is a whole number, its unit 1.", _is_count)),
    "Distance": (
        *_QUANTITY,
        error(
            "dis-1",
            "A distance has a UCUM code.",
            lambda node: (has(node, "code") or not has(node, "value")) and node.get("system", _UCUM) == _UCUM,
        ),
    ),
    "Duration": (
        *_QUANTITY,
        error(
            "drt-1",
            "The unit of a duration is UCUM's, and a value stands before it.",
            lambda node: not has(node, "code") or (node.get("system") == _UCUM and has(node, "value")),
        ),
    ),
    "Attachment": (
        error("att-1", "Data have a content type.", lambda node: not has(node, "data") or has(node, "contentType")),
    ),
    "ContactPoint": (
        error("cpt-2", "A contact's value has its system.", lambda node: not has(node, "value") or has(node, "system")),
    ),
    "DataRequirement.codeFilter": (
        error(
            "drq-1",
            "A filter has either a path or a parameter.",
            lambda node: has(node, "path") != has(node, "searchParam"),
        ),
    ),
    "DataRequirement.dateFilter": (
        error(
            "drq-2",
            "A filter has either a path or a parameter.",
            lambda node: has(node, "path") != has(node, "searchParam"),
        ),
    ),
    "Expression": (
        error(
            "exp-1",
            "An expression is given, or where it is found.",
            lambda node: has_any(node, "expression", "reference"),
        ),
    ),
    "Period": (
        error(
            "per-1",
            "A period does not start after its end.",
            lambda node: "start" not in node or "end" not in node or not surely_after(node["start"], node["end"]),
        ),
    ),
    "Range": (error("rng-2", "The low end of a range is not above its high end.", _is_range),),
    "Ratio": (
        error(
            "rat-1",
            "A ratio has both its parts, or an extension in their place.",
            lambda node: ("numerator" in node) == ("denominator" in node) and has_any(node, "numerator", "extension"),
        ),
    ),
    "Timing.repeat": (
        error("tim-1", "A duration has its unit.", lambda node: not has(node, "duration") or has(node, "durationUnit")),
        error("tim-2", "A period has its unit.", lambda node: not has(node, "period") or has(node, "periodUnit")),
        error("tim-4", "A duration is not negative.", lambda node: node.get("duration", 0) >= 0),
        error("tim-5", "A period is not negative.", lambda node: node.get("period", 0) >= 0),
        error(
            "tim-6",
            "Beside the longest period stands a period.",
            lambda node: not has(node, "periodMax") or has(node, "period"),
        ),
        error(
            "tim-7",
            "Beside the longest duration stands a duration.",
            lambda node: not has(node, "durationMax") or has(node, "duration"),
        ),
        error(
            "tim-8",
            "Beside the highest count stands a count.",
            lambda node: not has(node, "countMax") or has(node, "count"),
        ),
        error(
            "tim-9",
            "An offset is from an event, and not from a meal as such.",
            lambda node: not has(node, "offset") or (has(node, "when") and _MEALS.isdisjoint(node.get("when", ()))),
        ),
        error(
            "tim-10",
            "Times of the day or events, not both.",
            lambda node: not has(node, "timeOfDay") or not has(node, "when"),
        ),
    ),
    "TriggerDefinition": (
        error(
            "trd-1",
            "A trigger has data or timing, not both.",
            lambda node: "data" not in node or not has_choice(node, "TriggerDefinition", "timing"),
        ),
        error("trd-2", "A condition is one on data.", lambda node: "condition" not in node or "data" in node),
        error("trd-3", "A trigger has what its kind needs: a name, a timing or data.", _is_trigger),
    ),
}
