"""The databases: a ledger for each side of the wall, and ops' of what lies aside; their TTL, and what an index holds.

A TTL policy deletes what has expired within a day or so; readers look at `expires` too. An ever-growing indexed value
limits a collection to 500 writes a second, and each index costs a write: so no field has one that no query asks for.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NamedTuple

from handlers.provisioning.changes import Act, Change, Refusal, compared
from handlers.provisioning.refusals import in_our_words

if TYPE_CHECKING:
    from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminAsyncClient

ASCENDING, DESCENDING, NONE = "ascending", "descending", "none"


class Field(NamedTuple):
    """`path` is `*` for all that are not named. `order`: the one that a query asks for it in."""

    collection: str
    path: str
    order: str = NONE
    ttl: bool = False


_LEDGER = (
    *(Field("ledger", path) for path in ("until", "since", "attempts")),
    Field("ledger", "expires", ttl=True),
    Field("metrics", "*"),
    Field("metrics", "expires", ASCENDING, ttl=True),  # asked for as what has not expired
)
FIELDS: dict[str, tuple[Field, ...]] = {
    "clinical": _LEDGER,
    "analytics": _LEDGER,
    "ops": (
        Field("dead-letters", "*"),
        Field("dead-letters", "order", ASCENDING),
        Field("dead-letters", "expires", ttl=True),
        Field("dead-letters-plans", "*"),
        Field("dead-letters-plans", "made", DESCENDING),
    ),
}
# Of several fields, all ascending: what is equal, then what it is ordered by.
INDEXES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "ops": tuple(
        ("dead-letters", (*equal, "order")) for equal in (("event",), ("plan",), ("aside",), ("aside", "plan"))
    )
}
_ACTIVE = (1, 2)  # TtlConfig.State: CREATING, ACTIVE
_BROKEN = 3  # Index.State: NEEDS_REPAIR
_DEFAULT = "by default"
_WAY = "a database can not be moved: make another one, and point its setting at it"
_PATIENCE = 300.0  # seconds for a database or a field's change to come about


class FirestoreArea:
    name = "firestore"

    def __init__(self, client: "FirestoreAdminAsyncClient", project: str, location: str) -> None:
        self._client, self._project, self._location = client, f"projects/{project}", location
        self._fields = {f"{on}/{one.collection}.{one.path}": (on, one) for on in FIELDS for one in FIELDS[on]}
        self._indexes = {
            f"{on}/{of}: {', '.join(paths)}": (on, of, paths) for on in INDEXES for of, paths in INDEXES[on]
        }

    async def plan(self) -> list[Change]:
        changes = []
        for database in FIELDS:
            changes += await self._of(database)
        return changes

    async def apply(self, change: Change) -> None:
        with in_our_words():
            if change.kind == "field":
                await self._mend(*self._fields[change.name])
            elif change.kind == "index":
                await self._index(*self._indexes[change.name])
            elif change.act is Act.CREATE:
                await self._create(change.name)
            else:
                await self._protect(change.name)

    async def delete(self, change: Change) -> None:
        raise Refusal("a database is never deleted from here")

    async def _of(self, database: str) -> list[Change]:
        from google.api_core.exceptions import NotFound

        fields = {name: field for name, (on, field) in self._fields.items() if on == database}
        indexes = {name: (of, paths) for name, (on, of, paths) in self._indexes.items() if on == database}
        with in_our_words():
            try:
                there = await self._client.get_database(name=self._path(database))
            except NotFound:
                missing = [("database", database), *(("field", n) for n in fields), *(("index", n) for n in indexes)]
                return [Change(self.name, kind, name, Act.CREATE) for kind, name in missing]
            facts = {name: await self._facts(database, field) for name, field in fields.items()}
            held = [one for of in {of for of, _ in indexes.values()} async for one in self._held(database, of)]
        wanted = {"location": self._location, "delete protection": "DELETE_PROTECTION_ENABLED"}
        found = {"location": there.location_id, "delete protection": there.delete_protection_state.name}
        return [
            compared(self.name, "database", database, wanted, found, fixed=("location",), way=_WAY),
            *(
                compared(self.name, "field", name, {"index": field.order, "ttl": field.ttl}, facts[name])
                for name, field in fields.items()
            ),
            *(
                Change(self.name, "index", name, Act.KEEP if index in held else Act.CREATE)
                for name, index in indexes.items()
            ),
        ]

    async def _facts(self, database: str, field: Field) -> dict[str, object]:
        from google.cloud.firestore_admin_v1 import types

        config = types.Field.pb(await self._client.get_field(name=self._path(database, field)))
        own = config.index_config if config.HasField("index_config") else None
        inherits = own is None or own.uses_ancestor_config
        orders = sorted(_order(one) for one in own.indexes) if own is not None else []
        expires = config.HasField("ttl_config") and config.ttl_config.state in _ACTIVE
        return {"index": _DEFAULT if inherits else ", ".join(orders) or NONE, "ttl": expires}

    async def _held(self, database: str, collection: str) -> AsyncIterator[tuple[str, tuple[str, ...]]]:
        """The indexes of several fields: (collection, paths), without the name that Firestore adds to each."""
        parent = f"{self._path(database)}/collectionGroups/{collection}"
        async for one in await self._client.list_indexes(parent=parent):
            if one.state != _BROKEN and _order(one) == ASCENDING:
                yield collection, tuple(field.field_path for field in one.fields if field.field_path != "__name__")

    async def _create(self, database: str) -> None:
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

    async def _protect(self, database: str) -> None:
        wanted: Any = {
            "database": {"name": self._path(database), "delete_protection_state": "DELETE_PROTECTION_ENABLED"},
            "update_mask": {"paths": ["delete_protection_state"]},
        }
        made = await self._client.update_database(request=wanted)
        await made.result(timeout=_PATIENCE)

    async def _mend(self, database: str, field: Field) -> None:
        indexes = [] if field.order == NONE else [_index((field.path,), field.order)]
        wanted: dict[str, Any] = {"name": self._path(database, field), "index_config": {"indexes": indexes}}
        paths = ["index_config"]
        if field.ttl:
            wanted["ttl_config"] = {}
            paths.append("ttl_config")
        request: Any = {"field": wanted, "update_mask": {"paths": paths}}
        changing = await self._client.update_field(request=request)
        await changing.result(timeout=_PATIENCE)

    async def _index(self, database: str, collection: str, paths: tuple[str, ...]) -> None:
        """Asked for, and not waited for: it is built within minutes, and counts as there from now on."""
        parent = f"{self._path(database)}/collectionGroups/{collection}"
        request: Any = {"parent": parent, "index": _index(paths, ASCENDING)}
        await self._client.create_index(request=request)

    def _path(self, database: str, field: Field | None = None) -> str:
        path = f"{self._project}/databases/{database}"
        return path if field is None else f"{path}/collectionGroups/{field.collection}/fields/{field.path}"


def _index(paths: tuple[str, ...], order: str) -> dict[str, Any]:
    return {"query_scope": "COLLECTION", "fields": [{"field_path": path, "order": order.upper()} for path in paths]}


def _order(index: Any) -> str:
    """What an index is ordered by: one word if all its fields are ordered alike."""
    from google.cloud.firestore_admin_v1 import types

    names = {types.Index.IndexField.Order(field.order).name.lower() for field in index.fields}
    return names.pop() if len(names) == 1 else "mixed"
