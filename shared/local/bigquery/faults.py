"""What can go wrong on purpose with an append, and how it is told: each as BigQuery tells it."""

from collections.abc import Sequence
from enum import Enum

import grpc
from google.cloud.bigquery_storage_v1.types import StorageError, TableFieldSchema, TableSchema
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.status_pb2 import Status

from shared.sinks.bigquery.columns import Column

_TYPES = {"INTEGER": "INT64", "FLOAT": "DOUBLE", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


class Fault(Enum):
    """What becomes of a request. Which of the resets it was, and what a silence means, the other side can not tell."""

    RESET_BEFORE = "the stream is reset; its rows are lost"
    RESET_AFTER = "the stream is reset; its rows are kept"
    SILENT = "no answer ever comes; its rows are kept"
    SLOW = "the answer comes late"
    QUOTA = "the call ends: RESOURCE_EXHAUSTED"
    GONE = "the answer is an error: the stream is no more"


class Refusal(Exception):
    """The call ends with this status."""

    def __init__(self, status: grpc.StatusCode, text: str, storage_error: str = "") -> None:
        super().__init__(text)
        self.status, self.text, self.storage_error = status, text, storage_error

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The details of the status, where gRPC's clients look for them."""
        if not self.storage_error:
            return ()
        return (("grpc-status-details-bin", self.as_status().SerializeToString()),)

    def as_status(self) -> Status:
        """The same as the error of a response."""
        code, _ = self.status.value
        made = Status(code=code, message=self.text)
        if self.storage_error:
            error = StorageError(code=StorageError.StorageErrorCode[self.storage_error], error_message=self.text)
            packed = Packed()
            packed.Pack(StorageError.pb(error))
            made.details.append(packed)
        return made


def described(columns: Sequence[Column]) -> TableSchema:
    """A table's columns, as a response tells of a changed schema."""
    return TableSchema(fields=[_field(column) for column in columns])


def _field(column: Column) -> TableFieldSchema:
    return TableFieldSchema(
        name=column.name,
        type_=TableFieldSchema.Type[_TYPES.get(column.type, column.type)],
        mode=TableFieldSchema.Mode[column.mode],
        fields=[_field(inner) for inner in column.fields],
    )
