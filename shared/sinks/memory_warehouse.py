"""The memory twin of the warehouse, of its keys and of its change log: the same promises in two collections, for tests."""

from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

from shared.deid.row import ERASED, LAST, SafeRow, patients
from shared.erasures.port import Counts
from shared.errors import Code, Problem
from shared.sinks.bigquery.rows import resource_text
from shared.sinks.bigquery.view_rows import RecordEncoder
from shared.sinks.changes.port import DEPTH, Change
from shared.sinks.erasing.port import CURRENT, LOG
from shared.sinks.keys.port import KeyRow, asked, by_key
from shared.sinks.quality import QualityRow
from shared.sinks.records import Record, Recorder, Views
from shared.sinks.sequence import padded
from shared.views import by_type

type Key = tuple[str, str, str]  # project, resource type, key


class MemoryWarehouse:
    """Keeps shared.sinks.port.Warehouse and QualityLog, shared.sinks.keys.WarehouseKeys, shared.sinks.changes.Changes and
    shared.sinks.erasing.Erasing (which has no clock here: `since` is the beginning of time).

    `projects`: the tenants that have a dataset; for every key id, unless `key_ids` says for which. `views`: the views of
    a resource type.
    """

    def __init__(
        self, projects: Collection[str], key_ids: Collection[str] | None = None, *, views: Views = by_type
    ) -> None:
        self._projects = frozenset(projects)
        self._key_ids = None if key_ids is None else frozenset(key_ids)
        self._recorder = Recorder(views)
        self._encoders: dict[tuple[str, str], RecordEncoder] = {}  # view, policy
        self._failures: deque[Problem] = deque()
        self.current: dict[Key, SafeRow] = {}
        self.log: list[SafeRow] = []
        self.quality: dict[tuple[str, str, str, str], QualityRow] = {}  # project, key, rule, severity
        self.records: dict[Key, list[Record]] = {}  # of the current row

    async def write(self, row: SafeRow) -> None:
        """Keeps shared.sinks.port.Warehouse. Also raises Problem(UNKNOWN_PROJECT) for a tenant without a dataset."""
        self._dataset(row.project, row.key_id)
        resource_text(row)
        self._fail()
        key = (row.project, row.resource_type, row.key)
        known = self.current.get(key)
        if known is None or padded(known.sequence) <= padded(row.sequence):
            self.current[key] = row
            self.records[key] = [self._fit(record, row) for record in self._recorder.records(row)]
        self.log.append(row)

    async def tally(self, row: QualityRow) -> None:
        """Keeps shared.sinks.port.QualityLog."""
        self._dataset(row.project, row.key_id)
        self._fail()
        self.quality[row.project, row.key, row.rule, row.severity] = row

    def fail(self, problems: Iterable[Problem]) -> None:
        """The next writes and questions end like this, one after the other, and leave nothing behind."""
        self._failures.extend(problems)

    def resources(self, project: str) -> list[SafeRow]:
        """The published view `resources`: what is there now, without tombstones."""
        return [row for row in self.current.values() if row.project == project and not row.deleted]

    def change_log(self, project: str) -> list[SafeRow]:
        """The published view `change_log`: each version of each resource once."""
        first: dict[tuple[str, str, str], SafeRow] = {}
        for row in self.log:
            if row.project == project:
                first.setdefault((row.resource_type, row.key, row.sequence), row)
        return list(first.values())

    def view(self, project: str, name: str) -> list[tuple[str, dict[str, object]]]:
        """A published view: the key of each resource, and each of its rows."""
        return [
            (key, row)
            for (tenant, _, key), found in self.records.items()
            for record in found
            if tenant == project and record.view.name == name
            for row in record.rows
        ]

    async def types(self, project: str, key_id: str) -> frozenset[str]:
        return frozenset(row.resource_type for row in self._asked(self.current.values(), project, key_id))

    async def keys(self, project: str, key_id: str, resource_type: str) -> Mapping[str, KeyRow]:
        return {
            row.key: KeyRow(row.key, row.sequence, row.version, row.generation, row.deleted)
            for row in self._asked(self.current.values(), project, key_id)
            if row.resource_type == resource_type
        }

    async def versions(
        self, project: str, key_id: str, resource_type: str, keys: Collection[str]
    ) -> Mapping[str, frozenset[str]]:
        wanted = asked(keys)
        rows = self._asked(self.log, project, key_id)
        written = (row for row in rows if row.resource_type == resource_type and _written(row))
        return by_key(wanted, ((row.key, row.version) for row in written if row.key in wanted))

    async def history(self, project: str, key_id: str, key: str) -> Sequence[Change]:
        rows = {row.sequence: row for row in self._asked(self.log, project, key_id) if row.key == key}
        newest = sorted(rows.values(), key=lambda row: padded(row.sequence), reverse=True)
        return [_change(row) for row in newest[:DEPTH]]

    async def everything(self, project: str, key_id: str) -> AsyncIterator[Sequence[Change]]:
        rows = self._asked(self.current.values(), project, key_id)
        yield [_change(row) for row in rows if not row.deleted]

    async def rows_of(self, project: str, key_id: str, patient: str, since: str) -> Sequence[tuple[str, str]]:
        rows = self._asked([*self.current.values(), *self.log], project, key_id)
        his = {(row.resource_type, row.key) for row in rows if row.sequence == LAST or patient in _named(row)}
        return sorted({("Patient", patient), *his})

    async def purge(self, project: str, key_id: str, keys: Collection[str]) -> None:
        of = self._asked(self.log, project, key_id)
        gone = {id(row) for row in of if row.key in keys and row.sequence != LAST}
        self.log = [row for row in self.log if id(row) not in gone]

    async def remains(self, project: str, key_id: str, patient: str, keys: Collection[str]) -> Counts:
        counts = {}
        for place, rows in ((CURRENT, self.current.values()), (LOG, self.log)):
            of = self._asked(rows, project, key_id)
            counts[place] = sum(not row.deleted and (row.key in keys or patient in _named(row)) for row in of)
        for view in {record.view.name for found in self.records.values() for record in found}:
            lines = self.view(project, view)
            held = {key for key, line in lines if key in keys or patient in str(line)}
            counts[f"view_{view}"] = len(held)
        return counts

    async def close(self) -> None:
        """Nothing is held."""

    def _fit(self, record: Record, row: SafeRow) -> Record:
        """The record, if BigQuery would take it."""
        named = (record.view.name, row.policy)
        if named not in self._encoders:
            self._encoders[named] = RecordEncoder(record.view, row.policy)
        return self._encoders[named].fit(record, row, 0)[0]

    def _asked(self, rows: Iterable[SafeRow], project: str, key_id: str) -> list[SafeRow]:
        self._dataset(project, key_id)
        self._fail()
        return [row for row in rows if (row.project, row.key_id) == (project, key_id)]

    def _dataset(self, project: str, key_id: str) -> None:
        if project not in self._projects or (self._key_ids is not None and key_id not in self._key_ids):
            raise Problem(Code.UNKNOWN_PROJECT, "project")

    def _fail(self) -> None:
        if self._failures:
            raise self._failures.popleft()


def _written(row: SafeRow) -> bool:
    return not row.deleted or row.version == ERASED


def _named(row: SafeRow) -> frozenset[str]:
    return frozenset() if row.deleted else patients(row)


def _change(row: SafeRow) -> Change:
    return Change(row.resource_type, row.key, row.sequence, row.deleted, row.resource)
