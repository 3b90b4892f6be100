"""The sequence of a row: which of two rows of the same key is the newer one (BigQuery CDC's `_CHANGE_SEQUENCE_NUMBER`).

    time / rank / tie / generation

- time: the version's lastUpdated in ms, plus the secret offset of the row key: order within a key holds, the date is
  gone.
- rank: 0 for a write, 1 for the deletion of that version, which so wins over it.
- tie: two versions of one millisecond are told apart, the same way for ever, by the version's keyed name.
- generation: a newer policy's row of the same version wins (design §1).

Each section is hex of a fixed width, so that comparing the strings as text gives the same order as comparing section
by section.
"""

from datetime import UTC, datetime, timedelta

_FIRST = datetime(1, 1, 1, tzinfo=UTC)  # no FHIR instant is before it, so no time is negative
_MS = timedelta(milliseconds=1)
WRITE, DELETE = 0, 1


def sequence(last_updated: str, rank: int, version: str, generation: int, offset: int) -> str:
    """The sequence of the row whose keyed version name is `version`. Raises ValueError if lastUpdated is no instant."""
    moment = datetime.fromisoformat(last_updated)
    if moment.tzinfo is None:
        raise ValueError("not an instant")
    time = (moment - _FIRST) // _MS + offset
    return f"{time:014x}/{rank:x}/{version[:16]}/{generation:012x}"


def buried(sequence: str) -> str:
    """The sequence of the deletion of the version that has this one: the same that a confirmed deletion would have."""
    time, _, tie, generation = sequence.split("/")
    return f"{time}/{DELETE:x}/{tie}/{generation}"
