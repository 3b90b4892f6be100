"""The embedded erasures: one SQLite file, shared by the service's workers and by the command line.

The commit is in the file before a call answers, and every read begins a transaction of its own: whoever asks after an
answer was given sees it, in whichever process.
"""

import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

import orjson
from msgspec import json

from shared.erasures.port import Proof, in_order
from shared.ledger.group_commit import GroupCommit
from shared.ledger.sqlite import use_wal

_TABLES = """
CREATE TABLE IF NOT EXISTS suppressed (
  project TEXT NOT NULL, key_id TEXT NOT NULL, patient TEXT NOT NULL, PRIMARY KEY (project, key_id, patient)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proofs (
  order_id TEXT NOT NULL, round INTEGER NOT NULL, key_id TEXT NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (order_id, round, key_id)
) STRICT, WITHOUT ROWID"""
_SUPPRESS = "INSERT INTO suppressed VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_AMONG = """
SELECT patient FROM suppressed
WHERE project = ? AND key_id = ? AND patient IN (SELECT value FROM json_each(?))"""
_PROVE = "INSERT OR REPLACE INTO proofs VALUES (?, ?, ?, ?)"
_PROOFS = "SELECT record FROM proofs WHERE order_id = ?"


class SqliteErasures:
    """Erasures in a file. `patience` is how long a write waits for another process's, in seconds."""

    def __init__(self, path: str | Path, *, patience: float = 5.0) -> None:
        self._path, self._patience = path, patience
        self._store = GroupCommit(self._connect, patience=patience, brief=True)

    async def suppress(self, project: str, key_id: str, patient: str) -> None:
        await self._write(_SUPPRESS, (project, key_id, patient))

    async def among(self, project: str, key_id: str, patients: Collection[str]) -> frozenset[str]:
        if not patients:
            return frozenset()
        given = (project, key_id, orjson.dumps(list(patients)).decode())

        def call(connection: sqlite3.Connection) -> frozenset[str]:
            return frozenset(name for (name,) in connection.execute(_AMONG, given))

        return await self._store.run(call, writes=False)

    async def prove(self, proof: Proof) -> None:
        record = json.encode(proof).decode()
        await self._write(_PROVE, (proof.order, proof.round, proof.key_id, record))

    async def proofs(self, order: str) -> Sequence[Proof]:
        def call(connection: sqlite3.Connection) -> list[Proof]:
            return [json.decode(record, type=Proof) for (record,) in connection.execute(_PROOFS, (order,))]

        return in_order(await self._store.run(call, writes=False))

    async def close(self) -> None:
        await self._store.close()

    async def _write(self, statement: str, values: tuple[object, ...]) -> None:
        def call(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        await self._store.run(call)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None, check_same_thread=False)
        try:
            use_wal(connection, self._patience)
            connection.execute(
                "PRAGMA synchronous = FULL"
            )  # a pseudonym that is forgotten again lets a patient back in
            for statement in _TABLES.split(";"):
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection
