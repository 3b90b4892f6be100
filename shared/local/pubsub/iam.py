"""google.iam.v1.IAMPolicy of topics and subscriptions: kept, handed out, and guarded by their etag; nobody is held to them.

A write under an etag that is no longer the policy's is ABORTED, so that a reader who writes back loses nobody's change.
"""

import hashlib
from typing import Any

import grpc
from google.iam.v1 import iam_policy_pb2, policy_pb2

from shared.local.pubsub.broker import Broker
from shared.local.pubsub.refusal import Refused, invalid
from shared.local.pubsub.rpc import Method, service

_Policy: Any = policy_pb2.Policy


class Policies:
    """The servicer."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._policies: dict[str, tuple[object, Any]] = {}  # with the topic or subscription that it was written for

    def service(self) -> grpc.GenericRpcHandler:
        return service(
            "IAMPolicy",
            {
                "GetIamPolicy": Method(iam_policy_pb2.GetIamPolicyRequest, _Policy, self._get),
                "SetIamPolicy": Method(iam_policy_pb2.SetIamPolicyRequest, _Policy, self._set),
            },
            package="google.iam.v1",
        )

    async def _get(self, request: Any) -> Any:
        return self._held(request.resource)

    async def _set(self, request: Any) -> Any:
        if request.policy.etag and request.policy.etag != self._held(request.resource).etag:
            raise Refused(grpc.StatusCode.ABORTED, "There were concurrent policy changes.")
        for binding in request.policy.bindings:
            if not binding.role.startswith("roles/") or not all(map(_is_member, binding.members)):
                raise invalid("a binding has a role and members of a known kind")
            if binding.HasField("condition") and request.policy.version != 3:
                raise invalid("a policy with conditions has version 3")
        policy = _Policy()
        policy.CopyFrom(request.policy)
        policy.etag = _etag(policy)
        self._policies[request.resource] = self._owner(request.resource), policy
        return policy

    def _held(self, resource: str) -> Any:
        """The policy; raises Refused(NOT_FOUND). What is deleted takes its policy along, and comes back without."""
        owner, policy = self._policies.get(resource, (None, None))
        if owner is not self._owner(resource):
            return _Policy(version=1, etag=_etag(_Policy()))
        return policy

    def _owner(self, resource: str) -> object:
        return self._broker.topic(resource) if "/topics/" in resource else self._broker.subscription(resource)


def _is_member(member: str) -> bool:
    return member in ("allUsers", "allAuthenticatedUsers") or member.startswith(
        ("user:", "serviceAccount:", "group:", "domain:", "principal")
    )


def _etag(policy: Any) -> bytes:
    bare = _Policy()
    bare.CopyFrom(policy)
    bare.ClearField("etag")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).digest()[:8]
