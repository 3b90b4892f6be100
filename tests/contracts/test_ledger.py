"""The ledger's protocol, held by each implementation: memory, sqlite, firestore (against Google's emulator).

`pair` is two workers of one store: for memory the same object, else two instances that share nothing but the store.
"""

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from copy import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.ledger.firestore import FirestoreLedger, _Seen
from shared.ledger.memory import MemoryLedger
from shared.ledger.port import ATTEMPTS, FINAL, Attempt, Lease, Ledger, Record, State
from shared.ledger.sqlite import SqliteLedger
from tests.contracts.emulator import firestore_emulator
from tests.contracts.ledgers import KEY, PRINT, claim, lease, lost

RETENTION = 1000.0
LAPSE = Attempt(100.0, "lapsed", 90.0, "")  # a lease that nobody ended


class Pair(NamedTuple):
    a: Ledger
    b: Ledger


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with firestore_emulator(tmp_path_factory.mktemp("firestore")) as host:
        yield host


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("firestore", marks=pytest.mark.xdist_group("firestore"))],
)
async def pair(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    match request.param:
        case "memory":
            memory = MemoryLedger(retention=RETENTION)
            made = Pair(memory, memory)
        case "sqlite":
            path = tmp_path / "ledger.db"
            made = Pair(SqliteLedger(path, retention=RETENTION), SqliteLedger(path, retention=RETENTION))
        case _:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("emulator"))
            name = f"ledger-{uuid.uuid4()}"
            made = Pair(*(FirestoreLedger("(default)", "p", name, retention=RETENTION, patience=20) for _ in "ab"))
    yield made
    await made.a.close()
    await made.b.close()


def test_a_lease_is_the_same_whatever_its_store_noted_on_it() -> None:
    lease, noted, next = (
        Lease(KEY, "a", token, 190.0, PRINT, seen) for token, seen in ((1, None), (1, object()), (2, None))
    )
    assert (lease == noted, lease != noted) == (True, False)
    assert (lease == next, lease != next) == (False, True)


async def test_a_new_key_is_leased(pair: Pair) -> None:
    assert await pair.a.get(KEY) is None
    assert await claim(pair.a) == Lease(KEY, "a", 1, 190.0, PRINT)
    assert await pair.b.get(KEY) == Record(KEY, State.LEASED, 1, "a", 190.0, "", PRINT, 1100.0, 100.0)


async def test_a_duplicate_of_finished_work_is_told_so(pair: Pair) -> None:
    await pair.a.finish(await lease(pair.a), State.DONE, now=120.0)
    done = Record(KEY, State.DONE, 1, "a", 120.0, "", PRINT, 1120.0, 100.0, (Attempt(100.0, "done", 20.0, ""),))
    assert await claim(pair.b, by="b", now=130.0) == done
    assert await claim(pair.b, by="b", now=1000.0) == done
    assert await pair.a.get(KEY) == done


async def test_a_second_worker_is_told_who_works_and_until_when(pair: Pair) -> None:
    await lease(pair.a)
    busy = Record(KEY, State.LEASED, 1, "a", 190.0, "", PRINT, 1100.0, 100.0)
    assert await claim(pair.b, by="b", now=189.9) == busy
    assert await claim(pair.a, by="a", now=189.9) == busy  # nor may the owner work on it twice


async def test_a_lease_that_is_over_is_taken_with_the_next_token(pair: Pair) -> None:
    await lease(pair.a)
    assert await claim(pair.b, by="b", now=190.0) == Lease(KEY, "b", 2, 280.0, PRINT)


async def test_a_zombie_is_refused_while_another_works(pair: Pair) -> None:
    zombie = await lease(pair.a)
    taken = await lease(pair.b, by="b", now=190.0)
    for state in FINAL | {State.RETRY}:
        with lost():
            await pair.a.finish(zombie, state, code="x", now=200.0)
    with lost():
        await pair.a.renew(zombie, now=200.0, until=290.0)
    assert await pair.a.get(KEY) == Record(KEY, State.LEASED, 2, "b", 280.0, "", PRINT, 1190.0, 190.0, (LAPSE,))
    await pair.b.finish(taken, State.DONE, now=210.0)


async def test_a_zombie_is_refused_after_the_work_has_ended(pair: Pair) -> None:
    zombie = await lease(pair.a)
    taken = await lease(pair.b, by="b", now=190.0)
    await pair.b.finish(taken, State.DONE, now=200.0)
    with lost():
        await pair.a.finish(zombie, State.POISON, code="handler-failed", now=210.0)
    with lost():
        await pair.b.finish(taken, State.RETRY, code="deadline", now=210.0)
    with lost():
        await pair.b.renew(taken, now=210.0, until=300.0)
    attempts = (LAPSE, Attempt(190.0, "done", 10.0, ""))
    assert await pair.a.get(KEY) == Record(KEY, State.DONE, 2, "b", 200.0, "", PRINT, 1200.0, 190.0, attempts)


async def test_a_late_worker_may_still_finish_what_nobody_has_taken(pair: Pair) -> None:
    late = await lease(pair.a)
    await pair.a.finish(late, State.DONE, now=500.0)
    assert isinstance(found := await claim(pair.b, by="b", now=501.0), Record)
    assert found.state is State.DONE


async def test_a_lease_can_be_finished_by_whoever_holds_it(pair: Pair) -> None:
    held = await lease(pair.a)
    await pair.b.finish(replace(held, seen=None), State.DONE, now=120.0)
    with lost():
        await pair.a.finish(held, State.DONE, now=121.0)


async def test_a_key_nobody_has_leased_can_not_be_finished(pair: Pair) -> None:
    with lost():
        await pair.a.finish(Lease(KEY, "a", 1, 190.0, PRINT), State.DONE, now=100.0)
    assert await pair.a.get(KEY) is None


async def test_a_lease_does_not_end_as_leased(pair: Pair) -> None:
    with pytest.raises(ValueError, match="renew"):
        await pair.a.finish(await lease(pair.a), State.LEASED, now=100.0)


async def test_a_retry_waits_for_its_time(pair: Pair) -> None:
    await pair.a.finish(await lease(pair.a), State.RETRY, code="dlp-down", now=110.0, not_before=150.0)
    attempts = (Attempt(100.0, "dlp-down", 10.0, ""),)
    waiting = Record(KEY, State.RETRY, 1, "a", 150.0, "dlp-down", PRINT, 1110.0, 100.0, attempts)
    assert await claim(pair.b, by="b", now=149.9) == waiting
    assert await claim(pair.b, by="b", now=150.0) == Lease(KEY, "b", 2, 240.0, PRINT)
    assert await pair.a.get(KEY) == Record(KEY, State.LEASED, 2, "b", 240.0, "", PRINT, 1150.0, 150.0, attempts)


async def test_a_retry_without_a_time_is_open_at_once(pair: Pair) -> None:
    await pair.a.finish(await lease(pair.a), State.RETRY, code="deadline", now=110.0)
    assert await claim(pair.b, by="b", now=110.0) == Lease(KEY, "b", 2, 200.0, PRINT)


@pytest.mark.parametrize(
    "state, code",
    [(State.POISON, "resource-invalid"), (State.SUPERSEDED, "version-gone")],
    ids=["poison", "superseded"],
)
async def test_a_final_end_stays_with_its_code(pair: Pair, state: State, code: str) -> None:
    await pair.a.finish(await lease(pair.a), state, code=code, now=110.0)
    end = Record(KEY, state, 1, "a", 110.0, code, PRINT, 1110.0, 100.0, (Attempt(100.0, code, 10.0, ""),))
    assert await claim(pair.b, by="b", now=110.0) == end
    assert await claim(pair.b, by="b", now=1109.0) == end


async def test_an_operator_reopens_poison_once(pair: Pair) -> None:
    held = await lease(pair.a)
    await pair.a.finish(held, State.POISON, code="handler-failed", now=110.0)
    assert await pair.b.reopen(KEY, now=120.0)
    assert not await pair.b.reopen(KEY, now=121.0)
    attempts = (Attempt(100.0, "handler-failed", 10.0, ""), Attempt(120.0, "reopened", 0.0, ""))
    reopened = Record(KEY, State.RETRY, 1, "a", 0.0, "handler-failed", PRINT, 1120.0, 100.0, attempts)
    assert await pair.a.get(KEY) == reopened
    with lost():  # the worker that gave up has no say in the replay
        await pair.a.finish(held, State.DONE, now=122.0)
    assert await claim(pair.a, now=122.0) == Lease(KEY, "a", 2, 212.0, PRINT)


@pytest.mark.parametrize("state", [State.DONE, State.SUPERSEDED, State.RETRY])
async def test_only_poison_reopens(pair: Pair, state: State) -> None:
    assert not await pair.a.reopen(KEY, now=99.0)
    held = await lease(pair.a)
    assert not await pair.a.reopen(KEY, now=101.0)
    await pair.a.finish(held, state, now=110.0)
    before = await pair.a.get(KEY)
    assert not await pair.a.reopen(KEY, now=120.0)
    assert await pair.a.get(KEY) == before


@pytest.mark.parametrize("state", list(State))
async def test_a_reused_key_is_shown_and_left_alone(pair: Pair, state: State) -> None:
    held = await lease(pair.a)
    if state is not State.LEASED:
        await pair.a.finish(held, state, now=110.0)
    before = await pair.a.get(KEY)
    for now in (111.0, 500.0):  # also when the lease is over or the retry is due
        assert await claim(pair.b, by="b", now=now, fingerprint="b4" * 32) == before
    assert await pair.a.get(KEY) == before


@pytest.mark.parametrize("state", list(State))
async def test_an_expired_record_counts_as_absent(pair: Pair, state: State) -> None:
    held = await lease(pair.a)
    if state is not State.LEASED:
        await pair.a.finish(held, state, now=100.0, not_before=9e9)
    assert not await pair.b.reopen(KEY, now=1100.0)
    with lost():
        await pair.b.finish(held, State.DONE, now=1100.0)
    assert isinstance(await claim(pair.b, by="b", now=1099.9, fingerprint="b4" * 32), Record)
    again = await lease(pair.b, by="b", now=1100.0, fingerprint="b4" * 32)
    assert again.token > held.token
    with lost():
        await pair.a.finish(held, State.DONE, now=1101.0)


async def test_a_renewed_lease_keeps_its_token(pair: Pair) -> None:
    held = await lease(pair.a)
    longer = await pair.a.renew(held, now=180.0, until=300.0)
    assert longer == Lease(KEY, "a", 1, 300.0, PRINT)
    assert isinstance(await claim(pair.b, by="b", now=299.0), Record)
    assert await pair.b.get(KEY) == Record(KEY, State.LEASED, 1, "a", 300.0, "", PRINT, 1180.0, 100.0)
    await pair.a.finish(held, State.DONE, now=299.0)  # the older paper is as good: the token counts


async def test_operators_read_how_each_attempt_ended(pair: Pair) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await pair.a.finish(await lease(pair.a), State.RETRY, code="dlp-down", now=103.0, trace=trace)
    await lease(pair.b, by="b", now=110.0)
    await pair.a.finish(await lease(pair.a, now=300.0), State.DONE, now=301.5)
    assert isinstance(record := await pair.b.get(KEY), Record)
    assert record.attempts == (
        Attempt(100.0, "dlp-down", 3.0, trace),
        Attempt(110.0, "lapsed", 90.0, ""),
        Attempt(300.0, "done", 1.5, ""),
    )


async def test_the_newest_attempts_are_kept(pair: Pair) -> None:
    for step in range(ATTEMPTS + 5):
        held = await lease(pair.a, now=100.0 + step)
        await pair.a.finish(held, State.RETRY, code="dlp-down", now=100.5 + step)
    assert isinstance(record := await pair.b.get(KEY), Record)
    assert [attempt.at for attempt in record.attempts] == [105.0 + step for step in range(ATTEMPTS)]


async def test_an_expired_record_leaves_no_attempts_behind(pair: Pair) -> None:
    await pair.a.finish(await lease(pair.a), State.DONE, now=100.0)
    await lease(pair.b, now=1100.0)
    assert isinstance(record := await pair.b.get(KEY), Record)
    assert record.attempts == ()


async def test_a_clock_that_is_behind_makes_no_negative_time(pair: Pair) -> None:
    await pair.a.finish(await lease(pair.a), State.DONE, now=90.0)
    assert isinstance(record := await pair.b.get(KEY), Record)
    assert record.attempts == (Attempt(100.0, "done", 0.0, ""),)


async def test_of_fifty_workers_one_gets_the_lease(pair: Pair) -> None:
    got = await asyncio.gather(*(claim(pair[n % 2], by=f"worker-{n}") for n in range(50)))
    [winner] = [answer for answer in got if isinstance(answer, Lease)]
    records = [answer for answer in got if isinstance(answer, Record)]
    assert {(record.state, record.owner, record.token) for record in records} == {(State.LEASED, winner.owner, 1)}


async def test_of_twenty_workers_one_takes_over(pair: Pair) -> None:
    await lease(pair.a)
    got = await asyncio.gather(*(claim(pair[n % 2], by=f"worker-{n}", now=190.0) for n in range(20)))
    [winner] = [answer for answer in got if isinstance(answer, Lease)]
    assert winner.token == 2


async def test_a_record_has_no_place_for_a_payload(pair: Pair, tmp_path: Path) -> None:
    await pair.a.finish(await lease(pair.a), State.POISON, code="resource-invalid", now=110.0)
    allowed = {"key", "state", "token", "owner", "until", "code", "fingerprint", "expires", "since", "attempts"}
    assert set(Attempt.__struct_fields__) == {"at", "outcome", "seconds", "trace"}
    assert set(Record.__struct_fields__) == allowed
    if isinstance(pair.a, SqliteLedger):
        columns = sqlite3.connect(tmp_path / "ledger.db")
        assert {row[1] for row in columns.execute("PRAGMA table_info(ledger)")} == allowed
        columns.close()
    if isinstance(pair.a, FirestoreLedger):
        stored = await pair.a._document(KEY).get()
        assert stored.to_dict().keys() == allowed | {"mark"}
        assert len(stored.get("mark")) == 16


async def test_a_caller_that_gave_up_harms_nobody(pair: Pair) -> None:
    impatient = asyncio.create_task(claim(pair.a, key="deid/other"))
    patient = asyncio.create_task(claim(pair.a))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == Lease(KEY, "a", 1, 190.0, PRINT)


@pytest.mark.xdist_group("firestore")
async def test_firestore_knows_a_write_again_whose_answer_was_lost(
    emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(FirestoreLedger):
        """Sends each write once more, as a client does that got no answer to the first."""

        async def _write(self, record: Record, mark: str, over: _Seen) -> _Seen | None:
            await super()._write(record, mark, over)
            return await super()._write(record, mark, over)

    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulator)
    ledger = Twice("(default)", "p", f"ledger-{uuid.uuid4()}", patience=20)
    held = await lease(ledger)
    held = await ledger.renew(held, now=150.0, until=240.0)
    await ledger.finish(held, State.DONE, now=160.0)
    with lost():
        await ledger.finish(held, State.DONE, now=161.0)
    await ledger.close()
