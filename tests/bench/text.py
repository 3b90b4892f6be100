"""`./dev bench text`: the local scrubber on marked notes: what it misses, what it takes too much, how fast it is.

Each note is matched against its own record, which is read anew for each: so it is for the service. The limits in the same
run: the bare scan of the text for words (nothing can be told with less), and the search for the record's own strings alone.
The notes: tests/golden/notes (in this repository), and those of the project's data where they lie beside it.
"""

import json
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.deid.text.local import Local
from shared.deid.text.port import Label, Span
from tests.bench.peers import installed
from tests.golden import notes

ROUNDS = 7
_HERE = Path(__file__).resolve().parent
_WORD = re.compile(r"\w+")


def run(*, as_json: bool, peers: bool = False) -> int:
    """Measure and print; 0. `peers`: beside other tools, in a Python environment of their own (made on first use)."""
    local = Local()
    corpora = {"tests/golden/notes": notes.here()}
    if notes.SHARED.exists():
        corpora["dev.jsonl"] = notes.lines(notes.SHARED)
    figures = {name: _measured(local, read) for name, read in corpora.items()}
    if peers:
        for name, read in corpora.items():
            figures |= {f"{peer} on {name}": one for peer, one in _peers(read).items()}
    if as_json:
        print(json.dumps(figures))
        return 0
    for name, one in figures.items():
        told = (
            f"{one['notes']:.0f} notes of {one['mean_characters']:.0f} characters, {one['identifiers']:.0f} identifiers"
        )
        print(f"{name}: {told}")
        print(f"  recall: the record's {one['recall_record']:.3f}, others' {one['recall_others']:.3f}")
        print(f"  precision, by characters: {one['precision']:.3f}")
        print(f"  characters/s on one core: {one['per_s']:,.0f}")
        if "words_per_s" in one:
            print(f"  beside it: words alone {one['words_per_s']:,.0f}, record alone {one['record_per_s']:,.0f}")
    return 0


def _measured(local: Local, read: Sequence[notes.Note]) -> dict[str, float]:
    score = notes.judge(read, lambda note: local.spans(note.text, local.record(note.patient)))
    characters = sum(len(note.text) for note in read)

    def words(note: notes.Note) -> object:
        return _WORD.findall(note.text)

    def record(note: notes.Note) -> object:
        return list(local.record(note.patient).spans(note.text, (), careless=False))

    def whole(note: notes.Note) -> Sequence[Span]:
        return local.spans(note.text, local.record(note.patient))

    works: dict[str, Callable[[notes.Note], object]] = {"per_s": whole, "words_per_s": words, "record_per_s": record}
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = time.process_time()
            for note in read:
                work(note)
            taken[name].append(time.process_time() - started)
    return _scored(read, score) | {name: characters / statistics.median(times) for name, times in taken.items()}


def _peers(read: Sequence[notes.Note]) -> dict[str, dict[str, float]]:
    """The same figures of the peers: they get the text alone, since neither takes a record."""
    python = installed("peers.txt")
    ran = subprocess.run(
        [python, _HERE / "peer_spans.py"],
        input=json.dumps([note.text for note in read]),
        capture_output=True,
        text=True,
        check=True,
    )
    characters = sum(len(note.text) for note in read)
    figures = {}
    for peer, answer in json.loads(ran.stdout).items():
        spans = {
            note.id: [Span(start, end, Label.NAME) for start, end in given]
            for note, given in zip(read, answer["spans"], strict=True)
        }
        score = notes.judge(read, lambda note, spans=spans: spans[note.id])  # type: ignore[misc]
        figures[peer] = _scored(read, score) | {"per_s": characters / answer["seconds"]}
    return figures


def _scored(read: Sequence[notes.Note], score: notes.Score) -> dict[str, float]:
    return {
        "notes": len(read),
        "identifiers": sum(score.told.values()),
        "mean_characters": sum(len(note.text) for note in read) / len(read),
        "recall_record": score.recall(in_record=True),
        "recall_others": score.recall(in_record=False),
        "precision": score.precision,
    }
