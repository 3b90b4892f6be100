"""Dates, times and what is between them: in which order two come, and the first and last instant that one may mean.

    "2024-03" < "2024-04-01"  →  yes      "2024-03" < "2024-03-15"  →  cannot be said (None)
    "2024-03".lowBoundary()   →  "2024-03-01" (a date), "2024-03-01T00:00:00.000+14:00" (a dateTime)

A time without a zone is compared as if it were UTC; its boundaries take the zones at the ends of the Earth. Seconds and
their fractions are one step of precision. A text that is no moment has no order and no boundary.
"""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d{1,20})?))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_TIME = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d{1,20})?))?)?", re.ASCII)
_EARLIEST, _LATEST = "+14:00", "-12:00"
_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND, _MILLISECOND = 4, 6, 8, 10, 12, 14, 17  # precisions, in digits


class _Parts(NamedTuple):
    is_time: bool
    steps: tuple[Decimal, ...]


@lru_cache(65_536)
def _parts(text: str) -> _Parts | None:
    if (clock := _TIME.fullmatch(text)) and ":" in text:
        return _Parts(True, tuple(Decimal(step) for step in clock.groups() if step is not None))
    if (found := _MOMENT.fullmatch(text)) is None:
        return None
    steps = [Decimal(step) for step in found.groups()[:6] if step is not None]
    if found[7] in (None, "Z", "+00:00", "-00:00"):
        return _Parts(False, tuple(steps))
    try:
        moment = datetime(*(int(step) for step in steps[:5]), tzinfo=_zone(found[7])).astimezone(UTC)  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError):
        return None
    utc = (moment.year, moment.month, moment.day, moment.hour, moment.minute)
    return _Parts(False, (*(Decimal(step) for step in utc[: len(steps)]), *steps[5:]))


def _zone(text: str) -> timezone:
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-offset if text[0] == "-" else offset)


def order(left: str, right: str) -> int | None:
    """-1, 0 or 1; None where the precision of one does not tell, or where one is no moment."""
    if left == right:
        return 0
    one, other = _parts(left), _parts(right)
    if one is None or other is None or one.is_time != other.is_time:
        return None
    for mine, theirs in zip(one.steps, other.steps, strict=False):
        if mine != theirs:
            return -1 if mine < theirs else 1
    return 0 if len(one.steps) == len(other.steps) else None


def boundary(text: str, of: str | None, *, high: bool, precision: int | None) -> str | None:
    """The first or last moment that a text may mean, as a value of its type."""
    if of == "time" or (of is None and _TIME.fullmatch(text) and ":" in text):
        return _time_boundary(text, high=high, precision=_MILLISECOND if precision is None else precision + _DAY)
    if (found := _MOMENT.fullmatch(text)) is None:
        return None
    is_date = of == "date" or (of is None and "T" not in text)
    wanted = precision if precision is not None else _DAY if is_date else _MILLISECOND
    year, month, day = found[1], found[2] or ("12" if high else "01"), found[3]
    if not 1 <= int(month) <= 12 or int(year) < 1:
        return None
    day = day or (f"{monthrange(int(year), int(month))[1]:02}" if high else "01")
    if wanted <= _DAY:
        return {_YEAR: year, _MONTH: f"{year}-{month}", _DAY: f"{year}-{month}-{day}"}.get(wanted)
    if is_date or (clock := _clock(found[4], found[5], found[6], high=high, precision=wanted)) is None:
        return None
    return f"{year}-{month}-{day}T{clock}{found[7] or (_LATEST if high else _EARLIEST)}"


def _time_boundary(text: str, *, high: bool, precision: int) -> str | None:
    found = _TIME.fullmatch(text)
    return None if found is None else _clock(found[1], found[2], found[3], high=high, precision=precision)


def _clock(hour: str | None, minute: str | None, second: str | None, *, high: bool, precision: int) -> str | None:
    hour = hour or ("23" if high else "00")
    minute = minute or ("59" if high else "00")
    whole, _, fraction = (second or ("59" if high else "00")).partition(".")
    fraction = fraction.ljust(3, "9" if high else "0")  # finer than milliseconds stays as fine as it came
    return {
        _HOUR: hour,
        _MINUTE: f"{hour}:{minute}",
        _SECOND: f"{hour}:{minute}:{whole}",
        _MILLISECOND: f"{hour}:{minute}:{whole}.{fraction}",
    }.get(precision)
