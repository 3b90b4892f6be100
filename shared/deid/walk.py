"""The walk: a resource is read once, by functions put together before; what no function answers stays behind.

A `Leave` function takes a JSON value and answers what may leave in its place, or None. A table has one function for
each JSON name that the policy names; a name without a function is not even looked at, and so cannot leak, nor can its
value. Nothing here raises, whatever the value: a value of the wrong shape is answered with None, like one that may
not leave.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

MODIFIER = "modifierExtension"


type Scrub = Callable[[str], str | None]  # a free text to what may leave of it


class Given(Struct):
    """What the functions know of the resource in hand."""

    oldest: str  # the earliest year that may be said: an earlier one tells of an age over 89
    days: int = 0  # how far this patient's dates are moved
    over_89: bool = False  # a date of birth was withheld for that reason
    scrub: Scrub | None = None  # what becomes of free text; without it, free text stays behind


type Leave = Callable[[object, Given], object]
type Table = Mapping[str, Leave]


def each(one: Leave) -> Leave:
    """An array: what may leave of its members. A member that may not leave closes the gap."""

    def leave(value: object, given: Given) -> object:
        if type(value) is not list:
            return None
        kept = [safe for item in value if (safe := one(item, given)) is not None]
        return kept or None

    return leave


def parts(table: Table) -> Leave:
    """An object: what may leave of its members.

    One that carries a modifierExtension stays behind as a whole: an extension we drop may say "not", and what is left
    would be read as its opposite (FHIR R4 extensibility §2.4.1).
    """
    get = table.get

    def leave(value: object, given: Given) -> object:
        if type(value) is not dict or MODIFIER in value:
            return None
        kept: dict[str, object] = {}
        for name, item in value.items():
            if (rule := get(name)) is not None and (safe := rule(item, given)) is not None:
                kept[name] = safe
        return kept or None

    return leave


def unless(usual: Leave, element: str, others: Mapping[tuple[str, str], tuple[int, Leave]]) -> Leave:
    """An object: when its `element` has one of these codes, (system, code), as that one's function says; else as usual.

    Where several codes have one, that of the highest number counts.
    """
    known = others.get

    def leave(value: object, given: Given) -> object:
        if type(value) is not dict or type(concept := value.get(element)) is not dict:
            return usual(value, given)
        chosen, highest = usual, -1
        if type(codings := concept.get("coding")) is list:
            for coding in codings:
                if (
                    type(coding) is dict
                    and type(code := coding.get("code")) is type(system := coding.get("system")) is str
                ):
                    number, other = known((system, code), (-1, usual))
                    if number > highest:
                        chosen, highest = other, number
        return chosen(value, given)

    return leave
