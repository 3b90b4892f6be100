"""The forms of FHIR's primitive types (R4 datatypes, regular expressions), as JSON carries them."""

import math
import re
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal

from shared.fhir.validation.narrative import xhtml

type Check = Callable[[object, object, int], str | None]  # the rule that is broken, or None; the rest is of no use

_LONGEST = 1024 * 1024  # R4: strings shall not exceed 1 MB
_DATE = r"((?!0000)[0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?)?"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATE_ONLY = re.compile(_DATE)
_DATE_TIME = re.compile(rf"{_DATE}(?:(?<=-[0-9]{{2}}-[0-9]{{2}})T{_TIME}{_ZONE})?")
_INSTANT = re.compile(rf"((?!0000)[0-9]{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T{_TIME}{_ZONE}")
_BASE64 = re.compile(r"(?:[0-9A-Za-z+/]{4})*(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?")
_SPACE = re.compile(r"\s+")
# R4: no code point below 32 but tab, line feed, return; and half a surrogate pair is no character at all
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_UUID = "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OID = r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"

# RFC 3986: its characters and its percent-encoding, with what practice writes unencoded: letters of all languages, `|`
# before a version, the braces of templates. Of `urn:uuid:` and `urn:oid:` R4 says more.
_SCHEME = r"(?:[A-Za-z][A-Za-z0-9+.\-]*:|(?![^/?#:]*:))"  # or none: then no colon before the first slash
_REST = rf"{_SCHEME}(?:[^\s<>\"\\^`%\x00-\x1f]|%[0-9A-Fa-f]{{2}})+"
_ANY_UUID = _UUID.replace("a-f", "A-Fa-f")  # in a uri either case, as RFC 4122 reads them
_CANONICAL = rf"(?:{_ANY_UUID}(?:[|#]\S+)?|(?!urn:uuid:){_REST})"
_URI = re.compile(rf"(?:{_ANY_UUID}|{_OID}(?:\|\S+)?|(?!urn:uuid:|urn:oid:){_REST})", re.ASCII)
# Names of code systems and extensions are few, and everywhere: they are remembered. Nobody's document is: what is in HL7's
# namespace and short is HL7's, not a patient's.
_KNOWN = {"http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"}
_MOST_KNOWN, _SHORT = 4096, 120
_PUBLISHED = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")


def _text(form: str) -> Check:
    whole = re.compile(form, re.ASCII).fullmatch

    def check(value: object, _: object = None, __: int = 0) -> str | None:
        if type(value) is not str:
            return "json-type"
        return None if 0 < len(value) <= _LONGEST and whole(value) else "format"

    return check


_code_form = _text(r"[^\s]+(\s[^\s]+)*")


def _code(value: object, _: object = None, __: int = 0) -> str | None:
    if type(value) is str and value and value.isprintable() and " " not in value and len(value) <= _LONGEST:
        return None  # no white space at all: nearly all are so
    return _code_form(value, None, 0)


def _uri(value: object, _: object = None, __: int = 0) -> str | None:
    if type(value) is not str:
        return "json-type"
    if value in _KNOWN:
        return None
    if len(value) > _LONGEST or not _URI.fullmatch(value):
        return "format"
    if value.startswith(_PUBLISHED) and len(value) <= _SHORT and len(_KNOWN) < _MOST_KNOWN:
        _KNOWN.add(value)
    return None


def _string(value: object, _: object = None, __: int = 0) -> str | None:
    if type(value) is not str:
        return "json-type"
    if value[:1] > " " and value.isprintable() and len(value) <= _LONGEST:
        return None  # nearly all are so
    if value.isspace() or not 0 < len(value) <= _LONGEST:
        return "format"
    return "format" if _CONTROLS.search(value) else None


def _calendar(pattern: re.Pattern[str]) -> Check:
    whole = pattern.fullmatch

    def check(value: object, _: object = None, __: int = 0) -> str | None:
        if type(value) is not str:
            return "json-type"
        found = whole(value)
        if found is None:
            return "format"
        year, month, day = found.group(1, 2, 3)
        if day is None or day < "29":
            return None
        return None if int(day) <= monthrange(int(year), int(month))[1] else "format"

    return check


def _whole(least: int) -> Check:
    def check(value: object, _: object = None, __: int = 0) -> str | None:
        if type(value) is not int:
            return "json-type"
        return None if least <= value < 2**31 else "format"

    return check


def _boolean(value: object, _: object = None, __: int = 0) -> str | None:
    return None if value is True or value is False else "json-type"


def _decimal(value: object, _: object = None, __: int = 0) -> str | None:
    if type(value) is int:
        return None
    if not isinstance(value, (float, Decimal)):
        return "json-type"
    return None if math.isfinite(value) else "format"


def _base64(value: object, _: object = None, __: int = 0) -> str | None:
    if type(value) is not str:
        return "json-type"
    return None if value and _BASE64.fullmatch(_SPACE.sub("", value)) else "format"


CHECKS: dict[str, Check] = {
    "boolean": _boolean,
    "integer": _whole(-(2**31)),
    "unsignedInt": _whole(0),
    "positiveInt": _whole(1),
    "decimal": _decimal,
    "string": _string,
    "markdown": _string,
    "xhtml": xhtml,
    "uri": _uri,
    "url": _text(_URI.pattern),
    "canonical": _text(_CANONICAL),
    "oid": _text(_OID),
    "uuid": _text(_UUID),
    "id": _text(r"[A-Za-z0-9\-.]{1,64}"),
    "code": _code,
    "time": _text(_TIME),
    "date": _calendar(_DATE_ONLY),
    "dateTime": _calendar(_DATE_TIME),
    "instant": _calendar(_INSTANT),
    "base64Binary": _base64,
}
