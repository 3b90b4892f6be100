"""The tables of the analysts' views: for each view a table of records, and the published view that lays its rows flat.

    view `conditions` ─► table `view_conditions`: one record for each resource, its rows within (CDC: the newest wins)
                      └► view  `conditions`:      one row for each row of each record, tombstones hidden

All rows of a resource stand in one record because change data capture keeps one row for each key: so an update that
makes three rows of five, or a deletion, replaces them at once, and no analyst sees a half.

The published view has the view's own columns, and after them what says where a row comes from; those begin with `_`,
which no column of a view does.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from shared.sinks.bigquery import schema
from shared.sinks.bigquery.columns import Column
from shared.views import View, shipped
from shared.views.typed import warehouse_columns

_ORIGIN = ("key", "generation", "policy", "policy_hash", "key_id", "committed_at")

_PUBLISHED = """\
-- {described}
SELECT
  {columns}
FROM `{{project}}.{{dataset}}.{table}` AS record
CROSS JOIN UNNEST(record.`rows`) AS line
WHERE NOT record.deleted
"""

COUNTS = "view_counts"
_COUNTS = """\
SELECT
  '{name}' AS view_name,
  '{resource}' AS resource_type,
  COUNTIF(NOT deleted) AS resources,
  COALESCE(SUM(ARRAY_LENGTH(`rows`)), 0) AS view_rows,
  COUNTIF(failed) AS failed,
  COUNTIF(deleted) AS tombstones,
  MAX(committed_at) AS newest_committed_at
FROM `{{project}}.{{dataset}}.{table}`
"""


def name_of(view: View) -> str:
    """The table that a view's records stand in."""
    return f"view_{view.name}"


def table(view: View, policy: str, project: str, dataset: str) -> schema.Resource:
    """The REST resource of a view's table. Under another policy its columns have other types."""
    resource: dict[str, Any] = schema.table(schema.VIEW_ROWS, project, dataset)
    resource["tableReference"] = schema.reference(name_of(view), project, dataset)
    *_, rows = resource["schema"]["fields"]
    rows["fields"] = [
        {"name": column.name, "type": column.type, "mode": column.mode, "description": column.description}
        for column in warehouse_columns(view, policy)
    ]
    return resource


def published(view: View, policy: str, project: str, dataset: str) -> schema.Resource:
    """The REST resource of the view that analysts read."""
    if view.name in (*schema.TABLES, schema.QUALITY, *schema.VIEWS) or view.name.startswith("view_"):
        raise ValueError(f"a view may not be named {view.name}")
    own = [f"line.`{column.name}`" for column in warehouse_columns(view, policy)]
    origin = [f"record.`{name}` AS `_{name}`" for name in _ORIGIN]
    described = f"The view {view.name} of {view.resource} resources as they are now, one row for each of its rows."
    text = _PUBLISHED.format(described=described, columns=",\n  ".join(own + origin), table=name_of(view))
    return schema.view_of(text, view.name, project, dataset)


def counts(views: Sequence[View], project: str, dataset: str) -> schema.Resource:
    """The REST resource of a view that counts all views: on how many resources each failed is there for all to see."""
    described = "How many resources each view has, how many rows it makes of them, and on how many it failed."
    texts = (_COUNTS.format(name=view.name, resource=view.resource, table=name_of(view)) for view in views)
    return schema.view_of(f"-- {described}\n" + "UNION ALL\n".join(texts), COUNTS, project, dataset)


@cache
def sent(view: View, policy: str) -> tuple[Column, ...]:
    """The columns that a writer of a view's table sends."""
    return schema.sent_to(table(view, policy, "", ""))


def dataset(project: str, name: str, policy: str, views: tuple[View, ...] | None = None) -> list[schema.Resource]:
    """All tables and views of a dataset under a policy, each after what it reads."""
    shown = shipped() if views is None else views
    return [
        *(schema.table(one, project, name) for one in (*schema.TABLES, schema.QUALITY)),
        *(table(one, policy, project, name) for one in shown),
        *(schema.view(one, project, name) for one in schema.VIEWS),
        *(published(one, policy, project, name) for one in shown),
        *([counts(shown, project, name)] if shown else []),
    ]
