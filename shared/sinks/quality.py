"""A row of the data-quality table: that a rule was broken in some resource of a type, and how often.

`key` is the id of the event that told of it, derived with the dataset's key from nothing that is anywhere else: the row
joins with no row, no patient and no message of the clinical side. It is there so that a repeat is no second row.
"""

from datetime import date

from msgspec import Struct


class QualityRow(Struct, frozen=True):
    """`day` is when the door was passed, by its own clock: nothing of when care was given."""

    project: str
    key_id: str
    key: str
    rule: str
    severity: str
    resource_type: str
    day: date
    findings: int
    generation: int
