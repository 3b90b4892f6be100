"""The data dictionary of the shipped views, as Markdown: what each column means and what it is in BigQuery."""

from collections.abc import Callable, Sequence

from shared.views.definition import View, ViewColumn
from shared.views.shipped import describe, shipped
from shared.views.typed import warehouse_columns

type Table = Callable[[tuple[str, ...], Sequence[tuple[str, ...]]], str]

_HEADS = ("column", "FHIR type", "safe-harbor", "expert", "what it is")


def dictionary(table: Table) -> str:
    """A section for each view, in the order of their names; `table` writes a Markdown table."""
    return "\n".join(_section(view, table) for view in shipped())


def _section(view: View, table: Table) -> str:
    rows = [
        (f"`{column.name}`", column.type or "", *_types(view, column), column.description) for column in view.columns
    ]
    return f"### `{view.name}`\n\n{describe(view.name)}\n\n{table(_HEADS, rows)}"


def _types(view: View, column: ViewColumn) -> tuple[str, str]:
    def under(policy: str) -> str:
        parts = [one for one in warehouse_columns(view, policy) if one.of == column.name]
        names = ["" if one.name == column.name else f"`{one.name}` " for one in parts]
        kinds = [f"{one.type} {one.mode}" if one.mode == "REPEATED" else one.type for one in parts]
        return ", ".join(name + kind for name, kind in zip(names, kinds, strict=True))

    return under("safe-harbor"), under("expert")
