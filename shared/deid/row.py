"""SafeRow: the proof that a row has passed the door. Sinks take nothing else.

Only `shared.deid` makes one from a resource; beyond the door one is read back from an event of fhir.deidentified, whose
publisher IAM and the push token vouch for. tests/walls checks that nobody else calls the constructor. This module
knows nothing of PHI: the analytics zone imports it.
"""

import re
from typing import final

import orjson
from msgspec import Struct

from shared.events.data import Deidentified, Erasure

# What an erased row says for ever: BigQuery's largest sequence, above any that the door makes, and of no version.
LAST = "/".join(["f" * 16] * 4)
ERASED = "0" * 32
_GENERATION = 2**48 - 1
_PATIENT = re.compile(rb'Patient/([0-9a-f]{16,64})"')


@final
class SafeRow(Struct, frozen=True):
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
        return Deidentified(**{name: getattr(self, name) for name in self.__struct_fields__})


def from_event(data: Deidentified) -> SafeRow:
    """The row that an event of fhir.deidentified carries."""
    return SafeRow(**{name: getattr(data, name) for name in SafeRow.__struct_fields__})


def erased(resource_type: str, key: str, because: SafeRow | Erasure) -> SafeRow:
    """The tombstone that no row of this key ever wins over. It says nothing of the resource but its key."""
    return SafeRow(
        project=because.project,
        resource_type=resource_type,
        key=key,
        sequence=LAST,
        version=ERASED,
        generation=_GENERATION,
        deleted=True,
        policy=because.policy,
        policy_hash=because.policy_hash,
        key_id=because.key_id,
        resource=None,
    )


def patients(row: SafeRow) -> frozenset[str]:
    """The pseudonyms of the patients that a row is or names, wherever in the resource that is."""
    named = () if row.resource is None else _PATIENT.findall(orjson.dumps(row.resource))
    own = (row.key,) if row.resource_type == "Patient" else ()
    return frozenset((*own, *(name.decode() for name in named)))
