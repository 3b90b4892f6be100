"""Who keeps the policies: Pub/Sub over gRPC, BigQuery's views through its client, everything else over Google's REST."""

import asyncio
from typing import TYPE_CHECKING, Any

from handlers.provisioning.changes import Refusal
from handlers.provisioning.iam import Policy
from handlers.provisioning.refusals import in_our_words
from handlers.provisioning.rest import Google
from handlers.provisioning.rights import Kind

if TYPE_CHECKING:
    from google.cloud import bigquery
    from google.pubsub_v1 import PublisherAsyncClient

_STALE = "somebody else"


class PubSubPolicies:
    """Of topics and subscriptions. google.iam.v1 is one service for both."""

    def __init__(self, project: str, publisher: "PublisherAsyncClient") -> None:
        self._project, self._publisher = project, publisher

    async def get(self, kind: Kind, name: str) -> Policy | None:
        from google.api_core.exceptions import NotFound
        from google.protobuf.json_format import MessageToDict

        request: Any = {"resource": self._path(kind, name), "options": {"requested_policy_version": 3}}
        with in_our_words():
            try:
                policy = await self._publisher.get_iam_policy(request=request)
            except NotFound:
                return None
        found: Policy = MessageToDict(policy)
        return found

    async def set(self, kind: Kind, name: str, policy: Policy) -> bool:
        from google.api_core.exceptions import Aborted
        from google.iam.v1.policy_pb2 import Policy as Message
        from google.protobuf.json_format import ParseDict

        request: Any = {"resource": self._path(kind, name), "policy": ParseDict(policy, Message())}
        with in_our_words():
            try:
                await self._publisher.set_iam_policy(request=request)
            except Aborted:
                return False
        return True

    def _path(self, kind: Kind, name: str) -> str:
        return f"projects/{self._project}/{kind}s/{name}"


class ViewPolicies:
    """Of views. Google's client blocks, so it is asked in a thread."""

    def __init__(self, client: "bigquery.Client") -> None:
        self._client = client

    async def get(self, kind: Kind, name: str) -> Policy | None:
        from google.api_core.exceptions import NotFound

        with in_our_words():
            try:
                policy = await asyncio.to_thread(self._client.get_iam_policy, self._path(name))
            except NotFound:
                return None
        found: Policy = policy.to_api_repr()
        return found

    async def set(self, kind: Kind, name: str, policy: Policy) -> bool:
        from google.api_core.exceptions import Conflict, PreconditionFailed
        from google.api_core.iam import Policy as Message

        with in_our_words():
            try:
                written = Message.from_api_repr(policy)
                await asyncio.to_thread(self._client.set_iam_policy, self._path(name), written)
            except (Conflict, PreconditionFailed):
                return False
        return True

    def _path(self, name: str) -> str:
        return f"{self._client.project}.{name}"


class RestPolicies:
    """Of the project, service accounts, Cloud Run services and secrets, each over its own API."""

    def __init__(self, google_rest: Google, project: str, region: str) -> None:
        self._google, self._project, self._region = google_rest, project, region

    async def get(self, kind: Kind, name: str) -> Policy | None:
        host, path = self._place(kind, name)
        by_get = kind in (Kind.SERVICE, Kind.SECRET)
        if by_get:
            query = {"options.requestedPolicyVersion": "3"}
            return await self._google.ask("GET", host, f"{path}:getIamPolicy", query=query)
        body: dict[str, object] = {"options": {"requestedPolicyVersion": 3}} if kind is Kind.PROJECT else {}
        return await self._google.ask("POST", host, f"{path}:getIamPolicy", body=body)

    async def set(self, kind: Kind, name: str, policy: Policy) -> bool:
        host, path = self._place(kind, name)
        try:
            answer = await self._google.ask("POST", host, f"{path}:setIamPolicy", body={"policy": policy})
        except Refusal as refusal:
            if refusal.how.startswith(_STALE):
                return False
            raise
        return answer is not None

    def _place(self, kind: Kind, name: str) -> tuple[str, str]:
        match kind:
            case Kind.PROJECT:
                return "cloudresourcemanager.googleapis.com", f"v3/projects/{name}"
            case Kind.ACCOUNT:
                return "iam.googleapis.com", f"v1/projects/{self._project}/serviceAccounts/{name}"
            case Kind.SERVICE:
                path = f"v2/projects/{self._project}/locations/{self._region}/services/{name}"
                return "run.googleapis.com", path
            case Kind.SECRET:
                return "secretmanager.googleapis.com", f"v1/projects/{self._project}/secrets/{name}"
        raise Refusal(f"a policy of a {kind} is not kept there", unseen=True)
