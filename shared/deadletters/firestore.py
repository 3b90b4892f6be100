"""The index in the cloud: two Firestore collections of the ops zone's database.

Each change is one write with a precondition on what was read (its update time), so that of two operators, or of a runner
and a zombie, one wins. To be provisioned: composite indexes of `order` with `event`, `plan`, `aside`, and `aside, plan`;
no index on the rest. The client honours FIRESTORE_EMULATOR_HOST. A TTL policy on `expires` keeps a record for 90 days: an
audit asks for longer, and finds it in Medplum's AuditEvents.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import to_builtins

from shared.deadletters.port import ASIDE, Entry, Place, Plan
from shared.deadletters.stored import entry, plan, text
from shared.firestore import Database, store_down

_KEPT = timedelta(days=90)
_AT_ONCE = 300  # documents of one call
_PLANS = 500  # of the newest that are listed
_SEPARATOR = "\x1f"


class FirestoreIndex:
    """An Index in the collections `<name>` and `<name>-plans`. `patience` is of one call, in seconds."""

    def __init__(self, database: str, project: str, name: str = "dead-letters", *, patience: float = 5.0) -> None:
        self._database, self._name = Database(database, project, patience), name

    async def add(self, entry: Entry) -> Entry:
        from google.api_core.exceptions import AlreadyExists

        with store_down():
            try:
                await self._document(entry.topic, entry.message).create(_fields(entry), **self._database.limits)
            except AlreadyExists:
                pass
            else:
                return entry
        return (await self.get(entry.topic, [entry.message]))[0]

    async def get(self, topic: str, messages: Sequence[str]) -> list[Entry]:
        return [_entry(found) for found in await self._found([self._document(topic, one) for one in messages])]

    async def of_event(self, event: str) -> list[Entry]:
        return await self._query(self._entries().where(filter=_equal("event", event)).order_by("order"))

    async def page(
        self, after: Place | None = None, *, plan: str = "", aside: bool = False, limit: int = 1000
    ) -> list[Entry]:
        query = self._entries().order_by("order").limit(limit)
        if plan:
            query = query.where(filter=_equal("plan", plan))
        if aside:
            query = query.where(filter=_equal("aside", True))
        return await self._query(query.start_after({"order": _SEPARATOR.join(after)}) if after else query)

    async def texts(
        self, after: Place | None = None, *, aside: bool = False, limit: int = 1000
    ) -> list[tuple[Place, str]]:
        return [(one.place, text(one)) for one in await self.page(after, aside=aside, limit=limit)]

    async def change(self, entries: Sequence[Entry]) -> list[bool]:
        made = []
        for start in range(0, len(entries), _AT_ONCE):
            page = entries[start : start + _AT_ONCE]
            documents = [self._document(one.topic, one.message) for one in page]
            seen = {found.id: found for found in await self._found(documents)}
            for one, document in zip(page, documents, strict=True):
                made.append(await self._replace(document, seen.get(document.id), one.revision, _fields(one)))
        return made

    async def plan(self, id: str) -> Plan | None:
        with store_down():
            found = await self._plans().document(id).get(**self._database.limits)
        return plan(found.to_dict()) if found.exists else None

    async def plans(self) -> list[Plan]:
        with store_down():
            newest = self._plans().order_by("made", direction="DESCENDING").limit(_PLANS)
            return [plan(one.to_dict()) async for one in newest.stream(**self._database.limits)]

    async def put_plan(self, plan: Plan) -> bool:
        from google.api_core.exceptions import AlreadyExists

        document, fields = self._plans().document(plan.id), _plain(plan)
        with store_down():
            if plan.revision == 1:
                try:
                    await document.create(fields, **self._database.limits)
                except AlreadyExists:
                    return False
                return True
            found = await document.get(**self._database.limits)
        return await self._replace(document, found if found.exists else None, plan.revision, fields)

    async def close(self) -> None:
        await self._database.close()

    async def _replace(self, document: Any, found: Any, revision: int, fields: dict[str, Any]) -> bool:
        from google.api_core import exceptions

        if found is None or found.get("revision") != revision - 1:
            return False
        unchanged = self._database.client.write_option(last_update_time=found.update_time)
        with store_down():
            try:
                await document.update(fields, unchanged, **self._database.limits)
            except (exceptions.FailedPrecondition, exceptions.NotFound):
                return False
        return True

    async def _found(self, documents: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(documents), _AT_ONCE):
            page = list(documents[start : start + _AT_ONCE])
            with store_down():
                found += [
                    one async for one in self._database.client.get_all(page, **self._database.limits) if one.exists
                ]
        return found

    async def _query(self, query: Any) -> list[Entry]:
        with store_down():
            return [_entry(found) async for found in query.stream(**self._database.limits)]

    def _document(self, topic: str, message: str) -> Any:
        return self._entries().document(hashlib.sha256(f"{topic}/{message}".encode()).hexdigest())

    def _entries(self) -> Any:
        return self._database.client.collection(self._name)

    def _plans(self) -> Any:
        return self._database.client.collection(f"{self._name}-plans")


def _equal(name: str, value: object) -> Any:
    from google.cloud.firestore_v1.base_query import FieldFilter

    return FieldFilter(name, "==", value)


def _plain(record: Entry | Plan) -> dict[str, Any]:
    fields: dict[str, Any] = to_builtins(record)
    return fields


def _fields(record: Entry) -> dict[str, Any]:
    expires = datetime.fromisoformat(record.set_aside).astimezone(UTC) + _KEPT
    more = {"order": _SEPARATOR.join(record.place), "aside": record.state in ASIDE, "expires": expires}
    return _plain(record) | more


def _entry(found: Any) -> Entry:
    fields = found.to_dict()
    return entry({name: value for name, value in fields.items() if name not in ("order", "aside", "expires")})
