"""Requests and answers of a real Medplum 5.1.29, and the form in which two of them can be compared.

What differs between any two runs is replaced: ids, instants, host, author, signatures of links.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "medplum"

_VARIES = [
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<base>"),
    (re.compile(r"Signature=[^\"&]+"), "Signature=<signature>"),
    (re.compile(r"Expires=\d+"), "Expires=<time>"),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<instant>"),
    (re.compile(r"Deleted on [^\"]+"), "Deleted on <date>"),
    (re.compile(r"ingress-client"), "<uuid>"),  # the stand-in's clients have no name but their id
]


def recorded(name: str) -> Any:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the recordings are not on this machine: {path}")
    return json.loads(path.read_text())


def comparable(text: str) -> str:
    """A JSON text or a header's value without what varies; the order of members stays."""
    for pattern, replacement in _VARIES:
        text = pattern.sub(replacement, text)
    return text


def comparable_json(value: object) -> str:
    return comparable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
