"""google.firestore.admin.v1, as far as our databases need it: databases, TTL, indexes of one field and of several.

Long-running operations are done when they are answered. An index of several fields gets `__name__` as its last one.
"""

from typing import Any

import grpc
from google.cloud.firestore_admin_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import any_pb2
from grpc import aio

from shared.local.pubsub.refusal import invalid, missing, taken
from shared.local.pubsub.rpc import Method, service

_Database, _Field, _Index = types.Database.pb(), types.Field.pb(), types.Index.pb()
_Indexes = types.ListIndexesResponse.pb()
_Operation: Any = operations_pb2.Operation


class FirestoreAdmin:
    """`writes` counts what has changed anything."""

    def __init__(self) -> None:
        self.databases: dict[str, Any] = {}
        self.fields: dict[str, Any] = {}
        self.indexes: dict[str, Any] = {}
        self.writes = 0
        self._server: aio.Server | None = None

    async def start(self) -> str:
        """Listen; host:port."""
        self._server = aio.server()
        self._server.add_generic_rpc_handlers((self._service(),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            await self._server.stop(0.1)

    def _service(self) -> grpc.GenericRpcHandler:
        return service(
            "FirestoreAdmin",
            {
                "GetDatabase": Method(types.GetDatabaseRequest.pb(), _Database, self._get_database),
                "CreateDatabase": Method(types.CreateDatabaseRequest.pb(), _Operation, self._create_database),
                "UpdateDatabase": Method(types.UpdateDatabaseRequest.pb(), _Operation, self._update_database),
                "GetField": Method(types.GetFieldRequest.pb(), _Field, self._get_field),
                "UpdateField": Method(types.UpdateFieldRequest.pb(), _Operation, self._update_field),
                "ListIndexes": Method(types.ListIndexesRequest.pb(), _Indexes, self._list_indexes),
                "CreateIndex": Method(types.CreateIndexRequest.pb(), _Operation, self._create_index),
            },
            package="google.firestore.admin.v1",
        )

    async def _get_database(self, request: Any) -> Any:
        if request.name not in self.databases:
            raise missing(request.name)
        return self.databases[request.name]

    async def _create_database(self, request: Any) -> Any:
        name = f"{request.parent}/databases/{request.database_id}"
        if name in self.databases:
            raise taken(name)
        request.database.name = name
        self.databases[name] = request.database
        return self._done(request.database)

    async def _update_database(self, request: Any) -> Any:
        there = await self._get_database(request.database)
        request.update_mask.MergeMessage(request.database, there)
        return self._done(there)

    async def _get_field(self, request: Any) -> Any:
        self._check(request.name)
        return self.fields.get(request.name) or _new(request.name)

    async def _update_field(self, request: Any) -> Any:
        self._check(request.field.name)
        field = self.fields.setdefault(request.field.name, _new(request.field.name))
        for path in request.update_mask.paths:
            field.ClearField(path)
            if request.field.HasField(path):
                getattr(field, path).SetInParent()
                getattr(field, path).CopyFrom(getattr(request.field, path))
        if field.HasField("ttl_config"):
            field.ttl_config.state = types.Field.TtlConfig.State.ACTIVE
        return self._done(field)

    async def _list_indexes(self, request: Any) -> Any:
        self._check(request.parent)
        return _Indexes(indexes=[one for name, one in self.indexes.items() if name.startswith(f"{request.parent}/")])

    async def _create_index(self, request: Any) -> Any:
        self._check(request.parent)
        index, fields = _Index(), request.index.fields
        if len(fields) < 2:
            raise invalid("an index of one field is the field's own")
        index.CopyFrom(request.index)
        index.fields.add(field_path="__name__", order=fields[-1].order)
        index.state = types.Index.State.READY
        index.name = f"{request.parent}/indexes/{'-'.join(f'{one.field_path}.{one.order}' for one in fields)}"
        if index.name in self.indexes:
            raise taken(index.name)
        self.indexes[index.name] = index
        return self._done(index)

    def _check(self, name: str) -> None:
        database = name.partition("/collectionGroups/")[0]
        if database not in self.databases:
            raise missing(database)

    def _done(self, message: Any) -> Any:
        self.writes += 1
        packed = any_pb2.Any()
        packed.Pack(message)
        return _Operation(name="operations/done", done=True, response=packed)


def _new(name: str) -> Any:
    """A field as Firestore shows one that nobody has configured: its indexes are the database's."""
    field = _Field(name=name)
    field.index_config.uses_ancestor_config = True
    return field
