"""What a reference's text points at."""

import pytest

from shared.fhir.references import (
    Conditional,
    Contained,
    Elsewhere,
    LocalReference,
    ParsedReference,
    Urn,
    parse,
)

BASE = "https://api.medplum.com/fhir/R4"


@pytest.mark.parametrize(
    "text, pointed_at",
    [
        ("Patient/p1", LocalReference("Patient", "p1")),
        ("Patient/p1/_history/3", LocalReference("Patient", "p1", "3")),
        (f"{BASE}/Patient/p1", LocalReference("Patient", "p1")),
        (f"{BASE}/Patient/p1/_history/3", LocalReference("Patient", "p1", "3")),
        ("https://elsewhere.example/fhir/Patient/p1", Elsewhere("https://elsewhere.example/fhir/Patient/p1")),
        (f"{BASE}.evil.example/Patient/p1", Elsewhere(f"{BASE}.evil.example/Patient/p1")),
        ("#med", Contained("med")),
        ("#", Contained("")),
        ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", Urn("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")),
        ("urn:oid:1.2.36.1", Urn("urn:oid:1.2.36.1")),
        ("Patient?identifier=urn:mrn|1", Conditional("Patient", "identifier=urn:mrn|1")),
    ],
)
def test_a_reference_is_read_for_what_it_is(text: str, pointed_at: ParsedReference) -> None:
    assert parse(text, base=BASE) == pointed_at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Patient",
        "Patient/",
        "patient/p1",
        "Patient/..",
        "Patient/p1/_history/..",
        "Patient/p 1",
        "/Patient/p1",
        "Patient/p1/",
        "Patient/p1\n",
        "Patient/" + "x" * 65,
        "urn:uuid:1",
        "urn:oid:3.1",
        "urn:other:1",
        "#a b",
    ],
)
def test_what_is_no_reference_is_none(text: str) -> None:
    assert parse(text, base=BASE) is None
