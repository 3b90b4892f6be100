"""A tenant's Medplum project, looked at: its Subscriptions, its clients' rights, quota and clock.

The operators' client (STARVIT_OPERATORS) reads the configuration; without one the reader tries. Each of the service's own
clients asks once for what does not exist, so that its token, its quota and Medplum's clock are seen.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from handlers.doctor import access, subscriptions
from handlers.doctor.asking import ABSENT, Asking, Reply
from handlers.doctor.findings import Check, Finding
from handlers.doctor.subscriptions import Expected, Subscription
from handlers.provisioning.deployment import Deployment
from shared import egress
from shared.errors import Code, Problem
from shared.fhir.elements import resource_types
from shared.settings import Client, Settings, Tenant, Zone

_QUOTA, _LOW = 50_000, 0.1  # Medplum's points a minute for each client
_SKEW = 30.0  # seconds
_LIMIT = re.compile(r'"fhirInteractions";r=(\d+)')


@dataclass(slots=True)
class Project:
    """One tenant's. `http` reaches Medplum and the ingress; `now` is seconds since the epoch."""

    tenant: Tenant
    settings: Settings
    deployment: Deployment
    http: egress.Client
    now: Callable[[], float]
    _skewed: bool = field(default=False, init=False)

    @property
    def expected(self) -> Expected:
        """What its Subscriptions must fit."""
        webhooks = {name: [s.get_secret_value() for s in secrets] for name, secrets in self.tenant.webhooks.items()}
        url = self.deployment.url(self.settings, Zone.INGRESS)
        untold = self.deployment.untold.get(self.tenant.name, ())
        return Expected(url, webhooks, self.tenant.types, untold, local=self.settings.local)

    def operator(self) -> Asking | None:
        """Whoever reads the configuration."""
        client = self.deployment.operators.get(self.tenant.name) or self.tenant.reader
        return self.asking(client) if client else None

    def asking(self, client: Client) -> Asking:
        return Asking(self.http, self.settings.medplum_url, client)

    async def examined(self) -> AsyncIterator[Finding]:
        """All findings. Raises nothing: that Medplum is down is a finding."""
        operator = self.operator()
        place = f"tenant {self.tenant.name}"
        if operator is None:
            yield Finding(Check.CLIENT_UNSEEN, f"{place}: Subscriptions")
        else:
            try:
                async for finding in self._subscriptions(operator, place):
                    yield finding
            except Problem as problem:
                yield Finding(_meaning(problem), f"{place}: operators' client")
                if problem.code is Code.MEDPLUM_DOWN:
                    return
        for part, client in self._parts():
            try:
                async for finding in self._client(operator, part, client):
                    yield finding
            except Problem as problem:
                yield Finding(_meaning(problem), part.place)

    async def _subscriptions(self, operator: Asking, place: str) -> AsyncIterator[Finding]:
        found = await operator.found("Subscription")
        if found is None:
            yield Finding(Check.CLIENT_UNSEEN, f"{place}: Subscriptions")
            return
        aimed = subscriptions.ours(found)
        asked = {one.id: check for one in aimed if (check := await self._asked(operator, one))}
        for finding in subscriptions.judged(aimed, self.expected, asked):
            yield finding

    async def _asked(self, operator: Asking, one: Subscription) -> Check | None:
        """What only Medplum and the endpoint themselves can tell."""
        if one.query and one.type in resource_types():
            reply = await operator.get(f"{one.type}?{one.query}&_id={ABSENT}")
            if reply.status == 400:
                return Check.CRITERIA_PARAMETER
        if urlsplit(one.endpoint).netloc == urlsplit(self.expected.url).netloc:
            return await self._probed(one.endpoint)
        return None

    async def _probed(self, endpoint: str) -> Check | None:
        """An unsigned, empty delivery: the webhook refuses it, and whatever stands before it shows itself."""
        try:
            answer = await self.http.post(endpoint, content=b"{}", headers={"Content-Type": "application/fhir+json"})
        except (httpx.HTTPError, Problem):
            return Check.ENDPOINT_SILENT
        if 300 <= answer.status_code < 400:
            return Check.ENDPOINT_REDIRECTS
        return Check.ENDPOINT_SILENT if answer.status_code >= 500 else None

    def _parts(self) -> list[tuple[access.Part, Client]]:
        tenant, types = self.tenant, self.tenant.types or ("Patient",)
        place = f"tenant {tenant.name}"
        parts = []
        if tenant.reader:
            parts.append((access.reader(f"{place}: reader", types, sweeps=tenant.sweeper is None), tenant.reader))
        if tenant.sweeper:
            parts.append((access.sweeper(f"{place}: sweeper", types), tenant.sweeper))
        for number, client in enumerate(tenant.auditors, 1):
            parts.append((access.auditor(f"{place}: auditor {number}"), client))
        return parts

    async def _client(self, operator: Asking | None, part: access.Part, client: Client) -> AsyncIterator[Finding]:
        reply = await self.asking(client).get(f"{next(iter(part.needs))}/{ABSENT}")
        left = _LIMIT.search(reply.headers.get("ratelimit", ""))
        if left and int(left[1]) < _QUOTA * _LOW:
            yield Finding(Check.QUOTA_LOW, part.place)
        if not self._skewed and self._skew(reply) > _SKEW:
            self._skewed = True
            yield Finding(Check.CLOCK_SKEW, f"tenant {self.tenant.name}: Medplum")
        rules = await self._rules(operator, client) if operator else None
        if rules is None:
            yield Finding(Check.CLIENT_UNSEEN, f"{part.place}: AccessPolicy")
            return
        for finding in access.judged(part, rules):
            yield finding

    def _skew(self, reply: Reply) -> float:
        stamp = reply.headers.get("date")
        return abs(parsedate_to_datetime(stamp).timestamp() - self.now()) if stamp else 0.0

    async def _rules(self, operator: Asking, client: Client) -> Sequence[Mapping[str, Any]] | None:
        """All rules of a client's policies; None if they can not be looked at."""
        profile = {"profile": f"ClientApplication/{client.id}"}
        memberships = await operator.found("ProjectMembership", profile)
        if not memberships:
            return None
        rules: list[Mapping[str, Any]] = []
        for membership in memberships:
            listed = [membership.get("accessPolicy"), *(one.get("policy") for one in membership.get("access", ()))]
            references = [one["reference"] for one in listed if isinstance(one, dict) and "reference" in one]
            if not references or membership.get("admin"):
                return access.UNIVERSAL
            for reference in references:
                reply = await operator.get(reference)
                if reply.status != 200:
                    return None
                rules += reply.body.get("resource", ())
        return rules


def _meaning(problem: Problem) -> Check:
    return Check.CLIENT_REFUSED if problem.code is Code.MEDPLUM_DENIED else Check.MEDPLUM_DOWN
