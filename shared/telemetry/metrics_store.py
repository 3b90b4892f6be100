"""Where the processes leave their metrics for each other: memory, files beside the ledger's, Firestore beside it.

One text for each process, replaced by itself alone, so nobody waits for anybody. A text that has expired is of a process
that has gone: it is not given any more, and taken away in passing. A store that is lost loses a minute of a display.
"""

import asyncio
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from shared.errors import Code, Problem
from shared.firestore import Database, store_down


class MetricsStore(Protocol):
    """Raises Problem(LEDGER_DOWN) when the store does not answer. Times are seconds since the epoch."""

    async def put(self, process: str, text: str, *, expires: float) -> None:
        """Put the process's text in the place of its last one. `process`: letters, digits and `-`."""
        ...

    async def all(self, *, now: float) -> list[str]:
        """The texts of all processes that have not expired."""
        ...

    async def close(self) -> None: ...


class MemoryMetrics:
    """Of one process."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[float, str]] = {}

    async def put(self, process: str, text: str, *, expires: float) -> None:
        self._texts[process] = expires, text

    async def all(self, *, now: float) -> list[str]:
        self._texts = {name: one for name, one in self._texts.items() if one[0] > now}
        return [text for _, text in self._texts.values()]

    async def close(self) -> None:
        """Nothing to close."""


class FileMetrics:
    """Of one machine: a file for each process, dated with the second at which it expires."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, process: str, text: str, *, expires: float) -> None:
        await asyncio.to_thread(self._put, process, text, expires)

    async def all(self, *, now: float) -> list[str]:
        return await asyncio.to_thread(self._all, now)

    async def close(self) -> None:
        """Nothing is held."""

    def _put(self, process: str, text: str, expires: float) -> None:
        try:
            self._directory.mkdir(exist_ok=True)
            path = self._directory / f"{process}.json"
            new = path.with_suffix(f".{os.getpid()}")
            new.write_text(text)
            os.utime(new, (expires, expires))  # so that nobody has to read a file to know that it has expired
            new.replace(path)
        except OSError:
            raise Problem(Code.LEDGER_DOWN, "metrics") from None

    def _all(self, now: float) -> list[str]:
        texts = []
        for path in sorted(self._directory.glob("*.json")):
            with suppress(FileNotFoundError):  # another reader has taken it away
                if path.stat().st_mtime > now:
                    texts.append(path.read_text())
                else:
                    path.unlink()
        return texts


class FirestoreMetrics:
    """Of all instances of a zone: a collection beside the ledger's, with a TTL policy on `expires` to be provisioned."""

    def __init__(self, database: str, project: str, collection: str = "metrics", *, patience: float = 5.0) -> None:
        self._database, self._collection = Database(database, project, patience), collection

    async def put(self, process: str, text: str, *, expires: float) -> None:
        document = self._database.client.collection(self._collection).document(process)
        fields = {"text": text, "expires": datetime.fromtimestamp(expires, UTC)}
        with store_down("metrics"):
            await document.set(fields, **self._database.limits)

    async def all(self, *, now: float) -> list[str]:
        from google.cloud.firestore_v1.base_query import FieldFilter

        living = FieldFilter("expires", ">", datetime.fromtimestamp(now, UTC))
        query = self._database.client.collection(self._collection).where(filter=living)
        with store_down("metrics"):
            return [str(found.get("text")) async for found in query.stream(**self._database.limits)]

    async def close(self) -> None:
        await self._database.close()


def open_metrics(ledger: str, *, project: str) -> MetricsStore:
    """The store that belongs to a ledger's setting: in memory, beside its file, or in its database."""
    match ledger.partition(":"):
        case ("sqlite", ":", path) if path:
            return FileMetrics(Path(f"{path}.metrics"))
        case ("firestore", ":", database) if database:
            return FirestoreMetrics(database, project)
        case _:
            return MemoryMetrics()
