"""docs/validation.md: the rules; and their closed list for whoever may not import the FHIR layer."""

import json

from handlers.documents.table import table
from shared.fhir.validation import rules
from shared.fhir.validation.issue import RULES as R4_RULES


def rules_table() -> str:
    """Every rule of ours that is on by default."""
    return _rules("default")


def us_core_table() -> str:
    """The rules of the set that is switched on."""
    return _rules(rules.US_CORE)


def r4_rules_table() -> str:
    """Every rule of FHIR R4 that we hold a resource against."""
    return table(
        ("rule", "FHIR issue type", "what it says"), [(f"`{id}`", code, text) for id, (code, text) in R4_RULES.items()]
    )


def rules_index() -> str:
    """schemas/validation/index.json: the closed list of all rules, for whoever may not import the FHIR layer."""
    texts = {id: text for id, (_, text) in R4_RULES.items()} | {one.id: one.text for one in rules.load(rules.US_CORE)}
    return json.dumps(dict(sorted(texts.items())), indent=2, ensure_ascii=False) + "\n"


def _rules(set: str) -> str:
    rows = [
        (f"`{one.id}`", one.severity, f"`{one.element}`", one.text, one.reason)
        for one in rules.load(rules.US_CORE)
        if one.set == set
    ]
    return table(("rule", "severity", "element", "what it says", "why"), rows)
