"""The ledgers' databases: one for each zone that has one, with a TTL and without indexes that would hold writes up.

A TTL policy deletes what has expired within a day or so; the ledger itself looks at `expires` too. An ever-growing
indexed value limits a collection to 500 writes a second, so the fields that grow are exempt.
"""

from typing import TYPE_CHECKING, Any

from handlers.provisioning.changes import Act, Change, compared
from handlers.provisioning.refusals import in_our_words

if TYPE_CHECKING:
    from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminAsyncClient

DATABASES = ("clinical", "analytics")
COLLECTION, EXPIRY = "ledger", "expires"
UNINDEXED = ("expires", "until", "since", "attempts")
_ACTIVE = (1, 2)  # TtlConfig.State: CREATING, ACTIVE
_WAY = "a database can not be moved: make another one, and point STARVIT_LEDGER at it"
_PATIENCE = 300.0  # seconds for a database or an index change to come about


class FirestoreArea:
    name = "firestore"

    def __init__(self, client: "FirestoreAdminAsyncClient", project: str, location: str) -> None:
        self._client, self._project, self._location = client, f"projects/{project}", location

    async def plan(self) -> list[Change]:
        changes = []
        for database in DATABASES:
            changes += await self._of(database)
        return changes

    async def apply(self, change: Change) -> None:
        database, _, field = change.name.partition("/")
        with in_our_words():
            if change.kind == "field":
                await self._mend(database, field.rpartition(".")[2])
            elif change.act is Act.CREATE:
                wanted: Any = {
                    "parent": self._project,
                    "database_id": database,
                    "database": {
                        "location_id": self._location,
                        "type_": "FIRESTORE_NATIVE",
                        "delete_protection_state": "DELETE_PROTECTION_ENABLED",
                    },
                }
                made = await self._client.create_database(request=wanted)
                await made.result(timeout=_PATIENCE)
            else:
                name = f"{self._project}/databases/{database}"
                protected: Any = {
                    "database": {"name": name, "delete_protection_state": "DELETE_PROTECTION_ENABLED"},
                    "update_mask": {"paths": ["delete_protection_state"]},
                }
                made = await self._client.update_database(request=protected)
                await made.result(timeout=_PATIENCE)

    async def delete(self, change: Change) -> None:
        raise AssertionError("a ledger is never extra")

    async def _of(self, database: str) -> list[Change]:
        from google.api_core.exceptions import NotFound
        from google.cloud.firestore_admin_v1 import types

        fields = {f"{database}/{COLLECTION}.{field}": field for field in UNINDEXED}
        with in_our_words():
            try:
                there = await self._client.get_database(name=f"{self._project}/databases/{database}")
            except NotFound:
                missing = [Change(self.name, "field", name, Act.CREATE) for name in fields]
                return [Change(self.name, "database", database, Act.CREATE), *missing]
            found = {name: await self._client.get_field(name=self._field(database, fields[name])) for name in fields}
        wanted = {"location": self._location, "delete protection": "DELETE_PROTECTION_ENABLED"}
        facts = {"location": there.location_id, "delete protection": there.delete_protection_state.name}
        fixed = ("location",)
        changes = [compared(self.name, "database", database, wanted, facts, fixed=fixed, way=_WAY)]
        for name, field in fields.items():
            config = types.Field.pb(found[name])
            own = config.index_config if config.HasField("index_config") else None
            indexed = own is None or own.uses_ancestor_config or bool(own.indexes)
            expires = config.HasField("ttl_config") and config.ttl_config.state in _ACTIVE
            changes.append(
                compared(
                    self.name,
                    "field",
                    name,
                    {"indexed": False, "ttl": field == EXPIRY},
                    {"indexed": indexed, "ttl": expires},
                )
            )
        return changes

    async def _mend(self, database: str, field: str) -> None:
        wanted: dict[str, Any] = {"name": self._field(database, field), "index_config": {"indexes": []}}
        paths = ["index_config"]
        if field == EXPIRY:
            wanted["ttl_config"] = {}
            paths.append("ttl_config")
        request: Any = {"field": wanted, "update_mask": {"paths": paths}}
        changing = await self._client.update_field(request=request)
        await changing.result(timeout=_PATIENCE)

    def _field(self, database: str, field: str) -> str:
        return f"{self._project}/databases/{database}/collectionGroups/{COLLECTION}/fields/{field}"
