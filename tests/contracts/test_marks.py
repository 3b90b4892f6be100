"""Marks, kept by each implementation: memory, a file, Firestore (against Google's emulator)."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from shared.errors import Code, Problem
from shared.marks import FileMarks, FirestoreMarks, Marks, MemoryMarks, open_marks
from tests.contracts.emulator import firestore_emulator, free_port

NAME = "recent:clinic:Patient"


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with firestore_emulator(tmp_path_factory.mktemp("firestore")) as host:
        yield host


@pytest.fixture(params=["memory", "file", "firestore"])
async def marks(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Marks]:
    match request.param:
        case "memory":
            made: Marks = MemoryMarks()
        case "file":
            made = FileMarks(tmp_path / "marks.json")
        case _:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("emulator"))
            made = FirestoreMarks("(default)", "p", f"marks-{uuid.uuid4()}", patience=20)
    yield made
    await made.close()


async def test_a_mark_is_what_was_set_last(marks: Marks) -> None:
    assert await marks.get(NAME) is None
    await marks.set(NAME, "2026-11-24T07:00:00.000Z")
    await marks.set(NAME, "2026-11-24T08:00:00.000Z")
    assert await marks.get(NAME) == "2026-11-24T08:00:00.000Z"


async def test_marks_do_not_touch_each_other(marks: Marks) -> None:
    await marks.set(NAME, "a")
    await marks.set("whole:clinic:Patient", "b")
    assert (await marks.get(NAME), await marks.get("whole:clinic:Patient")) == ("a", "b")


async def test_a_file_keeps_marks_for_the_next_process_and_a_torn_one_counts_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    await FileMarks(path).set(NAME, "a")
    assert await FileMarks(path).get(NAME) == "a"
    path.write_text('{"recent:cl')
    assert await FileMarks(path).get(NAME) is None
    await FileMarks(path).set(NAME, "b")
    assert await FileMarks(path).get(NAME) == "b"


async def test_a_store_that_is_down_says_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    cloud = FirestoreMarks("(default)", "p", patience=0.5)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: FileMarks(tmp_path / "missing" / "marks.json").set(NAME, "a"),
        lambda: cloud.get(NAME),
        lambda: cloud.set(NAME, "a"),
    ]
    for call in calls:
        with pytest.raises(Problem) as down:
            await call()
        assert down.value.code is Code.LEDGER_DOWN
    await cloud.close()


@pytest.mark.parametrize(
    "ledger, kind",
    [("memory", MemoryMarks), ("sqlite:/tmp/ledger.db", FileMarks), ("firestore:clinical", FirestoreMarks)],
)
def test_marks_stand_beside_the_ledger(ledger: str, kind: type[Marks]) -> None:
    assert type(open_marks(ledger, project="p")) is kind
