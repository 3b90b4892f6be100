"""Views as tables of BigQuery: which columns a view's column becomes under a policy, and a row's values in their types.

    FHIR type                     safe-harbor                          expert
    date                          name STRING, name_year INT64         name DATE, name_text STRING
    dateTime, instant             name STRING, name_year INT64         name TIMESTAMP, name_text STRING
    integer and its like          INT64                                the same
    decimal                       FLOAT64                              the same
    boolean                       BOOL                                 the same
    any other                     STRING                               the same
    a collection                  REPEATED                             the same

A date may be told to the year, the month, the day or the second. Under safe-harbor it is a year, whatever its type. Under
expert a DATE needs a day, and so does a TIMESTAMP, which is midnight UTC where no time is told; what is told less of is
null there, and `name_text` always has it as it came, so nothing is lost and no precision is made up unseen.
A decimal is a FLOAT64 because Medplum reads JSON into doubles: more digits than a double has are gone before we see
them, a NUMERIC would refuse values of ten decimals, and a BIGNUMERIC is slow and unknown to many tools.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from shared.errors import Code, Problem
from shared.views import fhir_types as types
from shared.views.definition import Row, View, ViewColumn, ViewError

type Policy = str  # safe-harbor or expert
type BigQueryType = Literal["STRING", "INT64", "FLOAT64", "BOOL", "DATE", "TIMESTAMP"]
type Convert = Callable[[Any], object]

_POLICIES = ("safe-harbor", "expert")
_DATES = ("date", "dateTime", "instant")
_YEAR, _DAY = 4, 10  # characters


class WarehouseColumn(Struct, frozen=True):
    """A column of a table. `of` is the view's column that fills it."""

    name: str
    type: BigQueryType
    mode: Literal["NULLABLE", "REPEATED"]
    description: str
    of: str


def warehouse_columns(view: View, policy: Policy) -> tuple[WarehouseColumn, ...]:
    """The columns of a view's table, in order. Raises ViewError for one that no table can hold, ValueError for a policy."""
    return tuple(column for column, _ in _converted(view, policy))


def converter(view: View, policy: Policy) -> Callable[[Mapping[str, object]], Row]:
    """`typed` for many rows of one view."""
    columns = tuple((column.name, column.of, _each(column, convert)) for column, convert in _converted(view, policy))
    return lambda row: {name: convert(row[of]) for name, of, convert in columns}


def typed(view: View, policy: Policy, row: Mapping[str, object]) -> Row:
    """A row in the types of its table: date and datetime (UTC) as such. Raises Problem VIEW_FAILED for a foreign value."""
    return converter(view, policy)(row)


def _converted(view: View, policy: Policy) -> list[tuple[WarehouseColumn, Convert]]:
    if policy not in _POLICIES:
        raise ValueError("no such policy")
    found = [one for column in view.columns for one in _columns(column, policy)]
    if len({column.name for column, _ in found}) != len(found):
        raise ViewError("duplicate-column", "select")
    return found


def _columns(column: ViewColumn, policy: Policy) -> list[tuple[WarehouseColumn, Convert]]:
    def one(suffix: str, kind: BigQueryType, convert: Convert, told: str = "") -> tuple[WarehouseColumn, Convert]:
        text = f"{column.description} {told}".strip()
        mode: Literal["NULLABLE", "REPEATED"] = "REPEATED" if column.collection else "NULLABLE"
        return WarehouseColumn(column.name + suffix, kind, mode, text, column.name), convert

    if column.type is not None and column.type not in types.PRIMITIVES:
        raise ViewError("not-a-primitive", column.name)
    if column.type in _DATES and policy == "safe-harbor":
        return [one("", "STRING", _text, "A year."), one("_year", "INT64", _year, "As a number.")]
    if column.type in _DATES:
        exact = one("", "DATE", _date) if column.type == "date" else one("", "TIMESTAMP", _timestamp, "Moved.")
        return [exact, one("_text", "STRING", _text, "As precisely as it was told.")]
    if column.type in types.INTEGERS:
        return [one("", "INT64", _integer)]
    if column.type == "decimal":
        return [one("", "FLOAT64", _float)]
    if column.type == "boolean":
        return [one("", "BOOL", _boolean)]
    return [one("", "STRING", _text)]


def _each(column: WarehouseColumn, convert: Convert) -> Convert:
    """A null stays null; of many, those that have no such form are left out. A foreign value is a Problem."""

    def one(value: Any) -> object:
        try:
            return None if value is None else convert(value)
        except TypeError:
            raise Problem(Code.VIEW_FAILED, column.of) from None

    if column.mode == "NULLABLE":
        return one
    return lambda values: [found for value in values or () if (found := one(value)) is not None]


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _year(value: Any) -> int | None:
    year = _text(value)[:_YEAR]
    return int(year) if len(year) == _YEAR and year.isascii() and year.isdigit() else None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if len(_text(value)) == _DAY else None
    except ValueError:
        return None


def _timestamp(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if len(_text(value)) >= _DAY else None
        return moment if moment is None else (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _float(value: Any) -> float:
    if type(value) not in (int, float, Decimal):
        raise TypeError
    return float(value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value
