"""Dates: the year alone, or the day moved by the patient's own secret number of days (45 CFR 164.514(b)(2)(i)(C)).

Both policies withhold a year that is 90 or more years ago: such a date, be it of birth or of a first symptom, tells
of an age over 89. Only dates of FHIR's form that are in the calendar leave; anything else in a date's place is text.

Moved dates keep time of day, zone and precision, so intervals within a patient are exact. A date that is only a month
or a year is moved from its middle: half the patients' months change, and none can be told.
"""

import re
from datetime import date, timedelta
from functools import lru_cache

from shared.deid.walk import Given, Leave

LIFE = 90  # the class "90 or older" begins here
_CACHED = 65_536
_DATE = re.compile(
    r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])"
    r"(?:(T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60))(\.[0-9]{1,9})?(Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9]))?)?)?"
)
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
_TO_MS = 4  # the point and three digits
_LONGEST = 35  # an instant with nine digits and a zone; what is longer must not fill the caches


def oldest_year(today: date) -> str:
    """The earliest year that may leave: whoever was born in the year before may be 90 this year."""
    return f"{today.year - LIFE + 1:04d}"


@lru_cache(_CACHED)
def year(text: str) -> str | None:
    """The year of a FHIR date, dateTime or instant."""
    if not (found := _DATE.fullmatch(text)):
        return None
    return found[1] if _day(found) else None


@lru_cache(_CACHED)
def moved(text: str, days: int) -> str | None:
    """A FHIR date, dateTime or instant, moved by whole days, as precise as it was (to the millisecond)."""
    if not (found := _DATE.fullmatch(text)) or not (day := _day(found)):
        return None
    try:
        new = (day + timedelta(days)).isoformat()
    except OverflowError:
        return None
    if found[2] is None:
        return new[:4]
    if found[3] is None:
        return new[:7]
    if found[4] is None:
        return new
    return new + found[4] + (found[5] or "")[:_TO_MS] + found[6]


def _day(found: re.Match[str]) -> date | None:
    """The day, or the middle of the month or year; None when the calendar has no such day."""
    try:
        return date(int(found[1]), int(found[2] or 7), int(found[3] or (15 if found[2] else 2)))
    except ValueError:
        return None


def to_year(value: object, given: Given) -> object:
    """Safe Harbor: nothing of a date but its year."""
    if type(value) is not str or len(value) > _LONGEST or (found := year(value)) is None:
        return None
    return found if found >= given.oldest else None


def to_moved(value: object, given: Given) -> object:
    """Expert determination: the date moved with all dates of the same patient."""
    if type(value) is not str or len(value) > _LONGEST or value[:4] < given.oldest:
        return None
    found = moved(value, given.days)
    if found is None:
        return None
    return found if found >= given.oldest else None


def born(leave: Leave) -> Leave:
    """A date of birth: as `leave`, and when it is withheld because of an age over 89, the resource says so."""

    def leave_birth(value: object, given: Given) -> object:
        safe = leave(value, given)
        if safe is None and type(value) is str and len(value) <= _LONGEST and year(value) is not None:
            given.over_89 = True
        return safe

    return leave_birth


def time_of_day(value: object, given: Given) -> object:
    """A time without a date, such as when a medicine is to be taken."""
    return value if type(value) is str and _TIME.fullmatch(value) else None
