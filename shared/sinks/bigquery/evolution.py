"""Tables and views as data: what is wanted against what is there, and the change that leads from one to the other.

    schemas/ ─► wanted ─┐
                        ├─► plan ─► create · alter · replace query · up to date · REFUSED, with the migration to do
    BigQuery ─► found ──┘              └──────────┴────────► apply

A table grows and does nothing else: columns are added (never REQUIRED, in records too) or relaxed, so that a writer of
yesterday's columns and a reader of them go on. What can not be done that way is refused, for it needs a decision: a new
dataset beside the old one, both written, filled by `./dev backfill`, and the old one dropped (a release; design §1). So is
a column that is there and is not wanted: rows of it are somebody's data, and may be what ought not to be there.

`plan` looks at REST resources alone; `find` and `apply` use Google's client, which blocks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from shared.sinks.bigquery.columns import Column, columns, primary_key

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

type Resource = Mapping[str, Any]  # a table or view, as BigQuery's REST has it

_PREFIXES = ("_CHANGE_", "_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER")
_MIGRATE = "make a new dataset for it as a further release, backfill, and drop the old one"


class Kind(Enum):
    CREATE = "create"
    ALTER = "alter"
    REPLACE_QUERY = "replace query"
    UP_TO_DATE = "up to date"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a table or view. `steps` say it in words, each with the path of a column where it is about one."""

    kind: Kind
    name: str
    steps: tuple[str, ...]
    wanted: Resource


def plan(wanted: Iterable[Resource], found: Mapping[str, Resource]) -> list[Change]:
    """The change for each wanted resource, in their order. `found`: by table id; what is there beyond it is left alone."""
    return [_change(resource, found.get(_name(resource))) for resource in wanted]


def find(client: "Client", project: str, dataset: str) -> dict[str, Resource]:
    """The tables and views of a dataset, by table id; none if it is not there. Raises GoogleAPIError."""
    from google.api_core.exceptions import NotFound

    try:
        listed = list(client.list_tables(f"{project}.{dataset}"))
    except NotFound:
        return {}
    return {one.table_id: client.get_table(one.reference).to_api_repr() for one in listed}


def apply(client: "Client", changes: Sequence[Change]) -> None:
    """Do what the plan says; safe to repeat. Raises ValueError, before anything is done, if some of it is refused."""
    from google.cloud.bigquery import Table

    if refused := [change.name for change in changes if change.kind is Kind.REFUSED]:
        raise ValueError(f"not to be changed in place: {', '.join(refused)}")
    for change in changes:
        table = Table.from_api_repr(dict(change.wanted))
        match change.kind:
            case Kind.CREATE:
                client.create_table(table, exists_ok=True)
            case Kind.ALTER:
                client.update_table(table, ["schema", "description"])
            case Kind.REPLACE_QUERY:
                client.update_table(table, ["view_query", "description"])


def _change(wanted: Resource, found: Resource | None) -> Change:
    def change(kind: Kind, *steps: str) -> Change:
        return Change(kind, _name(wanted), steps, wanted)

    if found is None:
        return change(Kind.CREATE)
    if _is_view(wanted) != _is_view(found):
        return change(Kind.REFUSED, f"a table is no view and a view no table: {_MIGRATE}")
    described = [] if _text(wanted, "description") == _text(found, "description") else ["describes it anew"]
    if _is_view(wanted):
        if wanted["view"]["query"] == found["view"]["query"] and not described:
            return change(Kind.UP_TO_DATE)
        return change(Kind.REPLACE_QUERY, *described)
    if refusals := [*_refusals(wanted, found)]:
        return change(Kind.REFUSED, *(f"{refusal}: {_MIGRATE}" for refusal in refusals))
    steps = [*_additions(columns(wanted), columns(found), ""), *_new_descriptions(wanted, found), *described]
    return change(Kind.ALTER, *steps) if steps else change(Kind.UP_TO_DATE)


def _refusals(wanted: Resource, found: Resource) -> Iterator[str]:
    if primary_key(wanted) != primary_key(found):
        yield "another primary key"
    if _clustering(wanted) != _clustering(found):
        yield "another clustering"
    yield from _conflicts(columns(wanted), columns(found), "")


def _conflicts(wanted: Sequence[Column], found: Sequence[Column], within: str) -> Iterator[str]:
    there = {column.name: column for column in found}
    yield from (f"{within}{name} is there and not wanted" for name in there if name not in {c.name for c in wanted})
    for column in wanted:
        name, old = f"{within}{column.name}", there.get(column.name)
        if column.name.upper().startswith(_PREFIXES):
            yield f"{name} is a name that BigQuery keeps for itself"
        elif old is None:
            if column.required:
                yield f"{name} is new and required"
        elif old.type != column.type:
            yield f"{name} is {old.type}, not {column.type}"
        elif old.mode != column.mode and not (old.required and not column.repeated):
            yield f"{name} is {old.mode}, not {column.mode}"
        else:
            yield from _conflicts(column.fields, old.fields, f"{name}.")


def _additions(wanted: Sequence[Column], found: Sequence[Column], within: str) -> Iterator[str]:
    there = {column.name: column for column in found}
    for column in wanted:
        name, old = f"{within}{column.name}", there.get(column.name)
        if old is None:
            yield f"adds {name} {column.type}{' REPEATED' if column.repeated else ''}"
            continue
        if old.required and not column.required:
            yield f"lets {name} be null"
        yield from _additions(column.fields, old.fields, f"{name}.")


def _new_descriptions(wanted: Resource, found: Resource) -> Iterator[str]:
    there = dict(_descriptions(found["schema"]["fields"], ""))
    told = _descriptions(wanted["schema"]["fields"], "")
    yield from (f"describes {name}" for name, text in told if name in there and there[name] != text)


def _descriptions(fields: Sequence[Resource], within: str) -> Iterator[tuple[str, str]]:
    for field in fields:
        yield f"{within}{field['name']}", _text(field, "description")
        yield from _descriptions(field.get("fields", ()), f"{within}{field['name']}.")


def _name(resource: Resource) -> str:
    return str(resource["tableReference"]["tableId"])


def _is_view(resource: Resource) -> bool:
    return "view" in resource


def _clustering(resource: Resource) -> list[str]:
    return list(resource.get("clustering", {}).get("fields", ()))


def _text(resource: Resource, member: str) -> str:
    return str(resource.get(member) or "")
