"""What the synthetic clinic writes, with ids as Medplum gives them; and what of it leaves through the door."""

from collections.abc import Mapping
from functools import cache
from uuid import UUID

from shared.local.clinic import Clinic
from tests.shared.deid.doors import door

SEED = 11


@cache
def written(count: int = 1500, seed: int = SEED) -> tuple[Mapping[str, object], ...]:
    """So many writes of the clinic, as resources."""
    clinic, resources = Clinic(seed), []
    for operation in clinic.operations(count):
        if operation.action == "delete":
            continue
        given = {"id": str(UUID(int=operation.handle + 1)), **operation.resource()}
        clinic.stored(operation, {**given, "meta": {"versionId": str(UUID(int=operation.number + 2**64))}})
        resources.append(given)
    return tuple(resources)


@cache
def left(policy: str, count: int = 1500, seed: int = SEED) -> tuple[Mapping[str, object], ...]:
    """The same resources beyond the door; free text scrubbed to a mark."""
    return tuple(door(policy).deidentify(resource, lambda text: "[TEXT]") for resource in written(count, seed))
