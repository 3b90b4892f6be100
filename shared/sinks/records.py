"""The rows of the analysts' views that a resource makes: one record for each view of its type, for every warehouse.

    SafeRow ─► [each shipped view of its type] ─► Record: its rows, typed as the policy says

Every version makes a record of every view of its type: an empty one where the view leaves the resource out and where the
resource was deleted, for it has to replace the rows of the version before.

A view that fails on a resource does not cost the resource its row, nor the other views theirs: its record is empty and
says that it failed, so that analysts can count what is missing, and a log line wakes whoever minds the views. The record
before it is replaced all the same: no rows are better than rows of an older version, which may say what was corrected.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.telemetry.report import view_failed
from shared.views import View, by_type
from shared.views.typed import converter

type Views = Callable[[str], Sequence[View]]  # of a resource type
type Line = dict[str, object]


class Record(Struct, frozen=True):
    """What a view makes of one version of a resource."""

    view: View
    rows: tuple[Line, ...]
    failed: bool = False


class Recorder:
    """`views`: the views of a resource type."""

    def __init__(self, views: Views = by_type) -> None:
        self._views = views
        self._typed: dict[tuple[str, str], Callable[[Mapping[str, object]], Line]] = {}

    def records(self, row: SafeRow) -> list[Record]:
        """The record of each view of the row's type. Raises nothing: a view's failure is in its record."""
        return [self._record(view, row) for view in self._views(row.resource_type)]

    def _record(self, view: View, row: SafeRow) -> Record:
        if row.resource is None:
            return Record(view, ())
        try:
            typed = self._converter(view, row.policy)
            return Record(view, tuple(typed(one) for one in view.rows(row.resource)))
        except Problem as problem:
            return failure(view, problem.code)
        except Exception as error:  # noqa: BLE001 - a mistake in a view must not cost the row; class and place are logged
            return failure(view, None, error)

    def _converter(self, view: View, policy: str) -> Callable[[Mapping[str, object]], Line]:
        found = self._typed.get((view.name, policy))
        if found is None:
            found = self._typed[view.name, policy] = converter(view, policy)
        return found


def failure(view: View, code: Code | None, error: Exception | None = None) -> Record:
    """The record of a view that failed; said in the log, by its name alone."""
    view_failed(view.name, view.resource, code, error)
    return Record(view, (), failed=True)
