"""The stores under the ledger: a file that several processes share, a wire that is cut, a setting that names one."""

import asyncio
import multiprocessing
import sqlite3
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from shared.errors import Code, Problem
from shared.ledger.firestore import FirestoreLedger
from shared.ledger.group_commit import COPY_EVERY
from shared.ledger.memory import MemoryLedger
from shared.ledger.opening import open_ledger
from shared.ledger.port import Lease, Ledger, Record, State
from shared.ledger.sqlite import SqliteLedger
from tests.contracts.emulator import free_port
from tests.contracts.ledgers import KEY, PRINT, claim


@pytest.mark.parametrize("kind", ["sqlite", "firestore"])
async def test_a_store_that_is_down_says_try_again(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    down: Ledger = (
        SqliteLedger(tmp_path / "missing" / "ledger.db")
        if kind == "sqlite"
        else FirestoreLedger("(default)", "p", patience=0.5)
    )
    held = Lease(KEY, "a", 1, 190.0, PRINT)
    for call in (
        lambda: claim(down),
        lambda: down.finish(held, State.DONE, now=100.0),
        lambda: down.renew(held, now=100.0, until=200.0),
        lambda: down.reopen(KEY, now=100.0),
        lambda: down.get(KEY),
    ):
        with pytest.raises(Problem) as caught:
            await call()
        assert caught.value.code is Code.LEDGER_DOWN
        assert caught.value.__cause__ is None
    await down.close()


async def test_sqlite_comes_back_when_its_directory_does(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "late" / "ledger.db")
    with pytest.raises(Problem):
        await claim(ledger)
    (tmp_path / "late").mkdir()
    assert await claim(ledger) == Lease(KEY, "a", 1, 190.0, PRINT)
    await ledger.close()


async def test_workers_that_start_at_once_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    first = sqlite3.connect(path, isolation_level=None)
    first.execute("BEGIN IMMEDIATE")  # a worker in the midst of making the file
    second = SqliteLedger(path)
    waiting = asyncio.create_task(claim(second))
    await asyncio.sleep(0.1)
    first.execute("COMMIT")
    first.close()
    assert await waiting == Lease(KEY, "a", 1, 190.0, PRINT)
    await second.close()


async def test_the_loop_runs_on_while_another_process_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, patience=10)
    await claim(ledger, key="first")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(claim(ledger))
    start = time.monotonic()
    for _ in range(10):
        await asyncio.sleep(0.01)
    assert time.monotonic() - start < 2
    assert not waiting.done()
    holder.execute("COMMIT")
    holder.close()
    assert await waiting == Lease(KEY, "a", 1, 190.0, PRINT)
    await ledger.close()


async def test_a_brief_call_on_a_free_file_costs_no_way_to_a_thread(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await claim(ledger, key="opens the file")
    with pytest.raises(StopIteration) as ended:
        claim(ledger).send(None)  # it never gives the loop away
    assert ended.value.value == Lease(KEY, "a", 1, 190.0, PRINT)
    await ledger.close()


async def test_the_log_beside_the_file_stays_bounded(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    sizes = []
    for round in range(6):
        for number in range(COPY_EVERY):
            await claim(ledger, key=f"{round}/{number}")
        sizes.append((tmp_path / "ledger.db-wal").stat().st_size)
    assert max(sizes[2:]) <= 2 * max(sizes[:2])
    await ledger.close()


async def test_a_file_that_is_held_too_long_is_a_store_that_is_down(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, patience=0.05)
    await claim(ledger, key="first")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Problem) as caught:
        await claim(ledger)
    assert caught.value.code is Code.LEDGER_DOWN
    assert await ledger.get("first") is not None  # reading needs no turn
    holder.close()
    await ledger.close()


async def test_a_key_that_sqlite_can_not_hold_fails_alone(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    keys = ["deid/first", "deid/\ud800", "deid/good"]  # the first is alone in its transaction, the others share one
    _, bad, good = await asyncio.gather(*(claim(ledger, key=key) for key in keys), return_exceptions=True)
    assert isinstance(bad, UnicodeEncodeError)
    assert isinstance(good, Lease)
    await ledger.close()


async def test_a_failed_transaction_does_not_stay_open(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    await claim(ledger)
    vandal = sqlite3.connect(path)
    vandal.execute("DROP TABLE ledger")
    vandal.close()
    with pytest.raises(Problem):
        await claim(ledger)
    assert await claim(ledger) == Lease(KEY, "a", 1, 190.0, PRINT)
    await ledger.close()


async def test_expired_rows_leave_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path, retention=1000)
    await asyncio.gather(*(claim(ledger, key=f"old/{n}") for n in range(300)))
    await asyncio.gather(*(claim(ledger, key=f"new/{n}", now=2000.0) for n in range(300)))
    await ledger.close()
    file = sqlite3.connect(path)
    assert file.execute("SELECT count(*), min(expires) FROM ledger").fetchone() == (300, 3000.0)
    file.close()


def test_several_processes_lease_each_key_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    workers = [context.Process(target=_claim_all, args=(tmp_path, f"worker-{n}", barrier)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    leased = [line for n in range(4) for line in (tmp_path / f"worker-{n}").read_text().split()]
    assert sorted(leased) == sorted(f"key-{n}" for n in range(200))


def _claim_all(directory: Path, owner: str, barrier: Barrier) -> None:
    async def work() -> list[str]:
        ledger = SqliteLedger(directory / "ledger.db", patience=30)

        async def one(key: str) -> str | None:
            got = await claim(ledger, key=key, by=owner)
            if isinstance(got, Record):
                return None
            await ledger.finish(got, State.DONE, now=101.0)
            return key

        barrier.wait(30)
        done = await asyncio.gather(*(one(f"key-{n}") for n in range(200)))
        await ledger.close()
        return [key for key in done if key is not None]

    (directory / owner).write_text("\n".join(asyncio.run(work())))


@pytest.mark.parametrize(
    "url, kind", [("memory", MemoryLedger), ("sqlite:/var/l.db", SqliteLedger), ("firestore:clinical", FirestoreLedger)]
)
def test_a_setting_names_its_ledger(url: str, kind: type[Ledger]) -> None:
    assert isinstance(open_ledger(url, project="p"), kind)


@pytest.mark.parametrize("url", ["", "sqlite:", "firestore", "redis:x", "memory:x"])
def test_an_unknown_ledger_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a ledger is"):
        open_ledger(url, project="p")
