"""Units: UCUM codes of known parts only.

A unit is free text in most records, and in UCUM too: what stands in braces may be anything. So a code leaves only if
the grammar of UCUM makes it from the atoms, prefixes and annotations of schemas/deid/units.toml, with numbers of at
most four digits. Against: `{seen by Dr Jones}` and `617-555-0100` in the place of a unit.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

_CACHED = 8_192
_LONGEST = 64
_PIECE = re.compile(
    r"(?P<symbol>(?:[A-Za-z%'_]|\[[A-Za-z0-9_'/^.]{1,24}\]|10[*^])+)(?P<exponent>[+-]?[0-9]{1,2})?"
    r"|(?P<factor>[0-9]{1,4})"
    r"|\{(?P<note>[^{}]{1,32})\}"
    r"|(?P<sign>[./()])"
)


def ucum(
    prefixes: Iterable[str], metric: Iterable[str], plain: Iterable[str], annotations: Iterable[str]
) -> Callable[[str], bool]:
    """Whether a code is a unit made of these parts."""
    heads, takes_prefix, allowed_notes = tuple(prefixes), frozenset(metric), frozenset(annotations)
    atoms = takes_prefix | frozenset(plain)

    def unit(symbol: str) -> bool:
        return symbol in atoms or any(symbol.startswith(head) and symbol[len(head) :] in takes_prefix for head in heads)

    @lru_cache(_CACHED)
    def valid(code: str) -> bool:
        if not code or len(code) > _LONGEST:
            return False
        at, depth, wants_unit = 0, 0, True  # wants_unit: a sign or an opening parenthesis came last
        while at < len(code):
            if not (piece := _PIECE.match(code, at)):
                return False
            at = piece.end()
            match piece.lastgroup, piece[0]:
                case "note", _:
                    if piece["note"].lower() not in allowed_notes:
                        return False
                    wants_unit = False
                case "sign", "(":
                    if not wants_unit:
                        return False
                    depth += 1
                case "sign", ")":
                    depth -= 1
                    if wants_unit or depth < 0:
                        return False
                case "sign", "/" if piece.start() == 0:
                    pass
                case "sign", _:
                    if wants_unit:
                        return False
                    wants_unit = True
                case "factor", _:
                    if not wants_unit:
                        return False
                    wants_unit = False
                case _:
                    if not wants_unit or not unit(piece["symbol"]):
                        return False
                    wants_unit = False
        return depth == 0 and not wants_unit

    return valid
