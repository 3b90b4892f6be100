"""The tables and views of a tenant's dataset: schemas/bigquery, which people review, as BigQuery and protobuf want it.

A table is BigQuery's own REST resource (`tables.insert`), a view is a query whose leading comment describes it.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto
    from google.protobuf.message import Message

SCHEMAS = Path(__file__).parents[3] / "schemas" / "bigquery"

CURRENT, CHANGES = "current_rows", "change_rows"
TABLES = (CURRENT, CHANGES)
VIEWS = ("resources", "change_log", "keys", "versions")

CHANGE_TYPE, CHANGE_SEQUENCE = "_CHANGE_TYPE", "_CHANGE_SEQUENCE_NUMBER"  # BigQuery's pseudo-columns for CDC


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    required: bool


def table(name: str, project: str, dataset: str) -> dict[str, object]:
    """The REST resource of a table."""
    resource: dict[str, object] = json.loads((SCHEMAS / f"{name}.json").read_text())
    return resource | {"tableReference": _reference(name, project, dataset)}


def view(name: str, project: str, dataset: str) -> dict[str, object]:
    """The REST resource of a view."""
    text = (SCHEMAS / f"{name}.sql").read_text()
    described = [line.removeprefix("-- ") for line in text.splitlines() if line.startswith("-- ")]
    return {
        "tableReference": _reference(name, project, dataset),
        "description": " ".join(described),
        "view": {"query": text.format(project=project, dataset=dataset), "useLegacySql": False},
    }


def columns(resource: dict[str, object]) -> tuple[Column, ...]:
    """The columns of a table's REST resource."""
    match resource:
        case {"schema": {"fields": [*fields]}}:
            return tuple(Column(f["name"], f["type"], f.get("mode") == "REQUIRED") for f in fields)
    return ()


@cache
def message(name: str) -> "type[Message]":
    """The protobuf message of a table's rows. The columns have the same numbers in both tables."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    file = FileDescriptorProto(
        name=f"{name}.proto", package="starvit", syntax="proto2", message_type=[descriptor(name)]
    )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"starvit.{name}"))


def descriptor(name: str) -> "DescriptorProto":
    """The writer schema of a table: its columns, and the pseudo-columns where there is a primary key."""
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

    types = {
        "STRING": FieldDescriptorProto.TYPE_STRING,
        "JSON": FieldDescriptorProto.TYPE_STRING,
        "INTEGER": FieldDescriptorProto.TYPE_INT64,
        "BOOLEAN": FieldDescriptorProto.TYPE_BOOL,
        "TIMESTAMP": FieldDescriptorProto.TYPE_INT64,  # microseconds since the epoch
    }
    resource = table(name, "", "")
    fields = list(columns(resource))
    if "tableConstraints" in resource:
        fields += [Column(CHANGE_TYPE, "STRING", True), Column(CHANGE_SEQUENCE, "STRING", True)]
    made = DescriptorProto(name=name)
    for number, column in enumerate(fields, 1):
        label = FieldDescriptorProto.LABEL_REQUIRED if column.required else FieldDescriptorProto.LABEL_OPTIONAL
        made.field.add(name=column.name, number=number, type=types[column.type], label=label)
    return made


def _reference(name: str, project: str, dataset: str) -> dict[str, str]:
    return {"projectId": project, "datasetId": dataset, "tableId": name}
