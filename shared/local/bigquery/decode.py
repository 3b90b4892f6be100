"""A writer's rows: the protobuf schema that came with the first request, checked against the table, then each row.

A row that does not fit is an error of its own; which of them stand in a request decides over the whole request. Records
are messages within messages, to any depth. Values come out as `store.py` takes them: JSON's own, dates and instants as
texts.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from shared.sinks.bigquery.columns import Column
from shared.sinks.bigquery.wire import CHANGE_SEQUENCE, CHANGE_TYPE
from shared.sinks.sequence import padded

_NESTING = 500  # BigQuery's limit for a JSON value
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = {
    "STRING": {FieldDescriptorProto.TYPE_STRING},
    "JSON": {FieldDescriptorProto.TYPE_STRING},
    "NUMERIC": {FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_INT64, FieldDescriptorProto.TYPE_DOUBLE},
    "INTEGER": {FieldDescriptorProto.TYPE_INT64, FieldDescriptorProto.TYPE_INT32},
    "DATE": {FieldDescriptorProto.TYPE_INT32, FieldDescriptorProto.TYPE_INT64},
    "TIMESTAMP": {FieldDescriptorProto.TYPE_INT64},
    "BOOLEAN": {FieldDescriptorProto.TYPE_BOOL},
    "FLOAT": {FieldDescriptorProto.TYPE_DOUBLE, FieldDescriptorProto.TYPE_FLOAT},
    "RECORD": {FieldDescriptorProto.TYPE_MESSAGE},
}


class SchemaMismatch(Exception):
    """The writer's schema is not the table's. `extra`: it has columns that the table does not have."""

    def __init__(self, text: str, *, extra: bool = False) -> None:
        super().__init__(text)
        self.extra = extra


class BadRow(Exception):
    """The row does not fit its table."""


type Decode = Callable[[bytes], dict[str, object]]


def decoder(columns: Sequence[Column], writer: DescriptorProto) -> Decode:
    """What turns this writer's bytes into values for the columns. Raises SchemaMismatch; the decoder raises BadRow."""
    _check(columns, writer, "")
    row_type = _message(writer)
    known = _known(columns, writer)

    def decode(data: bytes) -> dict[str, object]:
        try:
            row = row_type.FromString(data)
        except DecodeError:
            raise BadRow("not a message of the writer's schema") from None
        return _record(row, known)

    return decode


type _Known = list[tuple[Column, "_Known"]]  # a record's columns, as far as the writer has them


def _check(columns: Sequence[Column], writer: DescriptorProto, within: str) -> None:
    stored = {column.name: column for column in columns}
    sent = {field.name: field for field in writer.field}
    if extra := sent.keys() - stored.keys():
        raise SchemaMismatch(f"not in the table: {sorted(within + name for name in extra)}", extra=True)
    for name, column in stored.items():
        if column.required and name not in sent:
            raise SchemaMismatch(f"required: {within}{name}")
        if name not in sent:
            continue
        if sent[name].type not in _KINDS[column.type]:
            raise SchemaMismatch(f"another type: {within}{name}")
        if column.repeated != (sent[name].label == FieldDescriptorProto.LABEL_REPEATED):
            raise SchemaMismatch(f"another mode: {within}{name}")
        if column.type == "RECORD":
            _check(column.fields, _nested(writer, sent[name]), f"{within}{name}.")


def _known(columns: Sequence[Column], writer: DescriptorProto) -> _Known:
    sent = {field.name: field for field in writer.field}
    return [
        (column, _known(column.fields, _nested(writer, sent[column.name])) if column.fields else [])
        for column in columns
        if column.name in sent
    ]


def _nested(writer: DescriptorProto, field: FieldDescriptorProto) -> DescriptorProto:
    name = field.type_name.rpartition(".")[2]
    for inner in writer.nested_type:
        if inner.name == name:
            return inner
    raise SchemaMismatch("the schema is not self-contained")


def _record(row: Any, known: _Known) -> dict[str, object]:
    return {column.name: _value(row, column, inner) for column, inner in known}


def _value(row: Any, column: Column, inner: _Known) -> object:
    if column.repeated:
        return [_one(value, column, inner) for value in getattr(row, column.name)]
    if not row.HasField(column.name):
        if column.required:
            raise BadRow(f"{column.name} is missing")
        return None
    return _one(getattr(row, column.name), column, inner)


def _one(value: Any, column: Column, inner: _Known) -> object:
    match column.type:
        case "RECORD":
            return _record(value, inner)
        case "STRING":
            return _change(value, column.name)
        case "JSON":
            _check_json(value)
            return value
        case kind if kind in _READ:
            try:
                return _READ[kind](value)
            except (OverflowError, ValueError, InvalidOperation):
                raise BadRow(f"{column.name} is out of range") from None
        case _:
            return value


def _change(value: str, name: str) -> str:
    """A text; if it says what kind of change the row is, in the form that decides between two."""
    if name == CHANGE_TYPE and value not in ("UPSERT", "DELETE"):
        raise BadRow("no change type")
    if name == CHANGE_SEQUENCE:
        try:
            return padded(value)
        except ValueError:
            raise BadRow("no change sequence number") from None
    return value


def _numeric(value: object) -> str:
    digits = Decimal(str(value))
    if digits.as_tuple().exponent not in range(-9, 30) or abs(digits) >= 10**29:
        raise ValueError("not a NUMERIC")
    return format(digits, "f")


_READ: Mapping[str, Callable[[Any], object]] = {
    "DATE": lambda days: (date(1970, 1, 1) + timedelta(days=days)).isoformat(),
    "TIMESTAMP": lambda microseconds: (_EPOCH + timedelta(microseconds=microseconds)).isoformat(),
    "NUMERIC": _numeric,
}


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
