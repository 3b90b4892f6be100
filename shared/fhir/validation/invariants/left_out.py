"""R4's constraints that are not checked, each with the reason. A test holds this against R4's own list."""

_SOFTWARE = "about definitions for software, which hold no patient's data and never come as an event"

# By the constraint's family: the part before its number.
FAMILIES = {
    "eld": _SOFTWARE,
    "sdf": _SOFTWARE,
    "cpb": _SOFTWARE,
    "tcp": _SOFTWARE,
    "ig": _SOFTWARE,
    "md": _SOFTWARE,
    "opd": _SOFTWARE,
    "smp": _SOFTWARE,
    "spd": _SOFTWARE,
    "tst": _SOFTWARE,
}

# By its key.
KEYS = {
    "dom-6": "a narrative is good to have; most data that systems write has none, and a warning on everything is none",
    "evv-1": "of R5: it names elements that R4 has not",
    "inv-2": _SOFTWARE,
    **dict.fromkeys(
        ("ppc-2", "ppc-3", "ppc-4", "ppc-5"), "asks for a code system named 'something', and so always holds"
    ),
}

_NAMES = "a warning on names of definitions that code generators may stumble over"


def reason(key: str) -> str | None:
    """Why a constraint is not checked, or None if it has to be."""
    family, _, number = key.partition("-")
    return KEYS.get(key) or FAMILIES.get(family) or (_NAMES if number == "0" else None)
