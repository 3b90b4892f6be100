"""The order of change sequence numbers, as BigQuery's change data capture keeps it.

One to four sections of at most 16 hex digits, separated by "/", compared as numbers from left to right: `F/B` is less
than `10`, and `F/B` is less than `F/AB`. Ours always have four sections; between numbers of different length the
shorter comes first where they are otherwise equal.
"""

import re

_FORM = re.compile(r"[0-9A-Fa-f]{1,16}(/[0-9A-Fa-f]{1,16}){0,3}")


def is_one(sequence: str) -> bool:
    """Whether it is a change sequence number."""
    return _FORM.fullmatch(sequence) is not None


def padded(sequence: str) -> str:
    """The number in fixed width, so that the order of texts is its order. Raises ValueError if it is none."""
    if not is_one(sequence):
        raise ValueError("not a change sequence number")
    return "/".join(section.lower().rjust(16, "0") for section in sequence.split("/"))
