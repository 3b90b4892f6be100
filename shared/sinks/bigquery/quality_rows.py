"""A QualityRow as the bytes of its row: an UPSERT under its key, rule and severity.

What comes twice is the same twice, so any sequence would do; the generation tells later readers nothing wrong.
"""

from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from shared.sinks.bigquery import schema, wire
from shared.sinks.bigquery.rows import upsert
from shared.sinks.quality import QualityRow

if TYPE_CHECKING:
    from google.protobuf.message import Message

_EPOCH = date(1970, 1, 1)


def encode(row: QualityRow, committed_at: int) -> bytes:
    """`committed_at` is in microseconds."""
    message, columns = _made()
    made = message(
        key=row.key,
        rule=row.rule,
        severity=row.severity,
        resource_type=row.resource_type,
        day=(row.day - _EPOCH).days,
        findings=row.findings,
        generation=row.generation,
        key_id=row.key_id,
        committed_at=committed_at,
    )
    return made.SerializePartialToString() + upsert(columns, f"{row.generation:x}")


@cache
def _made() -> "tuple[type[Message], int]":
    columns = schema.sent(schema.QUALITY)
    return wire.message(schema.QUALITY, columns), len(columns) - len(wire.CHANGE)
