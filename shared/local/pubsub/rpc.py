"""Serving google.pubsub.v1 over grpc.aio: methods by name, Google's own message types, refusals as statuses."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import grpc
from google.protobuf import empty_pb2
from grpc import aio

from shared.local.pubsub.refusal import Refused

Empty: Any = empty_pb2.Empty


class Method(NamedTuple):
    """A unary call: its protobuf types and what answers it."""

    request: Any
    response: Any
    answer: Callable[[Any], Awaitable[Any]]


def service(
    name: str,
    methods: Mapping[str, Method],
    *,
    streams: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"] | None = None,
    package: str = "google.pubsub.v1",
) -> grpc.GenericRpcHandler:
    """A service of a package. What is not named is answered UNIMPLEMENTED by gRPC."""
    handlers = {
        called: grpc.unary_unary_rpc_method_handler(
            _answering(method.answer),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )
        for called, method in methods.items()
    }
    return grpc.method_handlers_generic_handler(f"{package}.{name}", {**handlers, **(streams or {})})


def _answering(answer: Callable[[Any], Awaitable[Any]]) -> Any:
    async def call(request: Any, context: "aio.ServicerContext[Any, Any]") -> Any:
        try:
            return await answer(request)
        except Refused as refused:
            return await context.abort(refused.status, refused.text)

    return call
