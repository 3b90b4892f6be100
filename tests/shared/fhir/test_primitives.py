"""Each primitive type of R4: what has its form, and what has not."""

import math
from decimal import Decimal

import pytest

from shared.fhir.elements import types
from shared.fhir.validation.primitives import _KNOWN, CHECKS

UUID = "urn:uuid:3fa85f64-5717-4562-b3fc-2c963f66afa6"
GOOD: dict[str, tuple[object, ...]] = {
    "boolean": (True, False),
    "integer": (0, -(2**31), 2**31 - 1),
    "unsignedInt": (0, 5),
    "positiveInt": (1, 2**31 - 1),
    "decimal": (0, 1.5, -3, 1e300, 10**40, Decimal("1.50")),
    "string": ("x", " x ", "a\tb\r\nc", "Müller", "佐藤", "x" * 1024),
    "markdown": ("# x\n\ny",),
    "uri": (
        "http://loinc.org",
        "urn:oid:1.2.840",
        UUID,
        UUID.upper().replace("URN:UUID", "urn:uuid"),
        "a/b",
        "#x",
        "mailto:x@y.z",
        "ß",
    ),
    "url": ("https://example.org/a%20b?c=d#e",),
    "canonical": ("http://hl7.org/fhir/ValueSet/x|4.0.1", "#inner", f"{UUID}|1"),
    "oid": ("urn:oid:2.16.840.1.113883",),
    "uuid": (UUID,),
    "id": ("a", "A-1.b", "x" * 64),
    "code": ("final", "a b", "<="),
    "time": ("00:00:00", "23:59:60", "10:30:00.123"),
    "date": ("2020", "2020-02", "2020-02-29", "0001-01-01"),
    "dateTime": ("2020", "2020-02-29", "2020-02-29T10:00:00Z", "2020-02-29T23:59:60.5+14:00"),
    "instant": ("2020-02-29T10:00:00.000-05:00",),
    "base64Binary": ("aGVsbG8=", "aGVs\nbG8=", "AAAA"),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml">x</div>',),
}
BAD: dict[str, tuple[object, ...]] = {
    "boolean": ("true", 1, 0),
    "integer": (2**31, -(2**31) - 1, 1.0, True, "1"),
    "unsignedInt": (-1, 2**31),
    "positiveInt": (0, -1),
    "decimal": (math.inf, -math.inf, math.nan, "1", True, Decimal("NaN")),
    "string": ("", " ", "\n", "\xa0", "a\x00b", "a\x1bb", "\ud800", 5, "x" * (1024 * 1024 + 1)),
    "markdown": ("", 5),
    "uri": (
        "",
        " ",
        "a b",
        " http://x.org",
        "http://x.org/<a>",
        "http://x.org/%zz",
        "urn:uuid:x",
        "urn:oid:x",
        ":x",
        "1x:y",
        5,
    ),
    "url": ("http://a b", "", "ht!tp://x.org"),
    "canonical": ("a b", "urn:uuid:x", ""),
    "oid": ("1.2.3", "urn:oid:3.1", "urn:oid:1.02"),
    "uuid": ("3fa85f64-5717-4562-b3fc-2c963f66afa6", UUID.upper(), f"{UUID}0"),
    "id": ("", "a b", "a_b", "x" * 65, "ä", "a\n", 5),
    "code": ("", " a", "a ", "a  b", "a\n"),
    "time": ("24:00:00", "10:00", "10:00:00Z", "1:00:00"),
    "date": (
        "2020-02-30",
        "2023-02-29",
        "1900-02-29",
        "2020-04-31",
        "2020-13",
        "0000",
        "20",
        "2020-1-1",
        "2020-02-29T10:00:00Z",
    ),
    "dateTime": (
        "2020-02-29T10:00:00",
        "2020-02-29T10:00Z",
        "2020-02-29T24:00:00Z",
        "2020-02T10:00:00Z",
        "2020-02-29 10:00:00Z",
    ),
    "instant": ("2020-02-29", "2020-02-30T10:00:00Z", "2020-02-29T10:00:00+15:00"),
    "base64Binary": ("a", "====", "a-_=", "", "aGVsbG8"),
    "xhtml": ("x", 5, ""),
}


def test_every_primitive_type_of_r4_has_a_check() -> None:
    assert (
        set(CHECKS) == set(GOOD) == set(BAD) == {name for name, given in types().items() if given.kind == "primitive"}
    )


@pytest.mark.parametrize("name, value", [(name, value) for name in GOOD for value in GOOD[name]], ids=repr)
def test_a_value_of_the_form_passes(name: str, value: object) -> None:
    assert CHECKS[name](value, {}, 0) is None


@pytest.mark.parametrize(
    "name, value", [(name, value) for name in BAD for value in BAD[name]], ids=lambda given: ascii(given)[:40]
)
def test_any_other_is_refused(name: str, value: object) -> None:
    assert CHECKS[name](value, {}, 0) in ("format", "json-type", "txt-1")


@pytest.mark.parametrize(
    "uri", ["https://clinic.example/patients/jane-doe", "http://loinc.org.example/jane-doe", "urn:x:1"]
)
def test_a_uri_of_a_document_is_not_remembered(uri: str) -> None:
    assert CHECKS["uri"](uri, {}, 0) is None
    assert uri not in _KNOWN
