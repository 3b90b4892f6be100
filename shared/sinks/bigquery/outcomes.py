"""What BigQuery's answer to an append means for the rows in it, whether it came as a response or as a call's end.

    WRITTEN  they are durable, or were so before
    AGAIN    nobody knows, or the stream is no more: send them again, on a new one; the sequence makes that safe
    WAIT     a quota is used up: send nothing for a while
    REFUSED  a right, a table or a column is missing: they are good, and wait for an operator

The texts that come with an answer may quote a row, so only codes are read. BigQuery says more with a StorageError among
the details: that of a stream that is gone is NOT_FOUND like that of a missing table.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any, NamedTuple


class Outcome(Enum):
    WRITTEN = "written"
    AGAIN = "again"
    WAIT = "wait"
    REFUSED = "refused"


class Meaning(NamedTuple):
    """`name` is a code's, fit for a log."""

    outcome: Outcome
    name: str


_BY_STORAGE_ERROR = {
    "OFFSET_ALREADY_EXISTS": Outcome.WRITTEN,
    "STREAM_NOT_FOUND": Outcome.AGAIN,
    "STREAM_FINALIZED": Outcome.AGAIN,
    "INVALID_STREAM_STATE": Outcome.AGAIN,
    "TABLE_NOT_FOUND": Outcome.REFUSED,
    "SCHEMA_MISMATCH_EXTRA_FIELDS": Outcome.REFUSED,  # the writer knows columns that the table is yet to be given
}
_BY_STATUS = {
    "ALREADY_EXISTS": Outcome.WRITTEN,
    "RESOURCE_EXHAUSTED": Outcome.WAIT,
    "INVALID_ARGUMENT": Outcome.REFUSED,
    "NOT_FOUND": Outcome.REFUSED,
    "PERMISSION_DENIED": Outcome.REFUSED,
    "UNAUTHENTICATED": Outcome.REFUSED,
    "FAILED_PRECONDITION": Outcome.REFUSED,
    "UNIMPLEMENTED": Outcome.REFUSED,
    "OUT_OF_RANGE": Outcome.REFUSED,
}  # any other status leaves it open what became of the rows


def of_response(response: Any) -> Meaning:
    """An AppendRowsResponse whose rows have no errors of their own."""
    if not response.error.code:
        return Meaning(Outcome.WRITTEN, "OK")
    return _meaning(_status_name(response.error.code), response.error.details)


def of_exception(error: Any) -> Meaning:
    """The GoogleAPIError that ended a call."""
    status = getattr(error, "grpc_status_code", None)
    return _meaning(getattr(status, "name", None) or "UNKNOWN", getattr(error, "details", None) or ())


def _meaning(status: str, details: Iterable[Any]) -> Meaning:
    name = next(filter(None, map(_storage_error, details)), status)
    outcome = _BY_STORAGE_ERROR.get(name) or _BY_STATUS.get(status, Outcome.AGAIN)
    return Meaning(outcome, name)


def _storage_error(detail: Any) -> str | None:
    from google.cloud.bigquery_storage_v1.types import StorageError

    found = StorageError.pb()()
    if not hasattr(detail, "Unpack") or not detail.Is(found.DESCRIPTOR) or not detail.Unpack(found):
        return None
    return str(StorageError.StorageErrorCode(found.code).name) if found.code else None


def _status_name(number: int) -> str:
    from grpc import StatusCode

    return next((status.name for status in StatusCode if status.value[0] == number), "UNKNOWN")
