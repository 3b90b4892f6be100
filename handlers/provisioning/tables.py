"""The tables and views of one dataset: what is wanted against what is there, as BigQuery's REST resources.

    wanted, found ─► plan ─► create · replace query · up to date · refused, with what differs ─► apply

A table that is there is not changed: a column that is missing or other is refused, in words. `find` and `apply` use
Google's client, which blocks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from shared.settings import Release
from shared.sinks.bigquery import schema

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

type Resource = Mapping[str, Any]

_MIGRATE = "make a new dataset for it as a further release, backfill, and drop the old one"


class Kind(Enum):
    CREATE = "create"
    REPLACE_QUERY = "replace query"
    UP_TO_DATE = "up to date"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a table or view. `steps` say it in words."""

    kind: Kind
    name: str
    steps: tuple[str, ...]
    wanted: Resource


def wanted(project: str, release: Release) -> list[Resource]:
    """Tables first: a view needs what it reads."""
    tables = [schema.table(name, project, release.dataset) for name in schema.TABLES]
    return [*tables, *(schema.view(name, project, release.dataset) for name in schema.VIEWS)]


def view_names(project: str, release: Release) -> list[str]:
    """The views of a release's dataset."""
    return [name_of(resource) for resource in wanted(project, release) if is_view(resource)]


def name_of(resource: Resource) -> str:
    """The table id."""
    return str(resource["tableReference"]["tableId"])


def is_view(resource: Resource) -> bool:
    return "view" in resource


def plan(wanted: Iterable[Resource], found: Mapping[str, Resource]) -> list[Step]:
    """The step for each wanted resource, in their order. `found`: by table id."""
    return [_step(resource, found.get(name_of(resource))) for resource in wanted]


def find(client: "Client", project: str, dataset: str) -> dict[str, Resource]:
    """The tables and views of a dataset, by table id. Raises GoogleAPIError."""
    listed = list(client.list_tables(f"{project}.{dataset}"))
    return {one.table_id: client.get_table(one.reference).to_api_repr() for one in listed}


def apply(client: "Client", step: Step) -> None:
    """Do it. Raises GoogleAPIError."""
    from google.cloud.bigquery import Table

    table = Table.from_api_repr(dict(step.wanted))
    if step.kind is Kind.CREATE:
        client.create_table(table)
    elif step.kind is Kind.REPLACE_QUERY:
        client.update_table(table, ["view_query"])


def _step(wanted: Resource, found: Resource | None) -> Step:
    name = name_of(wanted)
    if found is None:
        return Step(Kind.CREATE, name, (), wanted)
    if is_view(wanted) != is_view(found):
        return Step(Kind.REFUSED, name, (f"a table is no view and a view no table: {_MIGRATE}",), wanted)
    if is_view(wanted):
        same = str(wanted["view"]["query"]).strip() == str(found["view"]["query"]).strip()
        return Step(Kind.UP_TO_DATE if same else Kind.REPLACE_QUERY, name, () if same else ("another query",), wanted)
    if differing := tuple(_differing(wanted, found)):
        return Step(Kind.REFUSED, name, (*differing, _MIGRATE), wanted)
    return Step(Kind.UP_TO_DATE, name, (), wanted)


def _differing(wanted: Resource, found: Resource) -> Iterator[str]:
    there = {column.name: column for column in schema.columns(dict(found))}
    for column in schema.columns(dict(wanted)):
        if column.name not in there:
            yield f"{column.name} is missing"
        elif there[column.name] != column:
            yield f"{column.name} is {there[column.name].type}, not {column.type}, or required where it is not"
