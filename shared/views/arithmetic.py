"""Numbers as FHIRPath counts: in decimals, so that 0.1 + 0.2 is 0.3, whatever JSON's reader made of them.

A float is taken for the shortest decimal that is read as it, which is what was written, but for trailing zeros. Where
those matter (the boundaries of 1.50 are not those of 1.5), the reader gives Decimals, and Decimals come out.
"""

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)

type Number = int | float | Decimal

_DECIMALS, _MOST_DECIMALS = 8, 28  # FHIRPath's default precision of a boundary, and the greatest there is
_TYPES = (int, float, Decimal)


def is_number(value: object) -> bool:
    """Whether a value counts; a boolean does not."""
    return type(value) in _TYPES


def exact(number: Number) -> Decimal:
    """The decimal that was written."""
    return Decimal(repr(number)) if type(number) is float else Decimal(number)


def _back(result: Decimal, *given: Number) -> Number:
    return result if any(type(one) is Decimal for one in given) else float(result)


def add(left: Number, right: Number) -> Number:
    """left + right"""
    return left + right if type(left) is type(right) is int else _back(exact(left) + exact(right), left, right)


def subtract(left: Number, right: Number) -> Number:
    """left - right"""
    return left - right if type(left) is type(right) is int else _back(exact(left) - exact(right), left, right)


def multiply(left: Number, right: Number) -> Number:
    """left * right"""
    return left * right if type(left) is type(right) is int else _back(exact(left) * exact(right), left, right)


def divide(left: Number, right: Number) -> Number | None:
    """left / right, a decimal; nothing by zero"""
    return _back(exact(left) / exact(right), left, right) if right else None


def whole(left: Number, right: Number) -> Number | None:
    """left div right, towards zero; nothing by zero"""
    return int(exact(left) / exact(right)) if right else None


def rest(left: Number, right: Number) -> Number | None:
    """left mod right, with the sign of the left; nothing by zero"""
    if not right:
        return None
    result = exact(left) % exact(right)
    return int(result) if type(left) is type(right) is int else _back(result, left, right)


OPERATIONS: dict[str, Callable[[Number, Number], Number | None]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "div": whole,
    "mod": rest,
}
FAILURES = (InvalidOperation, Overflow, DivisionByZero, OverflowError)


def order(left: Number, right: Number) -> int:
    """-1, 0 or 1"""
    if Decimal in (type(left), type(right)):
        left, right = exact(left), exact(right)
    return (left > right) - (left < right)


def boundary(number: Number, *, high: bool, precision: int | None) -> Number | None:
    """The least or greatest number that would be written as this one: half a step below or above it."""
    places = _DECIMALS if precision is None else precision
    if not 0 <= places <= _MOST_DECIMALS:
        return None
    value = exact(number)
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        return None  # no number at all
    with localcontext() as context:
        context.prec = 60
        half = Decimal(5).scaleb(min(exponent, 0) - 1)
        step = Decimal(1).scaleb(-places)
        if value.quantize(step, ROUND_HALF_UP) == 0 and value != 0:
            return _back(Decimal(0).quantize(step), number)
        bound = value + half if high else value - half
        return _back(bound.quantize(step, ROUND_CEILING if high else ROUND_FLOOR), number)
