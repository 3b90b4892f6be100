"""The embedded ledger: one SQLite file, shared by all worker processes of one machine.

Each arrow of the protocol is one statement whose WHERE is the compare-and-set: SQLite's write lock, not ours, decides
between processes. group_commit.py keeps the event loop from ever waiting for that lock. The file must be on a local disk
(WAL shares memory between processes, which no network file system does).

Left out: a migration of the file. The records are a cache of what has been done; a new layout takes a new path.
"""

import sqlite3
import time
from pathlib import Path

import orjson
from msgspec.structs import replace

from shared.errors import Code, Problem
from shared.ledger.group_commit import GroupCommit
from shared.ledger.port import ATTEMPTS, LAPSED, REOPENED, Attempt, Lease, Record, State
from shared.ledger.transitions import RETENTION, end_time

_TABLE = """
CREATE TABLE IF NOT EXISTS ledger (
  key TEXT NOT NULL UNIQUE, state TEXT NOT NULL, token INTEGER NOT NULL, owner TEXT NOT NULL, until REAL NOT NULL,
  code TEXT NOT NULL, fingerprint TEXT NOT NULL, expires REAL NOT NULL, since REAL NOT NULL, attempts TEXT NOT NULL
) STRICT"""


def _noted(attempt: str) -> str:
    """`attempts` with one more and, when they are ATTEMPTS already, without the oldest. The columns are the old ones."""
    kept = f"iif(json_array_length(attempts) < {ATTEMPTS}, attempts, json_remove(attempts, '$[0]'))"
    return f"json_insert({kept}, '$[#]', json_array({attempt}))"


_CLAIM = f"""
INSERT INTO ledger (key, fingerprint, owner, until, expires, since, state, token, code, attempts)
VALUES (:key, :fingerprint, :owner, :until, :expires, :now, 'leased', 1, '', '[]')
ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, owner = excluded.owner, until = excluded.until,
  expires = excluded.expires, since = excluded.since, state = 'leased', token = token + 1, code = '',
  attempts = CASE WHEN expires <= :now THEN '[]'
    WHEN state = 'leased' THEN {_noted(f"since, '{LAPSED}', until - since, ''")} ELSE attempts END
WHERE expires <= :now
  OR (fingerprint = excluded.fingerprint AND state IN ('leased', 'retry') AND until <= :now)
RETURNING token"""  # noqa: S608

_HELD = "WHERE key = :key AND token = :token AND state = 'leased' AND expires > :now"
_FINISH = f"""
UPDATE ledger SET state = :state, until = :until, code = :code, expires = :expires,
  attempts = {_noted("since, iif(:code = '', :state, :code), max(0.0, :now - since), :trace")} {_HELD}"""  # noqa: S608
_RENEW = f"UPDATE ledger SET until = :until, expires = :expires {_HELD}"  # noqa: S608

_REOPEN = f"""
UPDATE ledger SET state = 'retry', until = 0, expires = :expires, attempts = {_noted(f":now, '{REOPENED}', 0.0, ''")}
WHERE key = :key AND state = 'poison' AND expires > :now"""  # noqa: S608

_GET = "SELECT key, state, token, owner, until, code, fingerprint, expires, since, attempts FROM ledger WHERE key = ?"

# Rows are numbered as they come, so the oldest are the first: no index on `expires`, which each write would pay for.
_SWEEP = """
DELETE FROM ledger WHERE rowid IN (SELECT rowid FROM ledger ORDER BY rowid LIMIT 512) AND expires <= :now"""
_SWEEP_EVERY = 256  # claims; fewer than a sweep can remove, so that the file does not grow without end


class SqliteLedger:
    """A Ledger in a file. `patience` is how long a write waits for another process's, in seconds."""

    def __init__(self, path: str | Path, *, retention: float = RETENTION, patience: float = 5.0) -> None:
        self._path = path
        self._retention = retention
        self._patience = patience
        self._store = GroupCommit(self._connect, patience=patience, brief=True)
        self._claims = 0

    async def claim(self, key: str, fingerprint: str, *, owner: str, now: float, until: float) -> Lease | Record:
        values = {"key": key, "fingerprint": fingerprint, "owner": owner, "now": now, "until": until}
        values["expires"] = now + self._retention

        def call(connection: sqlite3.Connection) -> Lease | Record:
            self._sweep_in_turn(connection, now)
            leased = connection.execute(_CLAIM, values).fetchall()
            if leased:
                return Lease(key, owner, leased[0][0], until, fingerprint)
            record = _record(connection, key)
            assert record is not None  # nothing else stands in a claim's way, and we hold the write lock
            return record

        return await self._store.run(call)

    async def finish(
        self, lease: Lease, state: State, *, code: str = "", now: float, not_before: float = 0, trace: str = ""
    ) -> None:
        until = end_time(state, now=now, not_before=not_before)
        await self._set(_FINISH, lease, now, {"state": state.value, "until": until, "code": code, "trace": trace})

    async def renew(self, lease: Lease, *, now: float, until: float) -> Lease:
        await self._set(_RENEW, lease, now, {"until": until})
        return replace(lease, until=until)

    async def reopen(self, key: str, *, now: float) -> bool:
        values = {"key": key, "now": now, "expires": now + self._retention}
        return await self._store.run(lambda connection: connection.execute(_REOPEN, values).rowcount == 1)

    async def get(self, key: str) -> Record | None:
        return await self._store.run(lambda connection: _record(connection, key), writes=False)

    async def close(self) -> None:
        await self._store.close()

    async def _set(self, update: str, lease: Lease, now: float, values: dict[str, str | float]) -> None:
        of_lease = {"key": lease.key, "token": lease.token, "now": now, "expires": now + self._retention}
        if await self._store.run(lambda connection: connection.execute(update, values | of_lease).rowcount) == 0:
            raise Problem(Code.LEASE_LOST, "ledger")

    def _sweep_in_turn(self, connection: sqlite3.Connection, now: float) -> None:
        self._claims += 1
        if self._claims % _SWEEP_EVERY == 0:
            connection.execute(_SWEEP, {"now": now})

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None, check_same_thread=False)
        try:
            use_wal(connection, self._patience)
            # A commit outlives the process, but the last ones may not outlive a power cut. What is lost then is a
            # lease, whose worker is gone too, or an end, and the event is worked on again: the sinks are idempotent.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection


def use_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Switch the file to WAL. SQLite does not wait for its turn here, so that workers which start at once collide."""
    end = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as failure:
            if failure.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)  # in the ledger's own thread
        else:
            return


def _record(connection: sqlite3.Connection, key: str) -> Record | None:
    row = connection.execute(_GET, (key,)).fetchone()
    if row is None:
        return None
    _, state, token, owner, until, code, fingerprint, expires, since, text = row
    attempts = tuple(Attempt(*attempt) for attempt in orjson.loads(text))
    return Record(key, State(state), token, owner, until, code, fingerprint, expires, since, attempts)
