"""Marked notes, and how well a scrubber reads them: recall of whole identifiers, precision of characters.

    notes.txt (marks in the text) or JSONL (spans beside it) → Note → [judge] → Score

An identifier counts as found when every letter and digit of it is covered, whatever the label: what matters is that it
does not leave. Precision is counted in characters, so that a long mistake weighs more than a short one.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.deid.text.port import Label, Span

HERE = Path(__file__).parent / "notes" / "notes.txt"
SHARED = (
    Path(__file__).parents[3] / "shared" / "data" / "notes" / "dev.jsonl"
)  # where the project's data lies beside it

_MARK = re.compile(r"\{\{(\w+)([+-])\|([^{}|]*)(?:\|([^{}]*))?\}\}")


@dataclass(frozen=True, slots=True)
class Note:
    """A text, whose it is, and what in it points to a person; `in_record` are those that the record holds."""

    id: str
    patient: Mapping[str, object]
    text: str
    spans: Sequence[tuple[Span, bool]]


@dataclass(slots=True)
class Score:
    """How well a scrubber did. Shares are of 1."""

    found: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    told: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    right: int = 0
    wrong: int = 0
    missed: list[str] = field(default_factory=list)

    def recall(self, *, in_record: bool) -> float:
        return self.found[in_record] / self.told[in_record] if self.told[in_record] else 1.0

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right else 0.0


def here() -> list[Note]:
    """The notes of this repository."""
    return list(_marked(HERE.read_text()))


def lines(path: Path) -> list[Note]:
    """Notes from JSONL."""
    return [_from_json(json.loads(line)) for line in path.read_text().splitlines()]


def _from_json(raw: Mapping[str, object]) -> Note:
    given = raw["spans"]
    assert isinstance(given, list)
    spans = [(Span(one["start"], one["end"], Label(one["label"])), bool(one["in_record"])) for one in given]
    patient = raw["patient"]
    assert isinstance(patient, dict)
    return Note(str(raw["id"]), patient, str(raw["text"]), spans)


def _marked(source: str) -> Iterator[Note]:
    for block in source.split("\n== ")[1:]:
        head, patient, body = block.split("\n", 2)
        text, spans, at, body = "", [], 0, body.strip("\n")
        for mark in _MARK.finditer(body):
            text += body[at : mark.start()]
            whole, own = mark[3], mark[4] or mark[3]  # {{NAME-|Dr. Voss|Voss}}: only the second part is the identifier
            start = len(text) + whole.index(own)
            spans.append((Span(start, start + len(own), Label(mark[1])), mark[2] == "+"))
            text += whole
            at = mark.end()
        yield Note(head.split()[0], {"resourceType": "Patient", **json.loads(patient)}, text + body[at:], spans)


def judge(notes: Iterable[Note], scrub: Callable[[Note], Sequence[Span]]) -> Score:
    """The score of `scrub` over the notes."""
    score = Score()
    for note in notes:
        covered, meant = bytearray(len(note.text)), bytearray(len(note.text))
        for span in scrub(note):
            covered[span.start : span.end] = b"\1" * (span.end - span.start)
        for span, in_record in note.spans:
            meant[span.start : span.end] = b"\1" * (span.end - span.start)
            score.told[in_record] += 1
            if all(covered[i] or not note.text[i].isalnum() for i in range(span.start, span.end)):
                score.found[in_record] += 1
            else:
                score.missed.append(f"{note.id} {span.label} {note.text[span.start : span.end]}")
        score.right += sum(a & b for a, b in zip(covered, meant, strict=True))
        score.wrong += sum(a & ~b & 1 for a, b in zip(covered, meant, strict=True))
    return score
