"""The scanner finds what was planted, however it is written, and nothing else."""

import base64
import json
import logging
import unicodedata
from collections.abc import Callable
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pytest

from shared.local.clinic import Form, Identifier, Identifiers, Secrecy
from shared.local.scan import Scanner
from tests.shared.local.playing import played

_AROUND = 'The "quick" brown fox / jumps over\tthe lazy dog.\n'
_ENCODINGS: dict[str, Callable[[str], str | bytes]] = {
    "as it is": lambda value: f"{_AROUND} {value} {_AROUND}",
    "in UTF-8": lambda value: f"{_AROUND} {value} {_AROUND}".encode(),
    "alone": lambda value: value,
    "in lower case": lambda value: f"x={value.lower()},",
    "in upper case": lambda value: f"x={value.upper()},",
    "in JSON": lambda value: json.dumps({"a": f"{_AROUND}{value}\n"}, ensure_ascii=False),
    "in JSON of ASCII only": lambda value: json.dumps({"a": f"{_AROUND}{value}\n"}),
    "in JSON within JSON": lambda value: json.dumps({"a": json.dumps({"b": f"{_AROUND}{value}\n"})}),
    "in JSON within JSON within JSON": lambda value: json.dumps(json.dumps(json.dumps([f"\n{value}\n"]))),
    "in base64": lambda value: base64.b64encode(f"{_AROUND}{value}\n{_AROUND}".encode()),
    "in base64 for URLs, unpadded": lambda value: base64.urlsafe_b64encode(f"{_AROUND}{value}\n~~".encode()).rstrip(
        b"="
    ),
    "in base64 within base64": lambda value: base64.b64encode(base64.b64encode(f"{_AROUND}{value}\n".encode())),
    "in a message as Pub/Sub pushes it": lambda value: json.dumps(
        {"message": {"data": base64.b64encode(json.dumps({"note": f"{_AROUND}{value}\n"}).encode()).decode()}}
    ),
    "in base64 after a path": lambda value: b"data/ab/" + base64.b64encode(f"{_AROUND}{value}\n{_AROUND}".encode()),
    "in a URL": lambda value: f"GET /search?q={quote(value)}&x=1 HTTP/1.1",
    "in the repr of bytes": lambda value: repr(f"\n{value}\n".encode()),
}


def _identifiers() -> list[Identifier]:
    return list(played(3, 250).clinic.identifiers())


@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_every_identifier_is_found_in_every_encoding(encoding: str) -> None:
    scanner = Scanner(_identifiers())
    for identifier in _identifiers():
        found = scanner.scan("log", _ENCODINGS[encoding](identifier.value))
        assert identifier.kind in {finding.kind for finding in found}


def test_a_note_in_a_resource_in_a_push_is_read() -> None:
    body = next(body for body in played(3, 250).sent.values() if body["resourceType"] == "DocumentReference")
    only_text = {"data": body["content"][0]["attachment"]["data"]}
    push = json.dumps({"message": {"data": base64.b64encode(json.dumps(only_text).encode()).decode()}})
    kinds = {finding.kind for finding in Scanner(_identifiers()).scan("push", push)}
    assert {"Patient.name.family", "Patient.birthDate", "Patient.identifier", "Practitioner.name.family"} <= kinds


def test_a_name_is_found_with_its_diacritics_composed_decomposed_or_dropped() -> None:
    identifiers = Identifiers()
    identifiers.name("Zvorvzöthen", "Patient.name.family")
    scanner = Scanner(identifiers)
    for text in (
        "Zvorvzöthen",
        unicodedata.normalize("NFD", "Zvorvzöthen"),
        "Zvorvzothen",
        "ZVORVZÖTHEN",
        "zvorvzöthen",
    ):
        assert [finding.kind for finding in scanner.scan("log", text)] == ["Patient.name.family"]


@pytest.mark.parametrize("text", ["dr.zvorvzothen87@x", "patient_ZVORVZOTHEN", "ZvorvzothenMRI.pdf", "xzvorvzothenx"])
def test_a_name_within_a_longer_word_is_found(text: str) -> None:
    identifiers = Identifiers()
    identifiers.name("Zvorvzothen", "Patient.name.family")
    assert Scanner(identifiers).scan("log", text)


def test_a_name_within_base64_by_chance_is_not_found() -> None:
    identifiers = Identifiers()
    identifiers.name("Zvorvzothen", "Patient.name.family")
    assert not Scanner(identifiers).scan("token", "aB3zVoRvZOtHeNq9")


@pytest.mark.parametrize(
    "text", ["f02139a4", "0.02139", "602139", "02139f", "x02139", "a1-0213-9", "3e02139", "T02139Z"]
)
def test_a_zip_code_within_hex_or_a_fraction_does_not_count(text: str) -> None:
    identifiers = Identifiers()
    identifiers.number("02139", "Patient.address.postalCode")
    assert not Scanner(identifiers).scan("log", text)


@pytest.mark.parametrize("text", ["MA 02139.", '"02139"', "zip=02139&", "02139-4307", "_02139_"])
def test_a_zip_code_that_stands_alone_counts(text: str) -> None:
    identifiers = Identifiers()
    identifiers.number("02139", "Patient.address.postalCode")
    assert Scanner(identifiers).scan("log", text)


@pytest.mark.parametrize(
    "text", ["1931-04-07T10:00:00Z", "19310407.txt", "04/07/1931", "4/7/1931", "April 7, 1931", "07 Apr 1931"]
)
def test_a_day_is_found_as_people_and_machines_write_it(text: str) -> None:
    identifiers = Identifiers()
    identifiers.day(date(1931, 4, 7), "Patient.birthDate")
    assert Scanner(identifiers).scan("row", text)


@pytest.mark.parametrize("text", ["(617) 555-0143", "617.555.0143", "+16175550143", "tel:617-555-0143", "6175550143"])
def test_a_phone_is_found_in_every_notation(text: str) -> None:
    identifiers = Identifiers()
    identifiers.phone("6175550143", "Patient.telecom")
    assert Scanner(identifiers).scan("row", text)


def test_a_channel_may_hold_the_classes_that_it_is_allowed_and_no_other() -> None:
    identifiers = Identifiers()
    identifiers.resource_id("f9c8e546-e655-47fb-be43-f8b8a9c7d3f1", "Patient.id")
    identifiers.name("Zvorvzothen", "Patient.name.family")
    identifiers.day(date(2021, 3, 4), "Encounter.period")
    scanner = Scanner(identifiers)
    text = "f9c8e546-e655-47fb-be43-f8b8a9c7d3f1 Zvorvzothen 2021-03-04"
    found = scanner.scan("fhir.changed", text, allow=frozenset({Secrecy.RESOURCE_ID}))
    assert {finding.secrecy for finding in found} == {Secrecy.PHI, Secrecy.DATE}
    assert {finding.secrecy for finding in scanner.scan("log", text)} == set(Secrecy)


def test_a_finding_never_holds_the_value() -> None:
    scanner = Scanner(_identifiers())
    for identifier in _identifiers():
        scanner.scan("log", identifier.value)
    told = repr(scanner.findings)
    again = Scanner(_identifiers())
    assert scanner.findings
    assert not again.scan("report", told)


def test_two_values_have_two_hints_and_another_scanner_has_others() -> None:
    identifiers = Identifiers()
    identifiers.name("Zvorvzothen Drulqvemar", "Patient.name.family")
    hints = {finding.hint for finding in Scanner(identifiers).scan("log", "Zvorvzothen, Drulqvemar")}
    assert len(hints) == 2
    assert not hints & {finding.hint for finding in Scanner(identifiers).scan("log", "Zvorvzothen, Drulqvemar")}


def test_findings_add_up_for_each_channel() -> None:
    identifiers = Identifiers()
    identifiers.add("s3cr3t-of-the-webhook", "webhook secret")
    scanner = Scanner(identifiers)
    for channel in ("log", "log", "row"):
        scanner.scan(channel, json.dumps({"a": "s3cr3t-of-the-webhook s3cr3t-of-the-webhook"}))
    assert [(finding.channel, finding.kind, finding.times) for finding in scanner.findings] == [
        ("log", "webhook secret", 4),
        ("row", "webhook secret", 2),
    ]
    assert scanner.summary() == {"channels": 2, "bytes": 3 * 52, "identifiers": 1}


def test_a_file_is_read_whole_though_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.local.scan._CHUNK", 8192)
    identifiers = Identifiers()
    identifiers.name("Zvorvzothen", "Patient.name.family")
    path = tmp_path / "ledger"
    path.write_bytes(bytes(8186) + b" Zvorvzothen " + bytes(20_000))
    scanner = Scanner(identifiers)
    assert [finding.kind for finding in scanner.scan_file("file", path)] == ["Patient.name.family"]
    assert scanner.summary()["bytes"] == path.stat().st_size


def test_what_is_no_text_is_read_all_the_same() -> None:
    identifiers = Identifiers()
    identifiers.name("Zvorvzothen", "Patient.name.family")
    scanner = Scanner(identifiers)
    assert scanner.scan("file", b"\xff\x00\xfe Zvorvzothen \xff\\ud800 %zz \\x")
    assert scanner.scan("log", "lone \ud800 Zvorvzothen")
    assert not scanner.scan("file", b"")


def test_a_log_line_with_a_traceback_is_read() -> None:
    identifiers = Identifiers()
    identifiers.name("Zvorvzothen", "Patient.name.family")
    record = logging.LogRecord("x", logging.ERROR, "f.py", 1, "failed for %r", ({"name": "Zvorvzothen"},), None)
    assert Scanner(identifiers).scan("log", logging.Formatter().format(record))


def test_the_forms_are_those_that_the_scanner_knows() -> None:
    assert {identifier.form for identifier in _identifiers()} == set(Form)
