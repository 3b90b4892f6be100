"""Medplum on one machine: a FHIR server with what we use of Medplum's, that sends rest-hooks as Medplum does.

    clinic, or HTTP ─► rest ─► store ─► subscriptions ─► delivery ─► the service's webhook
                                 ▲
    the service ─HTTP─► logins ──┴─ read, vread, _history, search, conditional create

In memory, in one event loop, for tests and for the demo; in the cloud the service refuses to talk to it. It has no
users, and writes no AuditEvents of its own (Medplum writes one for each attempt of a hook).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from copy import replace
from datetime import timedelta
from uuid import uuid4

import orjson

from shared.local.medplum.asgi import Site
from shared.local.medplum.delivery import Delivery, Faults, Stats
from shared.local.medplum.hooks import Hook, Interaction, Request, opened, request
from shared.local.medplum.listener import Listener
from shared.local.medplum.logins import Logins
from shared.local.medplum.outcomes import Json, Refused
from shared.local.medplum.policies import Policies
from shared.local.medplum.rest import Rest
from shared.local.medplum.store import Author, Record, Store
from shared.local.medplum.subscriptions import Subscription, compiled, described

_PRESIGNED = timedelta(hours=1)


class Medplum:
    """The stand-in. `time_scale` shrinks the delays between attempts, `seed` makes ids repeatable.

    `clock` (monotonic seconds) is that of quotas and tokens; `quota` is in points for each client and minute.
    """

    def __init__(
        self,
        *,
        time_scale: float = 1.0,
        faults: Faults | None = None,
        quota: int = 50_000,
        token_lifetime: float = 3600,
        hook_timeout: float = 120.0,
        seed: int | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = Listener(port)
        self.base_url = f"http://127.0.0.1:{self._listener.port}"
        self.store = Store(seed, self._changed)
        self._logins = Logins(clock, token_lifetime, quota)
        self._delivery = Delivery(self._request, faults=faults, time_scale=time_scale, timeout=hook_timeout, seed=seed)
        self._subscriptions: dict[str, Subscription] = {}
        self._policies = Policies()
        self._clinic = Author(f"Practitioner/{self.store.uuid()}", "clinic")
        self._site = Site(self._logins, Rest(self.store, f"{self.base_url}/fhir/R4", self._policies), self.base_url)

    async def start(self) -> str:
        """Listen and deliver; the base URL."""
        await self._listener.start(self._site)
        self._delivery.start()
        return self.base_url

    async def stop(self) -> None:
        """End at once; hooks that are pending are lost."""
        await self._delivery.stop()
        await self._listener.stop()

    async def idle(self) -> None:
        """Return when no hook is on its way or waits for another attempt."""
        await self._delivery.idle()

    @property
    def stats(self) -> Stats:
        return self._delivery.stats

    def add_project(self, project: str, clients: Iterable[tuple[str, str]]) -> None:
        """A project and its ClientApplications, each (id, secret)."""
        for id, secret in clients:
            self._logins.add(project, id, secret)

    def grant(self, project: str, client: str, *rules: Mapping[str, object]) -> str:
        """Hold a client to these rules from now on; the id of its AccessPolicy. Without any it may do nothing."""
        policy = self.create(project, {"resourceType": "AccessPolicy", "name": client, "resource": list(rules)})
        profile = {"reference": f"ClientApplication/{client}"}
        membership = {"project": {"reference": f"Project/{project}"}, "user": profile, "profile": profile}
        access = {"accessPolicy": {"reference": f"AccessPolicy/{policy['id']}"}}
        self.create(project, {"resourceType": "ProjectMembership", **membership, **access})
        return str(policy["id"])

    def forget_logins(self) -> None:
        """What a wiped Redis does: tokens that have not run out are refused."""
        self._logins.forget()

    def subscribe(
        self,
        project: str,
        criteria: str,
        endpoint: str,
        secret: str | None,
        headers: Iterable[str] = (),
        *,
        log: bool = False,
    ) -> str:
        """An active rest-hook Subscription; its id. `log`: it asks for no AuditEvent of its attempts."""
        return str(self.create(project, described(criteria, endpoint, secret, tuple(headers), log=log))["id"])

    def create(self, project: str, resource: Mapping[str, object], *, trace: str | None = None) -> Json:
        """As a clinic writes, with nobody's quota. The stored resource, as REST shows it. Raises Refused."""
        record = self.store.create(project, resource, self._clinic, trace or str(uuid4()))
        return _loaded(record.current.plain())

    def update(self, project: str, resource: Mapping[str, object], *, trace: str | None = None) -> Json:
        """The stored resource: the old version if nothing is different. Raises Refused."""
        record = self.store.update(project, resource, self._clinic, trace or str(uuid4()))
        return _loaded(record.current.plain())

    def delete(self, project: str, type: str, id: str, *, trace: str | None = None) -> None:
        """Raises Refused."""
        self.store.delete(project, type, id, trace or str(uuid4()))

    def expunge(self, project: str, type: str, id: str) -> None:
        """Remove a resource with its history; nobody is told. Raises Refused."""
        self.store.expunge(project, type, id)

    def audit_events(self, project: str) -> list[Json]:
        """The project's AuditEvents, oldest first."""
        return [_loaded(record.current.plain()) for record in self.store.since(project, "AuditEvent", 0)]

    def newest(self, project: str, type: str, number: int) -> list[Json]:
        """What was changed last of a type and is there still, oldest first."""
        return [_loaded(record.current.plain()) for record in [*self.store.since(project, type, 0)][-number:]]

    def _changed(self, record: Record, interaction: Interaction, trace: str) -> None:
        """Called by the store after each change: keep the subscriptions current, then tell them."""
        if record.type == "Subscription":
            self._subscriptions.pop(record.id, None)
            if interaction != "delete":
                subscription = compiled(record.project, _loaded(record.current.body))
                if subscription is not None:
                    self._subscriptions[record.id] = subscription
        if record.type in ("AccessPolicy", "ProjectMembership"):
            written = None if interaction == "delete" else _loaded(record.current.body)
            self._policies.changed(record.type, record.id, written)
        content: Json | None = None
        for subscription in self._subscriptions.values():
            if subscription.project != record.project or subscription.type != record.type:
                continue
            if content is None:
                content = _loaded(record.last_written().body) if subscription.conditions else {}
            if subscription.wants(record.type, interaction, content):
                version = record.current.id
                self._delivery.fire(Hook(subscription, interaction, record.type, record.id, version, trace))

    def _request(self, hook: Hook) -> Request | None:
        """The request of an attempt, or None when there is nothing left to tell."""
        subscription = self._subscriptions.get(hook.subscription.id)
        if subscription is None:
            return None
        hook = replace(hook, subscription=subscription)
        if hook.interaction == "delete":
            return request(hook, b"")
        project = hook.subscription.project
        try:
            record = self.store.read(project, hook.type, hook.id)
        except Refused:
            return None
        version = record.version(hook.version)
        if version is None or (hook.attempt and record.current is not version):
            return None
        expires = int(time.time() + _PRESIGNED.total_seconds())
        return request(hook, opened(version.body, f"{self.base_url}/storage", project, expires))


def _loaded(body: bytes) -> Json:
    loaded = orjson.loads(body)
    assert isinstance(loaded, dict)
    return loaded
