"""UCUM (https://ucum.org): whether a text is a unit by its grammar, case-sensitive. `mm[Hg]` is one, `mmHg` is none.

    [/] component { . or / component }
    component  a unit, perhaps with an exponent; a factor; or what stands in parentheses; or an {annotation} alone
    unit       [prefix] metric unit, or plain unit: schemas/fhir/ucum.json

One of UCUM's own rules is relaxed: an annotation may follow anything, for practice has `10{copies}`. What is no unit, but
is written in HL7's own examples and by pharmacies everywhere (`mcg`, `mEq`, blanks in an annotation), is told apart.
"""

import re
from functools import lru_cache
from typing import Literal

from shared.fhir.validation.facts import units

_CACHED = 4096
_LONGEST = 256
_NOTE = r"\{[ -z|~]*\}"  # printable, and no braces within
_PRACTICE = frozenset(("ea", "mEq", "TAB", "drop", "mcg", "month", "tbl", "hr"))
_COMPONENT = re.compile(
    r"(?P<symbol>(?:\[[^\[\]\s]+\]|[^\s\[\]./(){}0-9+\-]|10[*^])+)(?:[+-]?[0-9]+)?(?:" + _NOTE + r")?"
    r"|[0-9]+(?:" + _NOTE + r")?|" + _NOTE
)
_CLOSING = re.compile(r"\)(?:" + _NOTE + r")?")


@lru_cache(_CACHED)
def standing(text: str) -> Literal["unit", "practice", "none"]:
    """Whether a text is a UCUM unit, or at least what practice takes for one."""
    if len(text) > _LONGEST:
        return "none"
    at, still_open, wants_component, strict = int(text.startswith("/")), 0, True, " " not in text
    while at < len(text):
        if not wants_component and text[at] in "./":
            wants_component, at = True, at + 1
        elif not wants_component and still_open and (found := _CLOSING.match(text, at)):
            still_open, at = still_open - 1, found.end()
        elif wants_component and text[at] == "(":
            still_open, at = still_open + 1, at + 1
        elif wants_component and (found := _COMPONENT.match(text, at)):
            symbol = found["symbol"]  # none: a factor or an annotation
            if symbol is not None and not _is_known(symbol):
                strict = False
                if symbol not in _PRACTICE:
                    return "none"
            wants_component, at = False, found.end()
        else:
            return "none"
    if wants_component or still_open:
        return "none"
    return "unit" if strict else "practice"


def _is_known(symbol: str) -> bool:
    parts = units()
    if symbol in parts.metric or symbol in parts.plain:
        return True
    return any(symbol.startswith(head) and symbol[len(head) :] in parts.metric for head in parts.prefixes)
