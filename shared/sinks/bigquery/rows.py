"""A SafeRow as the bytes of its row in each table.

    SafeRow ─► change row ─► + what kind of change ─► current row

The columns are encoded once: the two tables share their numbers, and a protobuf message may be written in pieces. Every
row is an UPSERT, a tombstone too: BigQuery guards an out-of-order DELETE for two days only. The records of the views
are in view_rows.py.
"""

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.sinks.bigquery import schema, wire
from shared.sinks.sequence import is_one

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAX_ROW = 8_000_000  # bytes; what BigQuery takes in one request is 10 MB
_WIDE = 2  # protobuf's wire type of what has a length


class Encoded(NamedTuple):
    current: bytes
    change: bytes


def encode(row: SafeRow, committed_at: int) -> Encoded:
    """`committed_at` is in microseconds. Raises Problem(ROW_REFUSED)."""
    text = resource_text(row)
    message, columns = _change()
    try:
        change = message(
            resource_type=row.resource_type,
            key=row.key,
            sequence=row.sequence,
            version=row.version,
            generation=row.generation,
            deleted=row.deleted,
            policy=row.policy,
            policy_hash=row.policy_hash,
            key_id=row.key_id,
            resource=text,
            committed_at=committed_at,
        ).SerializeToString()
    except (TypeError, ValueError):
        raise Problem(Code.ROW_REFUSED, "row") from None
    return Encoded(change + upsert(columns, row.sequence), change)


def resource_text(row: SafeRow) -> bytes | None:
    """The row's resource as JSON, after the checks that every warehouse makes. Raises Problem(ROW_REFUSED)."""
    if not is_one(row.sequence):
        raise Problem(Code.ROW_REFUSED, "sequence")
    if row.deleted != (row.resource is None):
        raise Problem(Code.ROW_REFUSED, "deleted")
    if row.resource is None:
        return None
    try:
        text = orjson.dumps(row.resource)
    except orjson.JSONEncodeError:
        raise Problem(Code.ROW_REFUSED, "resource") from None
    if len(text) > MAX_ROW:
        raise Problem(Code.ROW_REFUSED, "resource")
    return text


def upsert(columns: int, sequence: str) -> bytes:
    """The two pseudo-columns after so many others, by hand: as a message of their own they cost five times as much."""
    return _upsert(columns, len(sequence)) + sequence.encode("ascii")


@cache
def _upsert(columns: int, length: int) -> bytes:
    """All of it but the number itself, which is at most 67 long."""
    kind = b"UPSERT"
    return _tag(columns + 1) + bytes([len(kind)]) + kind + _tag(columns + 2) + bytes([length])


def _tag(number: int) -> bytes:
    key = number << 3 | _WIDE
    return bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])


@cache
def _change() -> "tuple[type[Message], int]":
    columns = schema.sent(schema.CHANGES)
    return wire.message(schema.CHANGES, columns), len(columns)
