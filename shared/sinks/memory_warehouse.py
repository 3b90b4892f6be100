"""The warehouse port's memory twin: the same promises in two collections, for tests and runs without a cloud."""

from collections import deque
from collections.abc import Collection, Iterable

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.sinks.bigquery.rows import resource_text
from shared.sinks.sequence import padded

type Key = tuple[str, str, str]  # project, resource type, key


class MemoryWarehouse:
    """`projects`: the tenants that have a dataset."""

    def __init__(self, projects: Collection[str]) -> None:
        self._projects = frozenset(projects)
        self._failures: deque[Problem] = deque()
        self.current: dict[Key, SafeRow] = {}
        self.log: list[SafeRow] = []

    async def write(self, row: SafeRow) -> None:
        """Keeps shared.sinks.port.Warehouse. Also raises Problem(UNKNOWN_PROJECT) for a tenant without a dataset."""
        if row.project not in self._projects:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        resource_text(row)
        if self._failures:
            raise self._failures.popleft()
        key = (row.project, row.resource_type, row.key)
        known = self.current.get(key)
        if known is None or padded(known.sequence) <= padded(row.sequence):
            self.current[key] = row
        self.log.append(row)

    def fail(self, problems: Iterable[Problem]) -> None:
        """The next writes end like this, one after the other, and leave nothing behind."""
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

    async def close(self) -> None:
        """Nothing is held."""
