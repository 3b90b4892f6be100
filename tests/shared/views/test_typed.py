"""Views as tables: a date keeps its precision, whatever column it ends in, and nothing is lost unseen."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from shared.errors import Problem
from shared.views import ViewError, compile_view, shipped
from shared.views.typed import converter, typed, warehouse_columns
from tests.golden.clinic_resources import left

VIEW = compile_view(
    {
        "resource": "Thing",
        "select": [
            {
                "column": [
                    {"name": "born", "path": "a", "type": "date", "description": "Birth."},
                    {"name": "at", "path": "b", "type": "dateTime"},
                    {"name": "issued", "path": "c", "type": "instant"},
                    {"name": "many", "path": "d", "type": "date", "collection": True},
                    {"name": "count", "path": "e", "type": "positiveInt"},
                    {"name": "amount", "path": "f", "type": "decimal"},
                    {"name": "yes", "path": "g", "type": "boolean"},
                    {"name": "code", "path": "h", "type": "code"},
                ]
            }
        ],
    }
)
NONE = dict.fromkeys(column.name for column in VIEW.columns)


def test_under_safe_harbor_a_date_is_a_year_as_text_and_as_a_number() -> None:
    columns = [(one.name, one.type, one.mode) for one in warehouse_columns(VIEW, "safe-harbor")]
    assert columns == [
        ("born", "STRING", "NULLABLE"),
        ("born_year", "INT64", "NULLABLE"),
        ("at", "STRING", "NULLABLE"),
        ("at_year", "INT64", "NULLABLE"),
        ("issued", "STRING", "NULLABLE"),
        ("issued_year", "INT64", "NULLABLE"),
        ("many", "STRING", "REPEATED"),
        ("many_year", "INT64", "REPEATED"),
        ("count", "INT64", "NULLABLE"),
        ("amount", "FLOAT64", "NULLABLE"),
        ("yes", "BOOL", "NULLABLE"),
        ("code", "STRING", "NULLABLE"),
    ]
    row = typed(VIEW, "safe-harbor", {**NONE, "born": "1960", "many": ["1961", "1962"], "count": 3})
    assert (row["born"], row["born_year"], row["many_year"], row["count"], row["at_year"]) == (
        "1960",
        1960,
        [1961, 1962],
        3,
        None,
    )


def test_under_expert_a_date_has_its_type_and_its_text() -> None:
    columns = {one.name: one.type for one in warehouse_columns(VIEW, "expert")}
    assert [columns[name] for name in ("born", "born_text", "at", "at_text", "issued", "issued_text")] == [
        *("DATE", "STRING", "TIMESTAMP", "STRING", "TIMESTAMP", "STRING")
    ]
    given = {**NONE, "born": "1960-02-03", "at": "1999-01-01T01:00:00+02:00", "issued": "2000-01-01T00:00:00.5Z"}
    row = typed(VIEW, "expert", given)
    assert row["born"] == date(1960, 2, 3)
    assert row["at"] == datetime(1998, 12, 31, 23, tzinfo=UTC)
    assert row["issued"] == datetime(2000, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text, moment",
    {
        "1999": None,
        "1999-02": None,
        "1999-02-03": datetime(1999, 2, 3, tzinfo=UTC),
        "1999-02-30": None,
        "0001-01-01T00:00:00+14:00": None,
        "": None,
    }.items(),
)
def test_what_is_told_less_of_is_null_and_stands_in_the_text(text: str, moment: datetime | None) -> None:
    row = typed(VIEW, "expert", {**NONE, "at": text})
    assert (row["at"], row["at_text"]) == (moment, text)


def test_of_many_dates_those_without_a_day_are_in_the_texts_alone() -> None:
    row = typed(VIEW, "expert", {**NONE, "many": ["1999", "2000-01-02"]})
    assert (row["many"], row["many_text"]) == ([date(2000, 1, 2)], ["1999", "2000-01-02"])
    assert typed(VIEW, "expert", NONE)["many"] == []  # the null row of forEachOrNull


def test_a_decimal_is_a_double_and_a_boolean_is_no_number() -> None:
    row = typed(VIEW, "expert", {**NONE, "amount": Decimal("1.50"), "yes": False})
    assert (row["amount"], row["yes"]) == (1.5, False)
    for name, foreign in (("count", True), ("count", 1.5), ("amount", "1"), ("yes", 1), ("code", 1), ("born", 1960)):
        with pytest.raises(Problem) as problem:
            typed(VIEW, "expert", {**NONE, name: foreign})
        assert problem.value.at == name


def test_what_no_table_can_hold_is_refused() -> None:
    coding = compile_view({"resource": "Thing", "select": [{"column": [{"name": "a", "path": "a", "type": "Coding"}]}]})
    with pytest.raises(ViewError, match="not-a-primitive"):
        warehouse_columns(coding, "expert")
    columns = [{"name": "a", "path": "a", "type": "date"}, {"name": "a_year", "path": "b", "type": "integer"}]
    twice = compile_view({"resource": "Thing", "select": [{"column": columns}]})
    with pytest.raises(ViewError, match="duplicate-column"):
        warehouse_columns(twice, "safe-harbor")
    with pytest.raises(ValueError, match="policy"):
        warehouse_columns(VIEW, "none")


@pytest.mark.parametrize("policy", ["safe-harbor", "expert"])
def test_every_shipped_row_fits_its_table(policy: str) -> None:
    kinds = {"STRING": str, "INT64": int, "FLOAT64": float, "BOOL": bool, "DATE": date, "TIMESTAMP": datetime}
    for view in shipped():
        columns, convert = warehouse_columns(view, policy), converter(view, policy)
        for resource in left(policy):
            for row in view.rows(resource):
                safe = convert(row)
                assert list(safe) == [column.name for column in columns]
                for column in columns:
                    value = safe[column.name]
                    values = value if isinstance(value, list) else [] if value is None else [value]
                    assert isinstance(value, list) is (column.mode == "REPEATED")
                    assert all(type(one) is kinds[column.type] for one in values), column
