"""The erasures in the cloud: two collections of the zone's own ledger database.

Firestore's reads are strongly consistent, so what was suppressed is seen by whoever asks afterwards. Many who ask at once
share one call. No TTL: neither a pseudonym on the list nor a proof ever expires. The client honours
FIRESTORE_EMULATOR_HOST.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shared.batching import Batcher
from shared.erasures.port import Proof, in_order
from shared.ledger.firestore import store_down

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient

_AT_ONCE = 300  # documents of one call


class FirestoreErasures:
    """Erasures in the collections `<name>` and `<name>-proofs`. `patience` is of one call, in seconds."""

    def __init__(self, database: str, project: str, name: str = "erasures", *, patience: float = 5.0) -> None:
        self._database, self._project, self._name, self._patience = database, project, name, patience
        self._client: AsyncClient | None = None
        self._asking: Batcher[str, bool] = Batcher(self._are_there, max_items=_AT_ONCE)

    async def suppress(self, project: str, key_id: str, patient: str) -> None:
        with store_down():
            await self._list().document(_named(project, key_id, patient)).set({}, **self._limits())

    async def among(self, project: str, key_id: str, patients: Collection[str]) -> frozenset[str]:
        names = list(patients)
        there = await asyncio.gather(*(self._asking.submit(_named(project, key_id, name)) for name in names))
        return frozenset(name for name, found in zip(names, there, strict=True) if found)

    async def prove(self, proof: Proof) -> None:
        document = self._proofs().document(_named(proof.order, str(proof.round), proof.key_id))
        with store_down():
            await document.set(asdict(proof), **self._limits())

    async def proofs(self, order: str) -> Sequence[Proof]:
        from google.cloud.firestore_v1.base_query import FieldFilter

        query = self._proofs().where(filter=FieldFilter("order", "==", order))
        with store_down():
            return in_order([Proof(**found.to_dict()) async for found in query.stream(**self._limits())])

    async def close(self) -> None:
        await self._asking.drain()
        client, self._client = self._client, None
        if client is not None:
            await client._firestore_api.transport.close()  # AsyncClient has no close of its own

    async def _are_there(self, names: Sequence[str]) -> Sequence[bool]:
        documents = [self._list().document(name) for name in dict.fromkeys(names)]
        with store_down():
            found = self._opened().get_all(documents, **self._limits())
            there = {one.id for one in [one async for one in found] if one.exists}
        return [name in there for name in names]

    def _limits(self) -> dict[str, Any]:
        """Of one call: the client's own patience is minutes."""
        from google.api_core.exceptions import ServiceUnavailable
        from google.api_core.retry import AsyncRetry, if_exception_type

        retry = AsyncRetry(if_exception_type(ServiceUnavailable), initial=0.05, maximum=1.0, timeout=self._patience)
        return {"retry": retry, "timeout": self._patience}

    def _list(self) -> Any:
        return self._opened().collection(self._name)

    def _proofs(self) -> Any:
        return self._opened().collection(f"{self._name}-proofs")

    def _opened(self) -> "AsyncClient":
        if self._client is None:
            from google.cloud.firestore import AsyncClient

            self._client = AsyncClient(project=self._project, database=self._database)
        return self._client


def _named(*parts: str) -> str:
    """A document's name; none of the parts holds a `|`."""
    return "|".join(parts)
