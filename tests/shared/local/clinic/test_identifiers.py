"""What the clinic says that it put anywhere is all that it put anywhere, and nothing that others say too."""

import base64
import random
import re
import uuid
from pathlib import Path

import orjson
import pytest

from shared.local.clinic import Form, Secrecy, vocabulary
from shared.local.clinic.names import _CLUSTERS
from shared.local.scan import Scanner
from tests.shared.local.playing import played

_REPOSITORY = Path(__file__).parents[4]
_NAME_LIKE = re.compile("|".join(_CLUSTERS), re.I)
_DAY_LIKE = re.compile(r"\d{4}-\d\d-\d\d|\d\d?/\d\d?/\d{4}")
_LONG_NUMBER = re.compile(r"\d{5,}|\d{3}-\d\d-\d{4}|\d{3}-\d{4}")


def _strings(value: object) -> list[str]:
    match value:
        case dict():
            return [
                text for key, part in value.items() if key not in ("code", "system", "meta") for text in _strings(part)
            ]
        case list():
            return [text for part in value for text in _strings(part)]
        case str():
            return [value]
    return []


def _vocabulary() -> str:
    entries = [value for value in vars(vocabulary).values() if isinstance(value, tuple | str)]
    return orjson.dumps(entries, default=str).decode()


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_looks_like_an_identifier_is_missing(seed: int) -> None:
    """Whatever is left of the resources once the identifiers are cut out holds no name, no day and no long number."""
    made = played(seed, 500)
    values = sorted({identifier.value for identifier in made.clinic.identifiers()}, key=len, reverse=True)
    cut = re.compile("|".join(map(re.escape, values)), re.I)
    for body in made.sent.values():
        for text in _strings(body):
            if len(text) > 200 and re.fullmatch("[A-Za-z0-9+/=]+", text):
                text = base64.b64decode(text).decode()
            rest = cut.sub("…", text)
            assert not _NAME_LIKE.search(rest)
            assert not _DAY_LIKE.search(rest)
            assert not _LONG_NUMBER.search(rest)


def test_every_id_that_medplum_gave_is_among_them() -> None:
    made = played(1, 500)
    ids = {i.value for i in made.clinic.identifiers() if i.secrecy is Secrecy.RESOURCE_ID}
    assert {body["id"] for body in made.answers.values()} <= ids
    assert {body["meta"]["versionId"] for body in made.answers.values()} <= ids


def test_an_identifier_shows_its_kind_and_not_its_value() -> None:
    identifier = next(iter(played(1, 500).clinic.identifiers()))
    assert identifier.value not in repr(identifier)
    assert identifier.kind in repr(identifier)


def test_no_name_is_short() -> None:
    names = [i.value for i in played(1, 2000).clinic.identifiers() if i.form is Form.NAME]
    assert min(map(len, names)) >= 5
    assert min(len(name) for name in names if name.isascii()) >= 7


@pytest.mark.parametrize("seed", range(20))
def test_codes_fhir_and_our_own_words_raise_no_alarm(seed: int) -> None:
    scanner = Scanner(played(seed, 300).clinic.identifiers())
    scanner.scan("vocabulary", _vocabulary())
    for path in sorted((_REPOSITORY / "schemas").rglob("*.json")):
        scanner.scan_file("schemas", path)
    for path in sorted((_REPOSITORY / "shared").rglob("*.py")):
        scanner.scan(
            "sources", re.sub(r"\d", "#", path.read_text())
        )  # words only: an example's phone may be one of ours
    assert scanner.findings == ()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tokens_ids_counts_and_times_raise_no_alarm(seed: int) -> None:
    """What a service's logs and messages are full of, thousands of times."""
    source, scanner = random.Random(seed), Scanner(played(seed, 2000).clinic.identifiers())
    for _ in range(20_000):
        token = base64.b64encode(source.randbytes(96)).decode()
        ms, count = source.random() * 500, source.randrange(10 ** source.randrange(1, 9))
        line = {
            "trace": uuid.UUID(int=source.getrandbits(128)).hex,
            "request_id": str(uuid.UUID(int=source.getrandbits(128))),
            "duration_ms": ms,
            "count": count,
            "at": f"2026-11-23T10:{source.randrange(60):02}:12.{source.randrange(10**6):06}Z",
            "epoch": 1_795_430_515 + source.randrange(10**6),
            "sequence": f"{source.getrandbits(56):014x}/0/{source.getrandbits(64):016x}/{source.getrandbits(20):012x}",
            "port": source.randrange(1024, 65_536),
            "token": token,
        }
        scanner.scan("log", orjson.dumps(line))
    assert scanner.findings == ()
