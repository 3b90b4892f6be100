"""The form of a table's rows on the wire: a protobuf message with a field for each column, in their order.

A record is a message of its own within it. Where rows are changes, the two pseudo-columns come last: two tables that
begin with the same columns have the same numbers for them, and a message may be written in pieces.
"""

from functools import cache
from typing import TYPE_CHECKING

from shared.sinks.bigquery.columns import Column

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto
    from google.protobuf.message import Message

CHANGE_TYPE, CHANGE_SEQUENCE = "_CHANGE_TYPE", "_CHANGE_SEQUENCE_NUMBER"  # BigQuery's pseudo-columns for CDC
CHANGE = (Column(CHANGE_TYPE, "STRING", "REQUIRED"), Column(CHANGE_SEQUENCE, "STRING", "REQUIRED"))


@cache
def message(name: str, columns: tuple[Column, ...]) -> "type[Message]":
    """The message class of a table's rows."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    made = descriptor(name, columns)
    pool = DescriptorPool()
    pool.Add(FileDescriptorProto(name=f"{name}.proto", package="starvit", syntax="proto2", message_type=[made]))
    return GetMessageClass(pool.FindMessageTypeByName(f"starvit.{name}"))


def descriptor(name: str, columns: tuple[Column, ...]) -> "DescriptorProto":
    """The writer schema of a table's rows: self-contained, as AppendRows wants it."""
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

    types = {
        "STRING": FieldDescriptorProto.TYPE_STRING,
        "JSON": FieldDescriptorProto.TYPE_STRING,
        "NUMERIC": FieldDescriptorProto.TYPE_STRING,  # decimal digits; a double would round
        "INTEGER": FieldDescriptorProto.TYPE_INT64,
        "FLOAT": FieldDescriptorProto.TYPE_DOUBLE,
        "BOOLEAN": FieldDescriptorProto.TYPE_BOOL,
        "DATE": FieldDescriptorProto.TYPE_INT32,  # days since the epoch
        "TIMESTAMP": FieldDescriptorProto.TYPE_INT64,  # microseconds since the epoch
        "RECORD": FieldDescriptorProto.TYPE_MESSAGE,
    }
    labels = {
        "REQUIRED": FieldDescriptorProto.LABEL_REQUIRED,
        "NULLABLE": FieldDescriptorProto.LABEL_OPTIONAL,
        "REPEATED": FieldDescriptorProto.LABEL_REPEATED,
    }
    made = DescriptorProto(name=name)
    for number, column in enumerate(columns, 1):
        field = made.field.add(name=column.name, number=number, type=types[column.type], label=labels[column.mode])
        if column.type == "RECORD":
            inner = descriptor(f"{column.name}_record", column.fields)
            made.nested_type.append(inner)
            field.type_name = inner.name
    return made
