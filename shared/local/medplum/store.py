"""What Medplum keeps: every version of every resource, as the bytes that it would send.

A version is kept once, with all of its meta. `meta.author`, `project` and `compartment` stand together at the end of
meta, so that the form without them, which is what REST answers carry unless asked for more, is the same bytes with one
cut. A deletion is a version without a body. Nothing is indexed but ids, tags, and the order of change in each type,
which is all that the searches here need.
"""

import random
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

import orjson

from shared.local.medplum.content import OURS, cleaned, compartments, tags, without_ours
from shared.local.medplum.hooks import Interaction
from shared.local.medplum.outcomes import GONE, NOT_FOUND, Json, Refused

_MOST_IN_A_MS = 10


@dataclass(frozen=True, slots=True)
class Version:
    """A version as bytes; `cut` is where the hidden part of meta stands. A deletion has neither id nor body."""

    id: str
    ms: int
    body: bytes
    cut: tuple[int, int]

    @property
    def deleted(self) -> bool:
        return not self.body

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.ms / 1000, UTC)

    def plain(self) -> bytes:
        """Without author, project and compartment."""
        start, end = self.cut
        return self.body[:start] + self.body[end:]


@dataclass(slots=True)
class Record:
    """A resource: its versions, oldest first."""

    project: str
    type: str
    id: str
    versions: list[Version] = field(default_factory=list)
    tags: tuple[str, ...] = ()
    change: int = 0  # the number of its newest entry in the order of its type

    @property
    def current(self) -> Version:
        return self.versions[-1]

    def version(self, id: str) -> Version | None:
        return next((version for version in self.versions if version.id == id and not version.deleted), None)

    def last_written(self) -> Version:
        """The newest version that has a body."""
        return next(version for version in reversed(self.versions) if not version.deleted)


def instant(ms: int) -> str:
    """A FHIR instant as Medplum writes it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


@dataclass(slots=True)
class Author:
    """Who wrote: it goes into meta.author."""

    reference: str
    display: str


@dataclass(slots=True)
class _Order:
    """The order of change within a type. An entry is stale when its record has changed since."""

    entries: list[tuple[int, int, Record]] = field(default_factory=list)
    changes: int = 0
    stale: int = 0

    def append(self, record: Record, *, replaces: bool) -> None:
        self.changes += 1
        record.change = self.changes
        self.entries.append((record.current.ms, record.change, record))
        self.stale += replaces
        if self.stale > 1000 and self.stale * 2 > len(self.entries):
            self.entries = [entry for entry in self.entries if _live(entry)]
            self.stale = 0

    def since(self, ms: int) -> Iterator[Record]:
        start = bisect_left(self.entries, ms, key=lambda entry: entry[0])
        return (entry[2] for entry in islice(self.entries, start, None) if _live(entry))


def _live(entry: tuple[int, int, Record]) -> bool:
    _, change, record = entry
    return record.change == change and not record.current.deleted


class Store:
    """All projects' resources. `changed` is called after each change, with the record and the interaction."""

    def __init__(self, seed: int | None, changed: Callable[[Record, Interaction, str], None]) -> None:
        self._random = random.Random(seed)
        self._changed = changed
        self._records: dict[tuple[str, str], Record] = {}
        self._orders: dict[tuple[str, str], _Order] = {}
        self._tagged: dict[tuple[str, str, str], list[Record]] = {}
        self._ms, self._in_ms, self._still = 0, 0, False

    def uuid(self) -> str:
        """A random id of the kind that Medplum gives, from the seeded source."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def get(self, project: str, type: str, id: str) -> Record:
        """The record, deleted or not. Raises Refused (404): absent, or another project's, which looks the same."""
        record = self._records.get((type, id))
        if record is None or record.project != project:
            raise Refused(NOT_FOUND)
        return record

    def read(self, project: str, type: str, id: str) -> Record:
        """The record if it is there now. Raises Refused (404, 410)."""
        record = self.get(project, type, id)
        if record.current.deleted:
            raise Refused(GONE)
        return record

    def create(self, project: str, resource: Mapping[str, object], author: Author, trace: str) -> Record:
        """A new resource under an id of our choosing. Raises Refused (400)."""
        content = cleaned(resource)
        record = Record(project, str(content["resourceType"]), self.uuid())
        self._records[record.type, record.id] = record
        self._write(record, {**content, "id": record.id}, author)
        self._changed(record, "create", trace)
        return record

    def update(self, project: str, resource: Mapping[str, object], author: Author, trace: str) -> Record:
        """A new version, or the same one if nothing is different. Restores a deleted one. Raises Refused (400, 404)."""
        content = cleaned(resource)
        record = self.get(project, str(content["resourceType"]), str(content.get("id")))
        if not record.current.deleted and without_ours(orjson.loads(record.current.body)) == without_ours(content):
            return record
        self._write(record, content, author)
        self._changed(record, "update", trace)
        return record

    def delete(self, project: str, type: str, id: str, trace: str) -> None:
        """Leaves the versions; answers 410 from now on. A second time changes nothing. Raises Refused (404)."""
        record = self.get(project, type, id)
        if record.current.deleted:
            return
        record.versions.append(Version("", self._tick(), b"", (0, 0)))
        self._retag(record, ())
        self._order(record).stale += 1
        self._changed(record, "delete", trace)

    def expunge(self, project: str, type: str, id: str) -> None:
        """Leaves nothing; answers 404 from now on, and nobody is told."""
        record = self.get(project, type, id)
        record.versions.append(Version("", self._tick(), b"", (0, 0)))
        self._retag(record, ())
        del self._records[type, id]

    def since(self, project: str, type: str, ms: int) -> Iterator[Record]:
        """What is there now of a type and changed at `ms` or later, in the order of change."""
        order = self._orders.get((project, type))
        return iter(()) if order is None else order.since(ms)

    def tagged(self, project: str, type: str, token: str) -> list[Record]:
        """What carries the tag `system|code`."""
        return self._tagged.get((project, type, token), [])

    @contextmanager
    def one_instant(self) -> Iterator[None]:
        """All that is written within has one lastUpdated, as after an import by a client that may set it."""
        self._in_ms = _MOST_IN_A_MS  # so that it is neither the last one's before nor the first one's after
        self._tick()
        self._still, self._in_ms = True, _MOST_IN_A_MS
        try:
            yield
        finally:
            self._still = False

    def _write(self, record: Record, content: Json, author: Author) -> None:
        given = content.get("meta")
        meta: Json = {k: v for k, v in given.items() if k not in OURS} if isinstance(given, dict) else {}
        version, ms = self.uuid(), self._tick()
        shown = {"versionId": version, "lastUpdated": instant(ms)}
        hidden = {
            "author": {"reference": author.reference, "display": author.display},
            "project": record.project,
            "compartment": [{"reference": owner} for owner in compartments(record.project, content)],
        }
        body = bytes(memoryview(orjson.dumps({**content, "meta": meta | shown | hidden})))  # orjson's own holds 4 KB
        ours = orjson.dumps(shown)[1:-1]
        cut = b"," + orjson.dumps(hidden)[1:-1]
        start = body.index(ours + cut) + len(ours)
        replaces = bool(record.versions) and not record.current.deleted
        record.versions.append(Version(version, ms, body, (start, start + len(cut))))
        self._retag(record, tags(meta))
        self._order(record).append(record, replaces=replaces)

    def _order(self, record: Record) -> _Order:
        return self._orders.setdefault((record.project, record.type), _Order())

    def _retag(self, record: Record, tags: tuple[str, ...]) -> None:
        for tag in record.tags:
            self._tagged[record.project, record.type, tag].remove(record)
        for tag in tags:
            self._tagged.setdefault((record.project, record.type, tag), []).append(record)
        record.tags = tags

    def _tick(self) -> int:
        """Now, in milliseconds; never before what was said last, and the same only a few times.

        A server that takes milliseconds for a write has no dozens of them in one, and its cursors rely on it.
        """
        now = time.time_ns() // 1_000_000
        if self._still:
            return self._ms
        if now <= self._ms and self._in_ms < _MOST_IN_A_MS:
            self._in_ms += 1
        else:
            self._ms, self._in_ms = max(now, self._ms + 1), 1
        return self._ms
