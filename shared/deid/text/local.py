"""The local scrubber: the record's identifiers, the patterns, names and places; one list of spans that do not overlap.

Needs no network and no model. In the cloud its output is what DLP gets, so nothing it finds leaves the service.
"""

from collections.abc import Iterable, Sequence
from typing import final

from shared.deid.text.dates import ages, dates
from shared.deid.text.lexicon import lexicon
from shared.deid.text.names import Names
from shared.deid.text.numbers import numbered, reached
from shared.deid.text.places import Places
from shared.deid.text.port import Label, Span, masked
from shared.deid.text.reading import Reading
from shared.deid.text.record import Record
from shared.deid.text.streets import addresses
from shared.fhir.port import Resource

_FIRST = (Label.EMAIL, Label.URL, Label.DATE, Label.PHONE, Label.ID, Label.LOCATION, Label.NAME, Label.AGE_OVER_89)
_CLEARLY = 1.5
_BRIDGES = frozenset((" ", ", ", "-", ".", ".-", ' "', '" ', " “", "” "))


@final
class Local:
    """Finds and masks what points to a person."""

    def __init__(self) -> None:
        self._lexicon = lexicon()

    def record(self, patient: Resource | None) -> Record:
        """What the texts of one patient are matched against."""
        return Record(patient, self._lexicon)

    def spans(self, text: str, record: Record) -> Sequence[Span]:
        """Sorted spans that do not overlap."""
        reading = Reading(text, self._lexicon)
        low, careless = reading.low, reading.careless
        runs = list(Places(reading).runs())
        lexicon = self._lexicon
        known = {name for name in record.names if name not in lexicon.words and name not in lexicon.clinical}
        return _joined(
            text,
            [
                *record.spans(text, reading.words, careless=careless),
                *dates(text, low, careless=careless),
                *ages(text, low, self._lexicon.words),
                *reached(text, low),
                *numbered(text, low),
                *addresses(text, low, careless=careless, towns=self._lexicon.places),
                *(
                    Span(reading.words[first].start, reading.words[last - 1].whole, Label.LOCATION)
                    for first, last in runs
                ),
                *Names(reading, known).spans({index for first, last in runs for index in range(first, last)}),
            ],
        )

    def scrub(self, text: str, record: Record) -> str:
        """The text with labels in place of the spans."""
        return masked(text, self.spans(text, record))


def _joined(text: str, spans: Iterable[Span]) -> Sequence[Span]:
    """Spans that overlap become one; names with nothing but a blank or comma between them too."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        last = joined[-1] if joined else None
        if last is not None and span.start < last.end:
            joined[-1] = Span(last.start, max(span.end, last.end), _stronger(last, span))
        elif last is not None and span.label is last.label and _one_name(last, span, text[last.end : span.start]):
            joined[-1] = Span(last.start, span.end, span.label)
        else:
            joined.append(span)
    return joined


def _stronger(first: Span, second: Span) -> Label:
    """The label of the clearly longer one; else of the first kind in the list; of equals, of what came first."""
    longer, shorter = sorted((first, second), key=lambda span: span.start - span.end)
    if longer.end - longer.start > _CLEARLY * (shorter.end - shorter.start):
        return longer.label
    if (first.start, first.end) == (second.start, second.end):
        return first.label
    return min(first.label, second.label, key=_FIRST.index)


def _one_name(first: Span, second: Span, gap: str) -> bool:
    return not gap or (
        first.label is Label.NAME and (gap in _BRIDGES or (gap == ". " and first.end - first.start == 1))
    )
