"""Spans, labels, and the port of what reads a text after the local matcher has."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Label(StrEnum):
    """What a span is; in a scrubbed text it stands in the span's place, in brackets."""

    NAME = "NAME"
    LOCATION = "LOCATION"
    DATE = "DATE"
    AGE_OVER_89 = "AGE_OVER_89"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    ID = "ID"
    URL = "URL"


class Span(Struct, frozen=True, order=True):
    """A stretch of a text, in code points; the end is not part of it."""

    start: int
    end: int
    label: Label


class Scrubber(Protocol):
    """Reads texts that the local matcher has masked, and masks what is left to mask."""

    async def scrub(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts in the same order, scrubbed. Raises Problem DLP_DOWN: then the texts are withheld."""
        ...

    async def close(self) -> None: ...


def masked(text: str, spans: Sequence[Span]) -> str:
    """The text with each span's label in its place. The spans are sorted and do not overlap."""
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += (text[at : span.start], f"[{span.label}]")
        at = span.end
    parts.append(text[at:])
    return "".join(parts)
