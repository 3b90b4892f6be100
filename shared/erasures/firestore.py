"""The erasures in the cloud: two collections of the zone's own ledger database.

Firestore's reads are strongly consistent, so what was suppressed is seen by whoever asks afterwards. Many who ask at once
share one call. No TTL: neither a pseudonym on the list nor a proof ever expires. The client honours
FIRESTORE_EMULATOR_HOST.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from msgspec import structs

from shared.batching import Batcher
from shared.erasures.port import Proof, in_order
from shared.firestore import Database, store_down

_AT_ONCE = 300  # documents of one call


class FirestoreErasures:
    """Erasures in the collections `<name>` and `<name>-proofs`. `patience` is of one call, in seconds."""

    def __init__(self, database: str, project: str, name: str = "erasures", *, patience: float = 5.0) -> None:
        self._database, self._name = Database(database, project, patience), name
        self._asking: Batcher[str, bool] = Batcher(self._are_there, max_items=_AT_ONCE)

    async def suppress(self, project: str, key_id: str, patient: str) -> None:
        with store_down():
            await self._list().document(_named(project, key_id, patient)).set({}, **self._database.limits)

    async def among(self, project: str, key_id: str, patients: Collection[str]) -> frozenset[str]:
        names = list(patients)
        there = await asyncio.gather(*(self._asking.submit(_named(project, key_id, name)) for name in names))
        return frozenset(name for name, found in zip(names, there, strict=True) if found)

    async def prove(self, proof: Proof) -> None:
        document = self._proofs().document(_named(proof.order, str(proof.round), proof.key_id))
        with store_down():
            await document.set(structs.asdict(proof), **self._database.limits)

    async def proofs(self, order: str) -> Sequence[Proof]:
        from google.cloud.firestore_v1.base_query import FieldFilter

        query = self._proofs().where(filter=FieldFilter("order", "==", order))
        with store_down():
            return in_order([Proof(**found.to_dict()) async for found in query.stream(**self._database.limits)])

    async def close(self) -> None:
        await self._asking.drain()
        await self._database.close()

    async def _are_there(self, names: Sequence[str]) -> Sequence[bool]:
        documents = [self._list().document(name) for name in dict.fromkeys(names)]
        with store_down():
            found = self._database.client.get_all(documents, **self._database.limits)
            there = {one.id for one in [one async for one in found] if one.exists}
        return [name in there for name in names]

    def _list(self) -> Any:
        return self._database.client.collection(self._name)

    def _proofs(self) -> Any:
        return self._database.client.collection(f"{self._name}-proofs")


def _named(*parts: str) -> str:
    """A document's name; none of the parts holds a `|`."""
    return "|".join(parts)
