"""The index of dead letters, kept by each implementation: memory, sqlite, firestore (against Google's emulator).

`pair` is two users of one store: for memory the same object, else two instances that share nothing but the store.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from copy import replace
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from shared.deadletters.firestore import FirestoreIndex
from shared.deadletters.memory import MemoryIndex
from shared.deadletters.opening import open_index
from shared.deadletters.port import ASIDE, Entry, Index, Plan, Stage, State
from shared.deadletters.sqlite import SqliteIndex
from shared.deadletters.stored import entry as stored
from shared.errors import Code, Problem
from shared.settings import Settings
from tests.contracts.emulator import firestore_emulator, free_port


class Pair(NamedTuple):
    a: Index
    b: Index


ENTRY = Entry(
    topic="deid.quarantine",
    message="1000000000000001",
    event="a3" * 32,
    handler="deid",
    code="resource-invalid",
    cause="",
    at="Patient.birthDate",
    kind="quarantine",
    origin="fhir.validated",
    type="io.starvit.fhir.resource.validated.v1",
    resource_type="Patient",
    resource="b4" * 32,
    project="clinic",
    set_aside="2026-11-26T03:00:00.000Z",
    deliveries=None,
    correlation="3fa85f64-5717-4562-b3fc-2c963f66afa6",
    trace="1" * 32,
    replayable=True,
    rule="format",
)
PLAN = Plan(
    id="c5" * 16,
    action="replay",
    messages=1,
    events=1,
    filter={"code": "resource-invalid"},
    projects=("clinic",),
    reason="mended",
    by="ann",
    made="2026-11-26T04:00:00.000Z",
    revision=1,
)


def entry(number: int, **changed: object) -> Entry:
    """The n-th message, set aside in the n-th second."""
    return replace(
        ENTRY,
        **{"message": f"{number:016d}", "set_aside": f"2026-11-26T03:00:{number:02d}.000Z", **changed},  # type: ignore[arg-type]
    )


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with firestore_emulator(tmp_path_factory.mktemp("firestore")) as host:
        yield host


@pytest.fixture(params=["memory", "sqlite", pytest.param("firestore", marks=pytest.mark.xdist_group("firestore"))])
async def pair(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    match request.param:
        case "memory":
            memory = MemoryIndex()
            made = Pair(memory, memory)
        case "sqlite":
            made = Pair(SqliteIndex(tmp_path / "index.db"), SqliteIndex(tmp_path / "index.db"))
        case _:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("emulator"))
            name = f"dead-letters-{uuid.uuid4()}"
            made = Pair(*(FirestoreIndex("(default)", "p", name, patience=20) for _ in "ab"))
    yield made
    await made.a.close()
    await made.b.close()


async def test_a_message_is_kept_once_however_often_it_is_told(pair: Pair) -> None:
    assert await pair.a.add(ENTRY) == ENTRY
    assert await pair.b.add(replace(ENTRY, code="row-refused")) == ENTRY
    assert await pair.b.get(ENTRY.topic, [ENTRY.message, "2"]) == [ENTRY]
    assert await pair.b.get("analytics.quarantine", [ENTRY.message]) == []
    assert await pair.a.page() == [ENTRY]


async def test_of_many_that_tell_at_once_one_is_kept(pair: Pair) -> None:
    told = [replace(ENTRY, replays=number) for number in range(20)]
    kept = await asyncio.gather(*(pair[n % 2].add(one) for n, one in enumerate(told)))
    assert len(set(kept)) == 1
    assert await pair.a.page() == [kept[0]]


async def test_a_list_says_as_text_what_its_pages_say(pair: Pair) -> None:
    entries = [replace(ENTRY, message=str(number)) for number in (1, 2, 3)]
    for one in entries:
        await pair.a.add(one)
    first = await pair.b.texts(limit=2)
    rest = await pair.b.texts(first[-1][0])
    assert [stored(orjson.loads(text)) for _, text in (*first, *rest)] == entries
    assert [place for place, _ in rest] == [entries[2].place]


async def test_pages_follow_each_other_by_time_and_leave_nothing_out(pair: Pair) -> None:
    entries = [entry(number) for number in (7, 3, 9, 1, 5)]
    entries.append(entry(3, topic="audit.quarantine"))
    for one in entries:
        await pair.a.add(one)
    seen: list[Entry] = []
    while page := await pair.b.page(seen[-1].place if seen else None, limit=2):
        assert len(page) <= 2
        seen += page
    assert seen == sorted(entries, key=lambda one: one.place)


@pytest.mark.parametrize("state", list(State))
async def test_what_lies_aside_still_is_told_from_what_was_moved(pair: Pair, state: State) -> None:
    await pair.a.add(entry(1))
    moved = replace(entry(1), state=state, revision=1)
    assert await pair.a.change([moved]) == [True]
    assert await pair.b.page(aside=True) == ([moved] if state in ASIDE else [])
    assert [place for place, _ in await pair.b.texts(aside=True)] == ([moved.place] if state in ASIDE else [])
    assert await pair.b.page() == [moved]


async def test_a_plan_finds_its_own_messages(pair: Pair) -> None:
    for number in range(4):
        await pair.a.add(entry(number))
    first, second = (replace(entry(n), plan=PLAN.id, state=State.PLANNED, revision=1) for n in (2, 1))
    await pair.a.change([first, second])
    assert await pair.b.page(plan=PLAN.id) == [second, first]
    assert await pair.b.page(second.place, plan=PLAN.id) == [first]
    await pair.a.change([replace(second, state=State.REPLAYED, revision=2)])
    assert await pair.b.page(plan=PLAN.id, aside=True) == [first]


async def test_an_event_has_all_its_messages(pair: Pair) -> None:
    same = [entry(2), entry(1, topic="fhir.validated--deid.dead"), entry(3, handler="validation")]
    for one in [*same, entry(4, event="d6" * 32), entry(5, event=None)]:
        await pair.a.add(one)
    assert await pair.b.of_event(ENTRY.event or "") == [same[1], same[0], same[2]]


async def test_only_who_has_seen_the_newest_revision_changes_a_record(pair: Pair) -> None:
    await pair.a.add(entry(1))
    await pair.a.add(entry(2))
    one, other = replace(entry(1), code="row-refused", revision=1), replace(entry(1), code="no-policy", revision=1)
    assert await pair.a.change([one, replace(entry(2), revision=1)]) == [True, True]
    assert await pair.b.change([other, replace(entry(2), replays=3, revision=2), entry(9, revision=1)]) == [
        False,
        True,
        False,
    ]
    assert [found.code for found in await pair.a.get(ENTRY.topic, [one.message])] == ["row-refused"]


async def test_of_many_changes_of_one_revision_one_is_made(pair: Pair) -> None:
    await pair.a.add(entry(1))
    changed = [replace(entry(1), replays=number, revision=1) for number in range(10)]
    made = await asyncio.gather(*(pair[n % 2].change([one]) for n, one in enumerate(changed)))
    assert sum(answer == [True] for answer in made) == 1


async def test_a_plan_is_kept_and_changed_by_revision(pair: Pair) -> None:
    assert await pair.a.plan(PLAN.id) is None
    assert await pair.a.put_plan(PLAN)
    assert not await pair.b.put_plan(PLAN)
    running = replace(PLAN, stage=Stage.RUNNING, owner="me", until=5.5, revision=2)
    assert await pair.b.put_plan(running)
    assert not await pair.a.put_plan(replace(PLAN, stage=Stage.CANCELLED, revision=2))
    assert await pair.a.plan(PLAN.id) == running


async def test_plans_are_listed_newest_first(pair: Pair) -> None:
    older = replace(PLAN, id="d6" * 16, made="2026-11-25T04:00:00.000Z")
    await pair.a.put_plan(older)
    await pair.a.put_plan(PLAN)
    assert await pair.b.plans() == [PLAN, older]


async def test_a_record_has_no_place_for_a_body_or_a_reference() -> None:
    allowed = set(Entry.__struct_fields__)
    assert not allowed & {"id", "data", "body", "reference", "version", "attributes", "last_updated"}


async def test_a_store_that_is_down_says_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    for index in (SqliteIndex(tmp_path / "missing" / "index.db"), FirestoreIndex("(default)", "p", patience=0.5)):
        for call in (index.add(ENTRY), index.page(), index.of_event("a"), index.plan(PLAN.id), index.put_plan(PLAN)):
            with pytest.raises(Problem) as down:
                await call
            assert down.value.code is Code.LEDGER_DOWN
        await index.close()


@pytest.mark.parametrize(
    "given, kind",
    [
        ({"ledger": "memory"}, MemoryIndex),
        ({"ledger": "sqlite:/tmp/ledger.db"}, SqliteIndex),
        ({"ledger": "sqlite:/tmp/ledger.db", "dead_letters": "firestore:ops"}, FirestoreIndex),
    ],
)
def test_the_index_is_what_the_settings_name_or_stands_beside_the_ledger(given: dict[str, str], kind: type) -> None:
    assert type(open_index(Settings.model_validate(given))) is kind
