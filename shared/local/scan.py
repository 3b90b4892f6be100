"""Looks for identifiers where none may be: logs, messages, requests, rows, files, whatever the demo could get hold of.

    bytes of a channel ─► as they are                           ─┐
                       ├► without JSON, Python and URL escapes  ─┼─► one automaton ─► how it stands ─► Finding
                       └► base64 in them, decoded (three deep)  ─┘

All identifiers are sought at once (Aho-Corasick), so the cost does not grow with their number. A finding names the
channel and the kind, and tells two values apart by a hash under a key of this scanner's own; it never holds the value,
because the report of a leak must not be the next one.

Left out: compressed and encrypted content, base64 broken over lines, UTF-16, a value that two calls of `scan` share.
"""

import binascii
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ahocorasick_rs import BytesAhoCorasick

from shared.local import escapes
from shared.local.clinic.identifiers import Form, Identifier, Secrecy

_CHUNK, _OVERLAP = 1 << 23, 1 << 12
_DEPTH = 3
_LEAST_BASE64 = 24  # digits; 18 bytes
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_ONLY_BASE64 = bytes(byte if byte in _BASE64 else ord(" ") for byte in range(256))
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_HEX = re.compile(rb"[0-9a-fA-F-]*")


@dataclass(frozen=True, slots=True)
class Finding:
    """An identifier in a channel where it may not be. The same `hint` means the same value."""

    channel: str
    kind: str
    secrecy: Secrecy
    hint: str
    times: int


class Summary(TypedDict):
    channels: int
    bytes: int
    identifiers: int


class Scanner:
    """Counts what it has read and keeps what it has found. `key` is for tests; a report needs none that lasts."""

    def __init__(self, identifiers: Iterable[Identifier], key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        self._identifiers = tuple(identifiers)
        patterns = [(form, sought) for sought in self._identifiers for form in _spelt(sought)]
        self._sought = tuple(sought for _, sought in patterns)
        self._automaton = BytesAhoCorasick([form for form, _ in patterns])
        self._bytes: Counter[str] = Counter()
        self._found: Counter[tuple[str, Identifier]] = Counter()

    def scan(self, channel: str, data: bytes | str, allow: frozenset[Secrecy] = frozenset()) -> tuple[Finding, ...]:
        """What is found in this piece of a channel. `allow`: what may be seen there."""
        read = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        self._bytes[channel] += len(read)
        return self._scan(channel, read, allow)

    def scan_file(self, channel: str, path: Path, allow: frozenset[Secrecy] = frozenset()) -> tuple[Finding, ...]:
        """What is found in a file of any size. What lies where two chunks overlap is counted twice."""
        found: list[Finding] = []
        with path.open("rb") as file:
            tail = b""
            while chunk := file.read(_CHUNK):
                self._bytes[channel] += len(chunk)
                found += self._scan(channel, tail + chunk, allow)
                tail = chunk[-_OVERLAP:]
        return tuple(found)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings so far, each identifier once for each channel."""
        return tuple(sorted(self._told(self._found), key=lambda found: (found.channel, found.kind, found.hint)))

    def summary(self) -> Summary:
        """How much was read, and for how many identifiers."""
        return {
            "channels": len(self._bytes),
            "bytes": self._bytes.total(),
            "identifiers": len({sought.value for sought in self._identifiers}),
        }

    def _scan(self, channel: str, data: bytes, allow: frozenset[Secrecy]) -> tuple[Finding, ...]:
        found: Counter[tuple[str, Identifier]] = Counter()
        for sought in self._standing(data, allow):
            found[channel, sought] += 1
        # The same occurrence is often seen in more than one reading: the most in any one of them counts.
        for reading in _readings(data):
            once = Counter((channel, sought) for sought in self._standing(reading, allow))
            found |= once
        self._found += found
        return tuple(self._told(found))

    def _standing(self, text: bytes, allow: frozenset[Secrecy]) -> Iterator[Identifier]:
        for pattern, start, end in self._automaton.find_matches_as_indexes(text.lower(), overlapping=True):
            sought = self._sought[pattern]
            if sought.secrecy not in allow and _stands(sought.form, text, start, end):
                yield sought

    def _told(self, found: Counter[tuple[str, Identifier]]) -> Iterator[Finding]:
        for (channel, sought), times in found.items():
            hint = hmac.digest(self._key, sought.value.lower().encode(), "sha256").hex()[:8]
            yield Finding(channel, sought.kind, sought.secrecy, hint, times)


def _spelt(sought: Identifier) -> set[bytes]:
    """The value in each case, with ASCII in lower case, as the text will be too; other letters have to be listed."""
    value = sought.value
    return {form.encode().lower() for form in (value, value.lower(), value.upper(), value.title())}


def _stands(form: Form, text: bytes, start: int, end: int) -> bool:
    """Whether what was found counts, by what stands around it."""
    before, after = text[max(start - 2, 0) : start], text[end : end + 1]
    match form:
        case Form.EXACT:
            return True
        case Form.DAY:
            return not before[-1:].isdigit() and not after.isdigit()
        case Form.NUMBER:
            fraction = before[-1:] == b"." and before[:1].isdigit()
            return not (_in_word(before[-1:]) or _in_word(after) or fraction)
        case Form.NAME:
            return not (_in_word(before[-1:]) or _in_word(after)) or _in_one_case(text[start:end])


def _in_word(byte: bytes) -> bool:
    return byte.isalnum() or byte >= b"\x80"


def _in_one_case(name: bytes) -> bool:
    text = name.decode("utf-8", "replace")
    return text.islower() or text.isupper() or (text[0].isupper() and text[1:].islower())


def _readings(data: bytes, depth: int = _DEPTH) -> Iterator[bytes]:
    """What the data says besides what it shows."""
    plain = escapes.resolved(data)
    if plain != data:
        yield plain
    if depth and (inner := b"\n".join(_decoded(plain))):
        yield inner
        yield from _readings(inner, depth - 1)


def _decoded(text: bytes) -> Iterator[bytes]:
    """Base64 of either alphabet as what it holds; in all four shifts where a run begins with what is no part of it."""
    for run in text.translate(_ONLY_BASE64).split():
        if len(run) < _LEAST_BASE64 or _HEX.fullmatch(run):
            continue
        digits = run.translate(_TO_STANDARD)
        whole = _bytes(digits)
        if _is_text(whole):
            yield whole
        else:
            yield from (whole, *(_bytes(digits[shift:]) for shift in (1, 2, 3)))


def _bytes(digits: bytes) -> bytes:
    whole = digits[: len(digits) // 4 * 4]
    rest = digits[len(whole) :]
    return binascii.a2b_base64(whole + (rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""))


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
