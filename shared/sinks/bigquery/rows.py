"""A SafeRow as the bytes of its row in each table.

The columns are encoded once: the two tables share their numbers, and a protobuf message may be written in pieces, so
the current row is the change row followed by the two pseudo-columns. Every row is an UPSERT, a tombstone too: BigQuery
guards an out-of-order DELETE for two days only.
"""

from typing import NamedTuple

import orjson

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.sinks.bigquery import schema
from shared.sinks.sequence import padded

MAX_ROW = 8_000_000  # bytes; what BigQuery takes in one request is 10 MB


class Encoded(NamedTuple):
    current: bytes
    change: bytes


def encode(row: SafeRow, committed_at: int) -> Encoded:
    """`committed_at` is in microseconds. Raises Problem(ROW_REFUSED)."""
    text = resource_text(row)
    try:
        change = schema.message(schema.CHANGES)(
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
    return Encoded(change + _upsert(row.sequence), change)


def resource_text(row: SafeRow) -> bytes | None:
    """The row's resource as JSON, after the checks that every warehouse makes. Raises Problem(ROW_REFUSED)."""
    try:
        padded(row.sequence)
    except ValueError:
        raise Problem(Code.ROW_REFUSED, "sequence") from None
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


def _upsert(sequence: str) -> bytes:
    columns = {schema.CHANGE_TYPE: "UPSERT", schema.CHANGE_SEQUENCE: sequence}
    return schema.message(schema.CURRENT)(**columns).SerializePartialToString()
