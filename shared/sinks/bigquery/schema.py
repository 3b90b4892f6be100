"""The tables and views of a tenant's dataset: schemas/bigquery, which people review, as BigQuery's REST wants it.

A table is BigQuery's own REST resource (`tables.insert`), a view is a query whose leading comment describes it. The
tables of the analysts' views are made of `view_rows.json` and of the views themselves (view_tables.py).
"""

import json
from functools import cache
from pathlib import Path

from shared.sinks.bigquery import wire
from shared.sinks.bigquery.columns import Column, columns, primary_key

__all__ = [
    *("CHANGES", "CURRENT", "QUALITY", "TABLES", "VIEWS", "VIEW_ROWS"),
    *("Column", "columns", "primary_key", "table", "view"),
]

SCHEMAS = Path(__file__).parents[3] / "schemas" / "bigquery"

CURRENT, CHANGES, VIEW_ROWS, QUALITY = "current_rows", "change_rows", "view_rows", "quality_rows"
TABLES = (CURRENT, CHANGES)
VIEWS = ("resources", "change_log", "keys", "versions", "freshness", "row_counts", "policy_versions", "data_quality")

type Resource = dict[str, object]  # of BigQuery's REST


def table(name: str, project: str, dataset: str) -> Resource:
    """The REST resource of a table."""
    resource: Resource = json.loads((SCHEMAS / f"{name}.json").read_text())
    return resource | {"tableReference": reference(name, project, dataset)}


def view(name: str, project: str, dataset: str) -> Resource:
    """The REST resource of a view."""
    return view_of((SCHEMAS / f"{name}.sql").read_text(), name, project, dataset)


def view_of(text: str, name: str, project: str, dataset: str) -> Resource:
    """The REST resource of a view with this query, in which {project} and {dataset} stand for their names."""
    described = [line.removeprefix("-- ") for line in text.splitlines() if line.startswith("-- ")]
    return {
        "tableReference": reference(name, project, dataset),
        "description": " ".join(described),
        "view": {"query": text.format(project=project, dataset=dataset), "useLegacySql": False},
    }


@cache
def sent(name: str) -> tuple[Column, ...]:
    """The columns that a writer of this table sends: where there is a primary key, what kind of change it is too."""
    return sent_to(table(name, "", ""))


def sent_to(resource: Resource) -> tuple[Column, ...]:
    return columns(resource) + (wire.CHANGE if primary_key(resource) else ())


def reference(name: str, project: str, dataset: str) -> dict[str, str]:
    return {"projectId": project, "datasetId": dataset, "tableId": name}
