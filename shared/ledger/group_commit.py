"""Many callers, one transaction: a thread that owns a SQLite connection, and the event loop's way to it.

    callers ─► waiting ─► [one thread: BEGIN · each call · COMMIT] ─► each caller's own answer

While a transaction runs, the calls that come meanwhile gather and make the next one, so that a commit's cost is shared
just when there is load; a lone caller waits for nobody. The loop never touches the file. All calls of a group are
committed together or fail together, and an answer is given only after the commit.

The connection is opened in its thread with the first call, so after gunicorn's fork; after an error it is thrown away
and the next group opens another. A call whose caller gave up before its group began is not made at all; one that gave
up later is made without a reader.
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


class GroupCommit:
    """Runs calls on the connection that `connect` opens. Used by one event loop; the file may have many users."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: list[_Call] = []
        self._running = False

    async def run[T](self, call: Call[T], *, writes: bool = True) -> T:
        """The call's answer, once it is committed. Raises Problem(LEDGER_DOWN)."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(call, writes, answer))
        if not self._running:
            self._start(loop)
        return await answer

    async def close(self) -> None:
        """Let what is waiting end, then close the connection in the thread that owns it. No call may follow."""
        while self._running:
            with suppress(Problem):  # its own callers are told
                await self.run(_nothing, writes=False)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        group = [call for call in self._waiting if not call.given_up()]
        self._waiting = []
        if group:
            done = self._thread.submit(self._transact, group)
            done.add_done_callback(lambda done: loop.call_soon_threadsafe(self._settle, loop, group, done))
        self._running = bool(group)

    def _settle(self, loop: asyncio.AbstractEventLoop, group: list["_Call"], done: Future[None]) -> None:
        self._start(loop)  # first the next transaction, so that the thread works while the callers are woken
        failure = done.exception()
        for call in group:
            call.settle(failure)

    def _transact(self, group: list["_Call"]) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            # A transaction that reads first and writes later fails at once if another process wrote in between; one
            # that says so at its beginning waits for its turn.
            self._connection.execute("BEGIN IMMEDIATE" if any(call.writes for call in group) else "BEGIN")
            for call in group:
                call.make(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            self._disconnect()  # rolls back
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


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
