"""A FHIRPath collection as it passes between closures: None is empty, a list is many (or none), anything else is one.

JSON needs no wrapping to be read so, because FHIR has no list in a list and no null but as a placeholder. Most elements
of most resources are one thing or none, and so cost one look.
"""

from typing import Any

from shared.views import arithmetic

EMPTY: tuple[Any, ...] = ()


class NotOne(Exception):
    """More than one item, or another kind of item, than the expression can take. The compiler knows where."""


def items(found: Any) -> list[Any] | tuple[Any, ...]:
    """Its items."""
    if found is None:
        return EMPTY
    return found if type(found) is list else (found,)


def one(found: Any) -> Any:
    """Its only item, or None. Raises NotOne."""
    if type(found) is not list:
        return found
    if len(found) > 1:
        raise NotOne
    return found[0] if found else None


def gather(found: list[Any], name: str) -> Any:
    """A member of each item, in one list."""
    if len(found) == 1:
        item = found[0]
        return item.get(name) if type(item) is dict else None
    result: list[Any] = []
    for item in found:
        if type(item) is dict and (value := item.get(name)) is not None:
            if type(value) is list:
                result.extend(value)
            else:
                result.append(value)
    return result or None


def without_nulls(found: list[Any]) -> list[Any] | None:
    """Primitives alone: a null stands where there is an extension only."""
    return [item for item in found if item is not None] or None


def truth(found: Any) -> bool | None:
    """A collection where a boolean is wanted: one item that is none counts as true. Raises NotOne."""
    item = one(found)
    return item if item is None or type(item) is bool else True


def equal(left: Any, right: Any) -> bool:
    """Whether two items are equal; true is not 1."""
    if type(left) is type(right):
        return bool(left == right)
    if arithmetic.is_number(left) and arithmetic.is_number(right):
        return arithmetic.order(left, right) == 0
    return False


def distinct(found: list[Any] | tuple[Any, ...]) -> list[Any] | None:
    """Each item once, in the order in which they first came."""
    result: list[Any] = []
    for item in found:
        if not any(equal(item, known) for known in result):
            result.append(item)
    return result or None
