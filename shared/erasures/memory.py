"""The erasures' twin: a set and a dict. For tests, and for a service that runs as one process on one machine."""

from collections.abc import Collection, Sequence

from shared.erasures.port import Proof, in_order


class MemoryErasures:
    """Erasures within one process."""

    def __init__(self) -> None:
        self._suppressed: set[tuple[str, str, str]] = set()
        self._proofs: dict[tuple[str, int, str], Proof] = {}

    async def suppress(self, project: str, key_id: str, patient: str) -> None:
        self._suppressed.add((project, key_id, patient))

    async def among(self, project: str, key_id: str, patients: Collection[str]) -> frozenset[str]:
        return frozenset(name for name in patients if (project, key_id, name) in self._suppressed)

    async def prove(self, proof: Proof) -> None:
        self._proofs[proof.order, proof.round, proof.key_id] = proof

    async def proofs(self, order: str) -> Sequence[Proof]:
        return in_order([proof for proof in self._proofs.values() if proof.order == order])

    async def close(self) -> None:
        """Nothing is held."""
