"""Marks: how far a sweep or a backfill has come, by a name, for whoever goes on with it: an instant, never an id.
And the last risk report of each dataset (shared/risk_reports.py): figures of everybody together.

A mark that is lost, or older than the work, makes work be done again, which is harmless; so the stores are simple.
"""

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from shared.errors import Code, Problem
from shared.firestore import Database, store_down


class Marks(Protocol):
    """Raises Problem(LEDGER_DOWN) when the store does not answer."""

    async def get(self, name: str) -> str | None:
        """The mark of this name."""
        ...

    async def set(self, name: str, mark: str) -> None:
        """Put the mark where it was, or anew."""
        ...

    async def close(self) -> None: ...


class MemoryMarks:
    """Marks of one process."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self._marks.get(name)

    async def set(self, name: str, mark: str) -> None:
        self._marks[name] = mark

    async def close(self) -> None:
        """Nothing to close."""


class FileMarks:
    """Marks of one machine, in a JSON file. Two processes that set at once: the later one's word counts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def get(self, name: str) -> str | None:
        mark = (await asyncio.to_thread(self._read)).get(name)
        return mark if isinstance(mark, str) else None

    async def set(self, name: str, mark: str) -> None:
        await asyncio.to_thread(self._write, name, mark)

    async def close(self) -> None:
        """Nothing is held."""

    def _read(self) -> dict[str, object]:
        with suppress(FileNotFoundError, json.JSONDecodeError):
            marks = json.loads(self._path.read_text())
            return marks if isinstance(marks, dict) else {}
        return {}

    def _write(self, name: str, mark: str) -> None:
        try:
            new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            new.write_text(json.dumps({**self._read(), name: mark}, indent=1, sort_keys=True))
            new.replace(self._path)
        except OSError:
            raise Problem(Code.LEDGER_DOWN, "marks") from None


class FirestoreMarks:
    """Marks in a collection beside the ledger's."""

    def __init__(self, database: str, project: str, collection: str = "marks", *, patience: float = 5.0) -> None:
        self._database, self._collection = Database(database, project, patience), collection

    async def get(self, name: str) -> str | None:
        with store_down("marks"):
            found = await self._document(name).get(**self._database.limits)
        mark = (found.to_dict() or {}).get("mark") if found.exists else None
        return mark if isinstance(mark, str) else None

    async def set(self, name: str, mark: str) -> None:
        with store_down("marks"):
            await self._document(name).set({"mark": mark}, **self._database.limits)

    async def close(self) -> None:
        await self._database.close()

    def _document(self, name: str) -> Any:
        return self._database.client.collection(self._collection).document(name)


def open_marks(ledger: str, *, project: str) -> Marks:
    """The marks that belong to a ledger's setting: in memory, beside its file, or in its database."""
    match ledger.partition(":"):
        case ("sqlite", ":", path) if path:
            return FileMarks(Path(f"{path}.marks.json"))
        case ("firestore", ":", database) if database:
            return FirestoreMarks(database, project)
        case _:
            return MemoryMarks()
