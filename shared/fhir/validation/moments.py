"""Whether one FHIR dateTime is surely after another.

Two moments with zones are two instants. Where one is a date, perhaps a year alone, both are compared as far as both say:
the start of 2012-03 is not surely after the end of 2012.
"""

from datetime import UTC, datetime

_DAY = len("2012-03-04")


def surely_after(first: str, second: str) -> bool:
    """Whether no reading of `first` is at or before `second`."""
    said = min(len(first), len(second))
    if said <= _DAY:
        return first[:said] > second[:said]
    return _instant(first) > _instant(second)


def _instant(text: str) -> datetime:
    """Python knows no leap second: it counts as the second before it. At the ends of the calendar zones are left out."""
    text = f"{text[:17]}59{text[19:]}" if text[17:19] == "60" else text
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)
