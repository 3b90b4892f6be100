"""A writer's rows: the protobuf schema that came with the first request, checked against the table, then each row.

A row that does not fit is an error of its own; which of them stand in a request decides over the whole request.
"""

from collections.abc import Callable
from typing import Any

import orjson
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from shared.local.bigquery.store import Table
from shared.sinks.bigquery.schema import CHANGE_SEQUENCE, CHANGE_TYPE, Column
from shared.sinks.sequence import padded

_NESTING = 500  # BigQuery's limit for a JSON value
_KINDS = {
    "STRING": {FieldDescriptorProto.TYPE_STRING},
    "JSON": {FieldDescriptorProto.TYPE_STRING},
    "INTEGER": {FieldDescriptorProto.TYPE_INT64, FieldDescriptorProto.TYPE_INT32},
    "TIMESTAMP": {FieldDescriptorProto.TYPE_INT64},
    "BOOLEAN": {FieldDescriptorProto.TYPE_BOOL},
    "FLOAT": {FieldDescriptorProto.TYPE_DOUBLE, FieldDescriptorProto.TYPE_FLOAT},
}


class SchemaMismatch(Exception):
    """The writer's schema is not the table's."""


class BadRow(Exception):
    """The row does not fit its table."""


type Decode = Callable[[bytes], dict[str, object]]


def decoder(table: Table, writer: DescriptorProto) -> Decode:
    """What turns this writer's bytes into values for `table`. Raises SchemaMismatch; the decoder raises BadRow."""
    stored = {column.name: column for column in table.stored_columns}
    sent = {field.name: field for field in writer.field}
    if extra := sent.keys() - stored.keys():
        raise SchemaMismatch(f"not in the table: {sorted(extra)}")
    for name, column in stored.items():
        if column.required and name not in sent:
            raise SchemaMismatch(f"required: {name}")
        if name in sent and sent[name].type not in _KINDS[column.type]:
            raise SchemaMismatch(f"another type: {name}")
    row_type = _message(writer)
    known = [stored[name] for name in sent]

    def decode(data: bytes) -> dict[str, object]:
        try:
            row = row_type.FromString(data)
        except DecodeError:
            raise BadRow("not a message of the writer's schema") from None
        return {column.name: _value(row, column) for column in known}

    return decode


def _value(row: Any, column: Column) -> object:
    if not row.HasField(column.name):
        if column.required:
            raise BadRow(f"{column.name} is missing")
        return None
    value = getattr(row, column.name)
    if column.type == "JSON":
        _check_json(value)
    elif column.name == CHANGE_TYPE and value not in ("UPSERT", "DELETE"):
        raise BadRow("no change type")
    elif column.name == CHANGE_SEQUENCE:
        try:
            return padded(value)
        except ValueError:
            raise BadRow("no change sequence number") from None
    return value


def _check_json(text: str) -> None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadRow("not JSON") from None
    if text.count("{") + text.count("[") > _NESTING and _depth(text) > _NESTING:
        raise BadRow("JSON nested too deeply")


def _depth(text: str) -> int:
    deepest, level = 0, [orjson.loads(text)]
    while level:
        deepest += 1
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    return deepest


def _message(writer: DescriptorProto) -> Any:
    pool = DescriptorPool()
    pool.Add(FileDescriptorProto(name="writer.proto", package="writer", syntax="proto2", message_type=[writer]))
    return GetMessageClass(pool.FindMessageTypeByName(f"writer.{writer.name}"))
