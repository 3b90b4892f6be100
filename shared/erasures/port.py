"""The port of the erasures, and what is written down of one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

type Counts = Mapping[str, int]  # table, or `graph` → rows that still hold something of the patient


class Found(Struct, frozen=True):
    """What there is of a patient: the keys of his rows with their types, and the rows that hold something."""

    keys: tuple[tuple[str, str], ...]
    counts: Counts

    def __repr__(self) -> str:  # without the keys, which are all of one patient
        return f"Found({self.counts!r})"


class Proof(Struct, frozen=True):
    """What one round of an order found and left in one dataset. Names no patient and no key."""

    order: str
    round: int
    project: str  # the tenant's public name
    key_id: str
    datasets: int  # of the whole order
    dry_run: bool
    resources: int  # keys
    before: Counts
    after: Counts
    ordered: str  # instants
    at: str

    @property
    def empty(self) -> bool:
        """Whether the round found nothing to erase, and left nothing."""
        return not any((*self.before.values(), *self.after.values()))


class Erasures(Protocol):
    """`project` is a tenant's public name. Each call raises Problem(LEDGER_DOWN).

    What `suppress` has returned for, every later `among` of every process sees: the order of an erasure rests on it.
    """

    async def suppress(self, project: str, key_id: str, patient: str) -> None:
        """Put a pseudonym on the list, for ever. Idempotent."""
        ...

    async def among(self, project: str, key_id: str, patients: Collection[str]) -> frozenset[str]:
        """Those of these pseudonyms that are on the list."""
        ...

    async def prove(self, proof: Proof) -> None:
        """Write a proof down; a later one of the same order, round and dataset takes its place."""
        ...

    async def proofs(self, order: str) -> Sequence[Proof]:
        """All of an order, by round and dataset."""
        ...

    async def close(self) -> None: ...


def in_order(proofs: Collection[Proof]) -> list[Proof]:
    """By round, then by dataset."""
    return sorted(proofs, key=lambda proof: (proof.round, proof.key_id))
