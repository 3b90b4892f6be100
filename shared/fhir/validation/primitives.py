"""The forms of FHIR's primitive types (R4 datatypes, regular expressions), as JSON carries them."""

import math
import re
from collections.abc import Callable
from datetime import date

type Check = Callable[[object], str | None]  # the rule that is broken, or None

_LONGEST = 1024 * 1024  # R4: strings shall not exceed 1 MB
_DATE = r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?)?"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATE_ONLY = re.compile(_DATE)
_DATE_TIME = re.compile(rf"{_DATE}(?:(?<=-[0-9]{{2}}-[0-9]{{2}})T{_TIME}{_ZONE})?")
_INSTANT = re.compile(rf"([0-9]{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T{_TIME}{_ZONE}")
_BASE64 = re.compile(r"(?:[0-9A-Za-z+/]{4})*(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?")
_SPACE = re.compile(r"\s+")


def _text(form: str | re.Pattern[str]) -> Check:
    pattern = re.compile(form, re.DOTALL)

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return "json-type"
        return None if 0 < len(value) <= _LONGEST and pattern.fullmatch(value) else "format"

    return check


def _calendar(pattern: re.Pattern[str]) -> Check:
    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return "json-type"
        found = pattern.fullmatch(value)
        if found is None:
            return "format"
        year, month, day = found[1], found[2] or "01", found[3] or "01"
        try:
            date(int(year), int(month), int(day))
        except ValueError:
            return "format"
        return None

    return check


def _whole(least: int) -> Check:
    def check(value: object) -> str | None:
        if type(value) is not int:
            return "json-type"
        return None if least <= value < 2**31 else "format"

    return check


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else "json-type"


def _decimal(value: object) -> str | None:
    if type(value) not in (int, float):
        return "json-type"
    return None if math.isfinite(float(str(value))) else "format"


def _base64(value: object) -> str | None:
    if not isinstance(value, str):
        return "json-type"
    return None if _BASE64.fullmatch(_SPACE.sub("", value)) else "format"


CHECKS: dict[str, Check] = {
    "boolean": _boolean,
    "integer": _whole(-(2**31)),
    "unsignedInt": _whole(0),
    "positiveInt": _whole(1),
    "decimal": _decimal,
    "string": _text(r".*\S.*"),
    "markdown": _text(r".*\S.*"),
    "xhtml": _text(r"\s*<div.*"),
    "uri": _text(r"\S+"),
    "url": _text(r"\S+"),
    "canonical": _text(r"\S+"),
    "oid": _text(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+"),
    "uuid": _text(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    "id": _text(r"[A-Za-z0-9\-.]{1,64}"),
    "code": _text(r"[^\s]+(\s[^\s]+)*"),
    "time": _text(_TIME),
    "date": _calendar(_DATE_ONLY),
    "dateTime": _calendar(_DATE_TIME),
    "instant": _calendar(_INSTANT),
    "base64Binary": _base64,
}
