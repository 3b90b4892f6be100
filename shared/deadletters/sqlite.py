"""The embedded index: one SQLite file, shared by the service's workers and by the command line.

A record is JSON; beside it stand only the columns that are looked up. The commit is in the file before a call answers,
so that kill -9 loses nothing that was written down. Left out, as in the ledger: a migration of the file.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from shared.deadletters.port import ASIDE, Entry, Place, Plan
from shared.deadletters.stored import entry, plan, text
from shared.ledger.group_commit import GroupCommit
from shared.ledger.sqlite import use_wal

_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
  topic TEXT NOT NULL, message TEXT NOT NULL, set_aside TEXT NOT NULL, event TEXT, plan TEXT NOT NULL,
  aside INTEGER NOT NULL, revision INTEGER NOT NULL, record TEXT NOT NULL,
  PRIMARY KEY (set_aside, topic, message)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS by_message ON entries (topic, message);
CREATE INDEX IF NOT EXISTS by_event ON entries (event);
CREATE INDEX IF NOT EXISTS by_plan ON entries (plan, set_aside, topic, message);
CREATE INDEX IF NOT EXISTS still_aside ON entries (set_aside, topic, message) WHERE aside = 1;
CREATE TABLE IF NOT EXISTS plans (
  id TEXT PRIMARY KEY, made TEXT NOT NULL, revision INTEGER NOT NULL, record TEXT NOT NULL
) STRICT"""

_ADD = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, message) DO NOTHING"
_GET = """
SELECT record FROM entries WHERE topic = ?1 AND message IN (SELECT value FROM json_each(?2))"""
_OF_EVENT = "SELECT record FROM entries WHERE event = ? ORDER BY set_aside, topic, message"
_PAGE = """
SELECT record FROM entries WHERE {} (set_aside, topic, message) > (?, ?, ?)
ORDER BY set_aside, topic, message LIMIT ?"""
_TEXTS = _PAGE.replace("SELECT record", "SELECT set_aside, topic, message, record", 1)
_TEXTS_OF_ALL, _TEXTS_ASIDE = _TEXTS.format(""), _TEXTS.format("aside = 1 AND")
_PAGE_OF_ALL, _PAGE_ASIDE = _PAGE.format(""), _PAGE.format("aside = 1 AND")
_PAGE_OF_PLAN, _PAGE_ASIDE_OF_PLAN = _PAGE.format("plan = ? AND"), _PAGE.format("aside = 1 AND plan = ? AND")
_CHANGE = """
UPDATE entries SET plan = ?, aside = ?, revision = ?, record = ? WHERE topic = ? AND message = ? AND revision = ?"""
_NEW_PLAN = "INSERT INTO plans VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_PLAN = "UPDATE plans SET made = ?, revision = ?, record = ? WHERE id = ? AND revision = ?"


class SqliteIndex:
    """An Index in a file. `patience` is how long a write waits for another process's, in seconds."""

    def __init__(self, path: str | Path, *, patience: float = 5.0) -> None:
        self._path, self._patience = path, patience
        self._store = GroupCommit(self._connect, patience=patience)

    async def add(self, entry: Entry) -> Entry:
        place = (entry.topic, entry.message, entry.set_aside)
        row = (*place, entry.event, entry.plan, _aside(entry), entry.revision, text(entry))

        def call(connection: sqlite3.Connection) -> Entry:
            if connection.execute(_ADD, row).rowcount:
                return entry
            return _entries(connection.execute(_GET, (entry.topic, _json([entry.message]))))[0]

        return await self._store.run(call)

    async def get(self, topic: str, messages: Sequence[str]) -> list[Entry]:
        return await self._select(_GET, (topic, _json(messages)))

    async def of_event(self, event: str) -> list[Entry]:
        return await self._select(_OF_EVENT, (event,))

    async def page(
        self, after: Place | None = None, *, plan: str = "", aside: bool = False, limit: int = 1000
    ) -> list[Entry]:
        start = after or ("", "", "")
        if plan:
            return await self._select(_PAGE_ASIDE_OF_PLAN if aside else _PAGE_OF_PLAN, (plan, *start, limit))
        return await self._select(_PAGE_ASIDE if aside else _PAGE_OF_ALL, (*start, limit))

    async def texts(
        self, after: Place | None = None, *, aside: bool = False, limit: int = 1000
    ) -> list[tuple[Place, str]]:
        statement, values = _TEXTS_ASIDE if aside else _TEXTS_OF_ALL, (*(after or ("", "", "")), limit)

        def call(connection: sqlite3.Connection) -> list[tuple[Place, str]]:
            return [
                ((at, topic, message), record) for at, topic, message, record in connection.execute(statement, values)
            ]

        return await self._store.run(call, writes=False)

    async def change(self, entries: Sequence[Entry]) -> list[bool]:
        rows = [
            (one.plan, _aside(one), one.revision, text(one), one.topic, one.message, one.revision - 1)
            for one in entries
        ]
        return await self._store.run(
            lambda connection: [connection.execute(_CHANGE, row).rowcount == 1 for row in rows]
        )

    async def plan(self, id: str) -> Plan | None:
        def call(connection: sqlite3.Connection) -> Plan | None:
            row = connection.execute("SELECT record FROM plans WHERE id = ?", (id,)).fetchone()
            return row and plan(orjson.loads(row[0]))

        return await self._store.run(call, writes=False)

    async def plans(self) -> list[Plan]:
        def call(connection: sqlite3.Connection) -> list[Plan]:
            rows = connection.execute("SELECT record FROM plans ORDER BY made DESC, id DESC")
            return [plan(orjson.loads(record)) for (record,) in rows]

        return await self._store.run(call, writes=False)

    async def put_plan(self, plan: Plan) -> bool:
        def call(connection: sqlite3.Connection) -> bool:
            if plan.revision == 1:
                made = connection.execute(_NEW_PLAN, (plan.id, plan.made, 1, text(plan)))
            else:
                row = (plan.made, plan.revision, text(plan), plan.id, plan.revision - 1)
                made = connection.execute(_PLAN, row)
            return made.rowcount == 1

        return await self._store.run(call)

    async def close(self) -> None:
        await self._store.close()

    async def _select(self, statement: str, values: tuple[object, ...]) -> list[Entry]:
        return await self._store.run(
            lambda connection: _entries(connection.execute(statement, values)),
            writes=False,
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None, check_same_thread=False)
        try:
            use_wal(connection, self._patience)
            connection.execute("PRAGMA synchronous = NORMAL")
            for statement in _TABLES.split(";"):
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection


def _entries(rows: Iterable[tuple[str]]) -> list[Entry]:
    return [entry(orjson.loads(record)) for (record,) in rows]


def _aside(one: Entry) -> int:
    return int(one.state in ASIDE)


def _json(values: Sequence[str]) -> str:
    return orjson.dumps(list(values)).decode()
