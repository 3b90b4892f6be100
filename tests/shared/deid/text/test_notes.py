"""The local scrubber on whole notes: what of a record may be missed, of others, and how much too much is taken."""

from pathlib import Path

import pytest

from shared.deid.text.local import Local
from shared.deid.text.port import Label, Span
from tests.golden import notes


@pytest.fixture(scope="module")
def local() -> Local:
    return Local()


@pytest.mark.parametrize("path", [notes.HERE, notes.SHARED], ids=["here", "shared"])
def test_notes_lose_their_identifiers_and_keep_their_words(local: Local, path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    read = notes.here() if path == notes.HERE else notes.lines(path)
    score = notes.judge(read, lambda note: local.spans(note.text, local.record(note.patient)))
    assert score.recall(in_record=True) >= 0.99, score.missed
    assert score.recall(in_record=False) >= 0.95, score.missed
    assert score.precision >= 0.90


def test_without_its_record_a_note_still_loses_most(local: Local) -> None:
    score = notes.judge(notes.here(), lambda note: local.spans(note.text, local.record(None)))
    assert score.recall(in_record=True) >= 0.8, score.missed


def test_the_judge_sees_a_scrubber_that_does_nothing_and_one_that_takes_all() -> None:
    nothing = notes.judge(notes.here(), lambda _: [])
    assert (nothing.recall(in_record=True), nothing.precision) == (0.0, 0.0)
    everything = notes.judge(notes.here(), lambda note: [Span(0, len(note.text), Label.NAME)])
    assert everything.recall(in_record=False) == 1.0
    assert everything.precision < 0.4
