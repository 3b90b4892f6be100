"""The rows of the analysts' views that a resource makes: one record for each view of its type, for every warehouse.

    SafeRow ─► [each shipped view of its type] ─► Record: its rows, typed as the policy says

Every version makes a record of every view of its type: an empty one where the view leaves the resource out and where the
resource was deleted, for it has to replace the rows of the version before.

A view that fails on a resource does not cost the resource its row, nor the other views theirs: its record is empty and
says that it failed, so that analysts can count what is missing, and a log line wakes whoever minds the views. The record
before it is replaced all the same: no rows are better than rows of an older version, which may say what was corrected.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.telemetry.report import view_failed
from shared.views import View, by_type
from shared.views.typed import typed

type Views = Callable[[str], Sequence[View]]  # of a resource type
type Rows = tuple[dict[str, object], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What a view makes of one version of a resource."""

    view: View
    rows: Rows
    failed: bool = False


def records(row: SafeRow, views: Views = by_type) -> list[Record]:
    """The record of each view of the row's type. Raises nothing: a view's failure is in its record."""
    return [_record(view, row) for view in views(row.resource_type)]


def failure(view: View, code: Code | None = Code.VIEW_FAILED, error: Exception | None = None) -> Record:
    """The record of a view that failed; said in the log, by its name alone."""
    view_failed(view.name, view.resource, code, error)
    return Record(view, (), failed=True)


def _record(view: View, row: SafeRow) -> Record:
    if row.resource is None:
        return Record(view, ())
    try:
        return Record(view, tuple(typed(view, row.policy, one) for one in view.rows(row.resource)))
    except Problem as problem:
        return failure(view, problem.code)
    except Exception as error:  # noqa: BLE001 - a mistake in a view must not cost the row; its class and place are logged
        return failure(view, None, error)
