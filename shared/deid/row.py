"""SafeRow: the proof that a row has passed the door. Sinks take nothing else.

Only `shared.deid` makes one from a resource; beyond the door one is read back from an event of fhir.deidentified, whose
publisher IAM and the push token vouch for. tests/walls checks that nobody else calls the constructor. This module
knows nothing of PHI: the analytics zone imports it.
"""

from dataclasses import dataclass
from typing import final

from shared.events.data import Deidentified


@final
@dataclass(frozen=True, slots=True)
class SafeRow:
    """A row of the warehouse. `resource` is None for a tombstone (deleted)."""

    project: str
    resource_type: str
    key: str
    sequence: str
    version: str
    generation: int
    deleted: bool
    policy: str
    policy_hash: str
    key_id: str
    resource: dict[str, object] | None

    def event(self) -> Deidentified:
        """This row as the data of an event of fhir.deidentified."""
        return Deidentified(**{name: getattr(self, name) for name in self.__slots__})


def from_event(data: Deidentified) -> SafeRow:
    """The row that an event of fhir.deidentified carries."""
    return SafeRow(**{name: getattr(data, name) for name in SafeRow.__slots__})
