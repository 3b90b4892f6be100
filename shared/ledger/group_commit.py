"""Many callers, one transaction: a SQLite connection and the event loop's way to it.

    callers ─► waiting ─► BEGIN · each call · COMMIT ─► each caller's own answer
                            ├─ on the loop: brief calls, nobody else is writing
                            └─ in a thread: whatever may take long or has to wait

Calls that come while a transaction runs in the thread make the next one together, so that the cost of a commit, and of
the way there, is shared just when there is load; a lone caller waits for nobody. All calls of a group are committed
together or fail together, and an answer is given only after the commit.

A brief call, one record by its key, costs less than the way to a thread and back. So it is made on the loop, where
nothing may wait: what meets another process's write goes to the thread, and so does the first call, which opens the
file, and every so many, to copy the log into the file, which waits for the disk. Calls that are not brief never touch
the file on the loop.

The connection is opened with the first call, so after gunicorn's fork, and is one thread's at a time; after an error it
is thrown away and the next group opens another. A call whose caller gave up before its group began is not made at all;
one that gave up later is made without a reader.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Protocol

from shared.errors import Code, Problem

type Call[T] = Callable[[sqlite3.Connection], T]

COPY_EVERY = 512  # groups; some 1,000 pages of log, after which SQLite would copy them by itself, on the loop too


class GroupCommit:
    """Runs calls on the connection that `connect` opens, for another thread's use as well.

    `patience` is how long a transaction waits for another process's, in seconds; `brief` says that each call is. Used by
    one event loop; the file may have many users.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, patience: float, brief: bool = False) -> None:
        self._connect, self._patience, self._brief = connect, patience, brief
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: list[_Call] = []
        self._running = False
        self._uncopied = 0

    async def run[T](self, call: Call[T], *, writes: bool = True) -> T:
        """The call's answer, once it is committed. Raises Problem(LEDGER_DOWN)."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(call, writes, answer))
        if not self._running:
            self._start(loop)
        return await answer

    async def close(self) -> None:
        """Let what is waiting end, then close the connection in its thread. No call may follow."""
        while self._running:
            with suppress(Problem):  # its own callers are told
                await self.run(_nothing, writes=False)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        group = [call for call in self._waiting if not call.given_up()]
        self._waiting = []
        self._running = bool(group) and not self._at_once(group)
        if self._running:
            done = self._thread.submit(self._in_thread, group)
            done.add_done_callback(lambda done: loop.call_soon_threadsafe(self._ended, loop, group, done))

    def _ended(self, loop: asyncio.AbstractEventLoop, group: list["_Call"], done: Future[None]) -> None:
        self._start(loop)  # first the next transaction, so that the thread works while the callers are woken
        _settle(group, done.exception())

    def _at_once(self, group: list["_Call"]) -> bool:
        """Make the group here, on the loop, and settle it; False if it has to go to the thread."""
        if not self._brief or self._connection is None or self._uncopied >= COPY_EVERY:
            return False
        failure: BaseException | None = None
        try:
            self._transact(self._connection, group)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:  # or one of its extended codes
                self._roll_back()
                return False
            self._disconnect()
            failure = error
        except BaseException as error:  # noqa: BLE001 - as the thread hands it on: to each caller of the group
            self._disconnect()
            failure = error
        self._uncopied += 1
        _settle(group, failure)
        return True

    def _in_thread(self, group: list["_Call"]) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
                if self._brief:
                    self._connection.execute("PRAGMA wal_autocheckpoint = 0")
            if self._brief:
                self._connection.execute(f"PRAGMA busy_timeout = {self._patience * 1000:.0f}")
            self._transact(self._connection, group)
            if self._brief:
                self._connection.execute("PRAGMA busy_timeout = 0")
                if self._uncopied >= COPY_EVERY:
                    self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                    self._uncopied = 0
        except BaseException:
            self._disconnect()
            raise

    def _transact(self, connection: sqlite3.Connection, group: list["_Call"]) -> None:
        # A transaction that reads first and writes later fails at once if another process wrote in between; one
        # that says so at its beginning waits for its turn.
        connection.execute("BEGIN IMMEDIATE" if any(call.writes for call in group) else "BEGIN")
        for call in group:
            call.make(connection)
        connection.execute("COMMIT")

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _disconnect(self) -> None:
        """Close the connection, which rolls back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _settle(group: list["_Call"], failure: BaseException | None) -> None:
    for call in group:
        call.settle(failure)


class _Call(Protocol):
    """A waiting call, whatever it answers."""

    @property
    def writes(self) -> bool: ...
    def given_up(self) -> bool: ...
    def make(self, connection: sqlite3.Connection) -> None: ...
    def settle(self, failure: BaseException | None) -> None: ...


class _Waiting[T]:
    __slots__ = ("_answer", "_call", "_deliver", "writes")
    _deliver: Callable[[], None]

    def __init__(self, call: Call[T], writes: bool, answer: asyncio.Future[T]) -> None:
        self._call = call
        self.writes = writes
        self._answer = answer

    def given_up(self) -> bool:
        return self._answer.done()

    def make(self, connection: sqlite3.Connection) -> None:
        try:
            result = self._call(connection)
        except (ValueError, OverflowError) as unfit:
            # Text or a number that SQLite can not hold, such as a lone surrogate. It was refused before the statement
            # ran, so the other calls of the group stand.
            self._deliver = partial(self._answer.set_exception, unfit)
        else:
            self._deliver = partial(self._answer.set_result, result)

    def settle(self, failure: BaseException | None) -> None:
        if self._answer.done():
            return
        if failure is None:
            self._deliver()
        elif isinstance(failure, sqlite3.Error):
            self._answer.set_exception(Problem(Code.LEDGER_DOWN, "sqlite"))  # one for each: tracebacks are not shared
        else:
            self._answer.set_exception(failure)


def _nothing(connection: sqlite3.Connection) -> None:
    """Makes close() wait for the calls before it."""
