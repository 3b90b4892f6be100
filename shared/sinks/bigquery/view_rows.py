"""The record of a view as the bytes of its row: the rows of one resource within one row of the table.

    Record ─► key, sequence, … ─► + its rows, each a message ─► + what kind of change ─► bytes

A record that BigQuery could not take is sent as one that failed, without rows: see shared.sinks.records.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import orjson

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.sinks.bigquery import view_tables, wire
from shared.sinks.bigquery.columns import Column
from shared.sinks.bigquery.rows import MAX_ROW, upsert
from shared.sinks.records import Record, failure
from shared.views import View

type _Convert = Callable[[object], object]

_EPOCH = date(1970, 1, 1)
_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class RecordEncoder:
    """The records of one view under one policy. Raises Problem(ROW_REFUSED) for a policy that no dataset has."""

    def __init__(self, view: View, policy: str) -> None:
        try:
            columns = view_tables.sent(view, policy)
        except ValueError:
            raise Problem(Code.ROW_REFUSED, "policy") from None
        self._message = wire.message(view_tables.name_of(view), columns)
        self._columns = len(columns) - len(wire.CHANGE)
        [rows] = (column for column in columns if column.type == "RECORD")
        self._converted = [(c.name, _conversion(c)) for c in rows.fields if c.type in _CONVERSIONS]

    def fit(self, record: Record, row: SafeRow, committed_at: int) -> tuple[Record, bytes]:
        """The record and its bytes; another one, that failed, if BigQuery could not take it. Microseconds."""
        try:
            encoded = self._encoded(record, row, committed_at)
        except (TypeError, ValueError, OverflowError) as error:  # a value that its column has no form for
            unfit = failure(record.view, None, error)
        else:
            if len(encoded) <= MAX_ROW:
                return record, encoded
            unfit = failure(record.view, Code.ROW_REFUSED)  # a view can multiply what a resource says
        return unfit, self._encoded(unfit, row, committed_at)

    def _encoded(self, record: Record, row: SafeRow, committed_at: int) -> bytes:
        made = self._message(
            key=row.key,
            sequence=row.sequence,
            generation=row.generation,
            deleted=row.deleted,
            failed=record.failed,
            policy=row.policy,
            policy_hash=row.policy_hash,
            key_id=row.key_id,
            committed_at=committed_at,
            rows=self._on_the_wire(record.rows),
        )
        return made.SerializePartialToString() + upsert(self._columns, row.sequence)

    def _on_the_wire(self, rows: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
        """The rows with dates, instants and numerics as protobuf wants them. Many views have none."""
        if not self._converted:
            return rows
        return [
            {**row, **{name: to(value) for name, to in self._converted if (value := row.get(name)) is not None}}
            for row in rows
        ]


def _conversion(column: Column) -> _Convert:
    one = _CONVERSIONS[column.type]
    return _each(one) if column.repeated else one


def _each(one: _Convert) -> _Convert:
    def convert(values: object) -> object:
        assert isinstance(values, list | tuple)
        return [one(value) for value in values]

    return convert


def _days(value: object) -> int:
    return ((value if isinstance(value, date) else date.fromisoformat(str(value))) - _EPOCH).days


def _microseconds(value: object) -> int:
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (at - _INSTANT) // _MICROSECOND


def _json(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


_CONVERSIONS: Mapping[str, _Convert] = {"DATE": _days, "TIMESTAMP": _microseconds, "NUMERIC": str, "JSON": _json}
