"""`./dev bench ledger`: what it costs to lease a key and to complete it, in CPU time of this process and in round trips.

Beside each other in one run: the embedded ledger (SQLite), its memory twin, Firestore where Google's emulator is on the
machine (its round trips count, its time is the emulator's), and the limit: two bare SQLite transactions on such a file.

Then the embedded ledger as it fills, from a thousand records to a million: what the same costs, and the slope. A slope of
0 is a cost that does not grow; 1 would be one that grows with the records. Firestore has none to state: each step is one
document by its name, the same round trips however many there are.
"""

import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import asdict, dataclass, field
from math import log10
from pathlib import Path

import uvloop

from shared.ledger.firestore import FirestoreLedger
from shared.ledger.group_commit import GroupCommit
from shared.ledger.memo import MemoLedger
from shared.ledger.memory import MemoryLedger
from shared.ledger.port import Lease, Ledger, State
from shared.ledger.sqlite import SqliteLedger

KEYS = 2000
CLOUD_KEYS = 100
RETENTION = 40 * 86400.0
RECORDS = (1_000, 10_000, 100_000, 1_000_000)
SAMPLE = 500  # deliveries at each size, and as many bare transactions beside them


@dataclass(frozen=True, slots=True)
class Figure:
    """CPU of lease + complete in ms; store round trips of a first delivery, and of a duplicate, unknown and known."""

    ledger: str
    p50_ms: float
    p99_ms: float
    first: float
    duplicate: float
    known: float


class Trips:
    """Counts the calls of a method of a class, for as long as the bench runs."""

    def __init__(self, *methods: tuple[type, str]) -> None:
        self.count = 0
        for owner, name in methods:
            setattr(owner, name, self._counting(getattr(owner, name)))

    def _counting(self, method: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **options: object) -> object:
            self.count += 1
            return method(*args, **options)

        return counted


def run(*, as_json: bool) -> int:
    """Measure and print; 0."""
    figures, limit = uvloop.run(_all())  # the loop that the workers run on
    filled = uvloop.run(_filled())
    steep = {"ledger": slope([one.records for one in filled], [one.ms for one in filled])}
    steep["bare"] = slope([one.records for one in filled], [one.bare_ms for one in filled])
    if as_json:
        ledgers = [asdict(one) for one in figures]
        told = {"bare_sqlite_ms": limit, "ledgers": ledgers, "filled": [asdict(one) for one in filled], "slope": steep}
        print(json.dumps(told))
        return 0
    print(f"lease + complete, CPU of the process; the limit, two bare SQLite transactions: {limit:.3f} ms")
    for one in figures:
        trips = f"round trips: first {one.first:g}, duplicate {one.duplicate:g}, known {one.known:g}"
        share = f"{one.p50_ms / limit:.1f} of the limit"
        print(f"  {one.ledger:<10} p50 {one.p50_ms:.3f} ms   p99 {one.p99_ms:.3f} ms   {share:<18} {trips}")
    for size in filled:
        print(
            f"  sqlite with {size.records:>9,} records: p50 {size.ms:.3f} ms, bare transactions {size.bare_ms:.3f} ms"
        )
    print(
        f"  slope, ms over records, both logarithms: {steep['ledger']:+.3f}; of the bare transactions {steep['bare']:+.3f}"
    )
    return 0


async def _all() -> tuple[list[Figure], float]:
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        limit = _bare(home / "bare.db")
        trips = Trips((GroupCommit, "run"))
        figures = [
            await _figure("memory", MemoryLedger(), KEYS, Trips((MemoryLedger, "claim"), (MemoryLedger, "finish"))),
            await _figure("sqlite", SqliteLedger(home / "ledger.db"), KEYS, trips),
        ]
        if (cloud := await _firestore(home)) is not None:
            figures.append(cloud)
        return figures, limit


@dataclass(frozen=True, slots=True)
class Filled:
    """CPU of lease + complete, and of two bare transactions on the same file, at so many records; medians."""

    records: int
    ms: float
    bare_ms: float


async def _filled() -> list[Filled]:
    """The embedded ledger at each size. The records are written past it, as a first delivery would have left them.

    The sizes take turns, so that a machine that is slower for a while is so for all of them.
    """
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = [await _Place.at(home / f"{records}.db", records, stack) for records in RECORDS]
        for number in range(1, SAMPLE + 1):
            for place in places:
                await place.deliver(number)
        return [Filled(one.records, statistics.median(one.ours), statistics.median(one.bare)) for one in places]


@dataclass(frozen=True, slots=True)
class _Place:
    """A ledger of a size, a bare connection to its file, and what each has cost, in ms of CPU."""

    records: int
    ledger: SqliteLedger
    connection: sqlite3.Connection
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @classmethod
    async def at(cls, path: Path, records: int, stack: AsyncExitStack) -> "_Place":
        ledger = SqliteLedger(path, retention=RETENTION)
        stack.push_async_callback(ledger.close)
        await delivered(ledger, 0)
        _fill(path, records - 1)
        connection = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
        connection.execute("PRAGMA synchronous = NORMAL")
        return cls(records, ledger, connection)

    async def deliver(self, number: int) -> None:
        key = f"bare:{number:064x}"
        before = time.process_time_ns()
        await delivered(self.ledger, number)
        between = time.process_time_ns()
        self.connection.execute(_COPY, (key,))
        self.connection.execute("UPDATE ledger SET state = 'done' WHERE key = ?", (key,))
        self.ours.append((between - before) / 1e6)
        self.bare.append((time.process_time_ns() - between) / 1e6)


_LIKE = "state, token, owner, until, code, fingerprint, expires, since, attempts"
_COPY = f"INSERT INTO ledger (key, {_LIKE}) SELECT ?, {_LIKE} FROM ledger WHERE rowid = 1"


def _fill(path: Path, count: int) -> None:
    """So many more records with keys as random as a hash's."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
        connection.execute(  # in the order of the keys, which makes the same tree in a tenth of the time
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO ledger (key, {_LIKE}) "
            f"SELECT 'deid:' || lower(hex(randomblob(32))), {_LIKE} FROM n, (SELECT * FROM ledger WHERE rowid = 1) ORDER BY 1",
            (count,),
        )


def slope(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The exponent by which cost grows with size: the least squares line through their logarithms."""
    return statistics.linear_regression([log10(size) for size in sizes], [log10(cost) for cost in costs]).slope


async def _firestore(home: Path) -> Figure | None:
    import os

    import pytest

    from tests.contracts.emulator import firestore_emulator

    try:
        with firestore_emulator(home) as host:
            os.environ["FIRESTORE_EMULATOR_HOST"] = host
            trips = Trips((FirestoreLedger, "_read"), (FirestoreLedger, "_write"))
            return await _figure("firestore", FirestoreLedger("(default)", "p", patience=20), CLOUD_KEYS, trips)
    except pytest.skip.Exception:
        return None


async def _figure(name: str, store: Ledger, keys: int, trips: Trips) -> Figure:
    ledger, spent = MemoLedger(store, retention=RETENTION), []
    await ledger.get("warm")
    trips.count = 0
    for number in range(keys):
        before = time.process_time_ns()
        await delivered(ledger, number)
        spent.append((time.process_time_ns() - before) / 1e6)
    first, trips.count = trips.count / keys, 0
    for number in range(keys):
        await _duplicate(ledger, number)
    known, trips.count = trips.count / keys, 0
    other = MemoLedger(store, retention=RETENTION)
    for number in range(keys):
        await _duplicate(other, number)
    duplicate = trips.count / keys
    await ledger.close()
    return Figure(name, statistics.median(spent), statistics.quantiles(spent, n=100)[98], first, duplicate, known)


async def delivered(ledger: Ledger, number: int) -> None:
    lease = await ledger.claim(f"deid:{number:064x}", "a3" * 16, owner="bench", now=100.0, until=190.0)
    assert isinstance(lease, Lease)
    await ledger.finish(lease, State.DONE, now=100.1, trace="0af7651916cd43dd8448eb211c80319c")


async def _duplicate(ledger: Ledger, number: int) -> None:
    found = await ledger.claim(f"deid:{number:064x}", "a3" * 16, owner="bench", now=101.0, until=191.0)
    assert not isinstance(found, Lease)


def _bare(path: Path) -> float:
    """CPU of an INSERT and an UPDATE of a row, each in a transaction of its own, in ms."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE t (k TEXT UNIQUE, s TEXT)"
    )
    spent = []
    for number in range(KEYS):
        before = time.process_time_ns()
        connection.execute("INSERT INTO t VALUES (?, 'leased')", (f"deid:{number:064x}",))
        connection.execute("UPDATE t SET s = 'done' WHERE k = ?", (f"deid:{number:064x}",))
        spent.append((time.process_time_ns() - before) / 1e6)
    connection.close()
    return statistics.median(spent)
