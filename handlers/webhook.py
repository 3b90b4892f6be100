"""Take Medplum's word that something changed, and keep nothing but the reference.

    Medplum ─rest-hook, HMAC─► [this] ─► fhir.changed

The signed body is the whole resource: PHI. It is read for its type, id, version and project, and dropped. Medplum tries
a delivery five times and then forgets it, so the answer waits until Pub/Sub has confirmed the publish, and a validly
signed change is never limited. A deletion is another matter: its body is the constant `{}`, so its signature fits any
resource for ever; it is published as a claim, for validation to confirm, coalesced and capped.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from pydantic import ValidationError

from shared.errors import Code, Problem
from shared.events.data import Changed, DeletionClaimed
from shared.events.envelope import Event
from shared.head import Head
from shared.identity.event_ids import EventIds
from shared.identity.webhook import verify_signature
from shared.limits import Allowance, Recent
from shared.phi import Phi
from shared.settings import Tenant
from shared.sinks.port import Publisher
from shared.strict_json import NotStrictJson, parse
from shared.telemetry.report import follow
from shared.telemetry.spans import send_span, webhook_span
from shared.telemetry.trace import accept_trace

TOPIC = "fhir.changed"
HANDLER = "webhook"

_NOBODYS = (secrets.token_bytes(32),)  # drawn at start: nobody can sign for a subscription that is not there
_DELETED = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})")


class Hook(Struct, frozen=True):
    """One of Medplum's Subscriptions, as configured here: whose it is, and the secrets that sign it (newest first)."""

    tenant: Tenant
    ids: EventIds
    secrets: Sequence[bytes]


class Webhooks(Struct, frozen=True):
    """The ingress. `now` is seconds since the epoch."""

    hooks: Mapping[str, Hook]
    publisher: Publisher
    now: Callable[[], float]
    unsigned: Allowance  # per address
    claims: Allowance  # per subscription
    claimed: Recent  # ids of claims published a moment ago

    async def receive(self, subscription: str, head: Head, body: Phi[bytes], *, address: str) -> str:
        """Publish what the webhook says; the event's id. Raises Problem; returns only when Pub/Sub has confirmed."""
        hook = self._signed(subscription, head, body, address)
        with webhook_span(head):
            return await self._accepted(subscription, hook, head, body)

    async def _accepted(self, subscription: str, hook: Hook, head: Head, body: Phi[bytes]) -> str:
        if not any("json" in value.lower() for value in head.all(b"content-type")):
            raise Problem(Code.NOT_JSON_TYPE, "content-type")
        trace = accept_trace(head.one(b"x-trace-id"), head.one(b"traceparent"))
        id, data = self._reference(subscription, hook, head, body, trace.correlation)
        if isinstance(data, DeletionClaimed):
            if self.claimed.seen(id, self.now()):
                return id
            if not self.claims.take(subscription, self.now()):
                raise Problem(Code.TOO_MANY_CLAIMS)
        time = datetime.fromtimestamp(self.now(), UTC)
        key = hook.ids.ordering(data.type, data.id)
        with send_span(TOPIC, trace.traceparent) as traceparent:
            event = Event(id, data, time, HANDLER, trace.correlation, traceparent, ordering_key=key)
            follow(event)
            await self.publisher.publish(TOPIC, event.message())
        if isinstance(data, DeletionClaimed):
            self.claimed.add(id, self.now())
        return id

    def _signed(self, subscription: str, head: Head, body: Phi[bytes], address: str) -> Hook:
        """The subscription's hook, if the body is signed with one of its secrets.

        An unknown subscription is refused like a wrong signature, and takes as long: names can not be probed.
        """
        hook = self.hooks.get(subscription)
        try:
            verify_signature(hook.secrets if hook else _NOBODYS, body.reveal(), head.all(b"x-signature"))
        except Problem:
            if self.unsigned.take(address, self.now()):
                raise
            raise Problem(Code.TOO_MANY_REQUESTS) from None
        if hook is None:
            raise Problem(Code.BAD_SIGNATURE, "x-signature")
        return hook

    def _reference(
        self,
        subscription: str,
        hook: Hook,
        head: Head,
        body: Phi[bytes],
        correlation: str,
    ) -> tuple[str, Changed | DeletionClaimed]:
        try:
            resource = parse(body.reveal())
        except NotStrictJson:
            raise Problem(Code.BAD_BODY, "body") from None
        if not isinstance(resource, dict):
            raise Problem(Code.BAD_BODY, "body")
        if resource:
            return _changed(hook, resource)
        deleted = head.all(b"x-medplum-deleted-resource")
        named = _DELETED.fullmatch(deleted[0]) if len(deleted) == 1 else None
        if named is None:
            raise Problem(Code.BAD_BODY, "x-medplum-deleted-resource")
        type, id = named.groups()
        project, generation = hook.tenant.project, hook.tenant.generation
        claim = DeletionClaimed(project=project, subscription=subscription, type=type, id=id, generation=generation)
        return hook.ids.claim(project, subscription, type, id, correlation), claim


def _changed(hook: Hook, resource: Mapping[str, object]) -> tuple[str, Changed]:
    """The reference in a signed body. `X-Medplum-Interaction` is not asked: it is not signed."""
    meta = resource.get("meta")
    if not isinstance(meta, dict):
        raise Problem(Code.BAD_BODY, "meta")
    if meta.get("project") != hook.tenant.project:
        raise Problem(Code.WRONG_TENANT, "meta.project")
    try:
        changed = Changed.model_validate(
            {
                "project": hook.tenant.project,
                "type": resource.get("resourceType"),
                "id": resource.get("id"),
                "version": meta.get("versionId"),
                "lastUpdated": meta.get("lastUpdated"),
                "generation": hook.tenant.generation,
            }
        )
    except ValidationError as error:
        place = error.errors(include_input=False, include_url=False, include_context=False)[0]["loc"]
        raise Problem(Code.BAD_BODY, ".".join(map(str, place))) from None
    id = hook.ids.change(changed.project, changed.type, changed.id, changed.version, changed.generation)
    return id, changed
