"""A Medplum Subscription, judged by what Medplum does with it and not by what it accepts. Pure: no call is made here.

    the Subscriptions of a project ─► aimed at us? ─► each alone ─► all together ─► findings

Aimed at us is what has our webhook's path in its endpoint, or no endpoint at all; others' are none of our business.
"""

import hashlib
import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from handlers.doctor.findings import Check, Finding
from shared.fhir.elements import resource_types

PATH = "/v1/webhooks/medplum/"
SECRET = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret"  # noqa: S105 - a URL
_LEGACY_SECRET = "https://www.medplum.com/fhir/StructureDefinition-subscriptionSecret"  # noqa: S105
_PLAIN = "https://medplum.com/fhir/StructureDefinition/"
INTERACTION, ATTEMPTS = f"{_PLAIN}subscription-supported-interaction", f"{_PLAIN}subscription-max-attempts"
CODES, AUDIT = f"{_PLAIN}subscription-success-codes", f"{_PLAIN}subscription-audit-event-destination"
_EXPRESSION = f"{_PLAIN}fhir-path-criteria-expression"
_KNOWN = frozenset({SECRET, _LEGACY_SECRET, INTERACTION, ATTEMPTS, CODES, AUDIT, _EXPRESSION})
_NAMES = ("subscription-", "subscriptionSecret", "fhir-path-criteria-expression")
_LEAST_ATTEMPTS = 4  # Medplum's default: five deliveries within five minutes
_OWN_HEADERS = ("x-medplum-subscription", "x-medplum-interaction", "x-medplum-deleted-resource")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a Subscription must fit: the ingress' URL, and each webhook's secrets, newest first. `untold`: types of which
    reconcile alone tells, on purpose."""

    url: str
    webhooks: Mapping[str, Sequence[str]]
    types: tuple[str, ...]
    untold: tuple[str, ...] = ()
    local: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """A Subscription resource, as far as it concerns us."""

    id: str
    resource: Mapping[str, Any]

    @property
    def place(self) -> str:
        return f"Subscription/{self.id}"

    @property
    def channel(self) -> Mapping[str, Any]:
        found = self.resource.get("channel")
        return found if isinstance(found, dict) else {}

    @property
    def endpoint(self) -> str:
        return str(self.channel.get("endpoint", ""))

    @property
    def type(self) -> str:
        return str(self.resource.get("criteria", "")).partition("?")[0]

    @property
    def query(self) -> str:
        return str(self.resource.get("criteria", "")).partition("?")[2]

    @property
    def webhook(self) -> str:
        """The name in the endpoint's path."""
        return urlsplit(self.endpoint).path.partition(PATH)[2].rstrip("/")

    @property
    def active(self) -> bool:
        return self.resource.get("status") == "active" and not self.resource.get("error")

    @property
    def secret(self) -> str | None:
        """The secret that Medplum signs with."""
        found = dict(self.extensions())
        value = found.get(SECRET, found.get(_LEGACY_SECRET))
        return None if value is None else str(value)

    def extensions(self) -> Iterator[tuple[str, object]]:
        """URL and value of each extension."""
        yield from _extensions(self.resource)


def ours(resources: Iterable[Mapping[str, Any]]) -> list[Subscription]:
    """Those that are aimed at us, or at nobody."""
    found = [Subscription(str(one.get("id", "")), one) for one in resources]
    return [one for one in found if PATH in one.endpoint or not one.endpoint]


def judged(subscriptions: Sequence[Subscription], expected: Expected, asked: Mapping[str, Check]) -> Iterator[Finding]:
    """All findings. `asked`: what had to be asked of others about one, by its id; such a one does not fire."""
    for one in subscriptions:
        if one.id in asked:
            yield Finding(asked[one.id], one.place, one.type)
        for finding in _alone(one, expected):
            if finding.check is not Check.CRITERIA_NARROW or asked.get(one.id) is not Check.CRITERIA_PARAMETER:
                yield finding
    yield from _together([one for one in subscriptions if one.id not in asked], expected)


def fires(one: Subscription, expected: Expected) -> bool:
    """Whether nothing keeps it from telling us of every change of its type."""
    return not any(finding.check.value.severity == "error" for finding in _alone(one, expected))


def _alone(one: Subscription, expected: Expected) -> Iterator[Finding]:
    for check in (*_criteria(one), *_channel(one, expected), *_secret(one, expected), *_extras(one)):
        yield Finding(check, one.place, one.type or "TYPE")
    if not one.active:
        yield Finding(Check.STATUS_OFF, one.place, one.type or "TYPE")


def _criteria(one: Subscription) -> Iterator[Check]:
    if one.type == "AuditEvent":
        yield Check.CRITERIA_AUDIT
    elif one.type not in resource_types():
        yield Check.CRITERIA_TYPE
    elif one.query:
        yield Check.CRITERIA_NARROW


def _channel(one: Subscription, expected: Expected) -> Iterator[Check]:
    if one.channel.get("type") != "rest-hook":
        yield Check.CHANNEL_TYPE
    if not one.endpoint:
        yield Check.ENDPOINT_MISSING
        return
    parts = urlsplit(one.endpoint)
    if not expected.local and parts.scheme != "https":
        yield Check.ENDPOINT_HTTP
    elif not expected.local and _is_private(parts.hostname or ""):
        yield Check.ENDPOINT_PRIVATE
    elif one.endpoint != f"{expected.url}{PATH}{one.webhook}":
        yield Check.ENDPOINT_ELSEWHERE
    if one.webhook not in expected.webhooks:
        yield Check.WEBHOOK_UNKNOWN
    for header in one.channel.get("header", ()):
        if str(header).count(":") > 1:
            yield Check.HEADER_SPLIT
        if str(header).partition(":")[0].strip().lower() in _OWN_HEADERS:
            yield Check.HEADER_OVERWRITES


def _secret(one: Subscription, expected: Expected) -> Iterator[Check]:
    stray = [url for url, _ in one.extensions() if url not in _KNOWN and "secret" in url.lower()]
    meta = one.resource.get("meta")
    on_meta = [url for url, _ in _extensions(meta if isinstance(meta, dict) else {}) if "secret" in url.lower()]
    known = expected.webhooks.get(one.webhook, ())
    if one.secret is None:
        yield Check.SECRET_URL if stray else Check.SECRET_ON_META if on_meta else Check.SECRET_MISSING
    elif known and one.secret not in known:
        yield Check.SECRET_UNKNOWN
    elif known and one.secret != known[0]:
        yield Check.SECRET_OLD


def _extras(one: Subscription) -> Iterator[Check]:
    found = dict(one.extensions())
    for url in found:
        name = url.rpartition("/")[2]
        if url not in _KNOWN and "secret" not in url.lower() and any(known in name for known in _NAMES):
            yield Check.EXTENSION_URL
    if INTERACTION in found:
        yield Check.INTERACTION_NARROW
    if ATTEMPTS in found and not _at_least(found[ATTEMPTS], _LEAST_ATTEMPTS):
        yield Check.ATTEMPTS_FEW
    if CODES in found and not _only_success(str(found[CODES])):
        yield Check.SUCCESS_CODES
    if found.get(AUDIT) != "log":
        yield Check.AUDIT_DESTINATION


def _together(subscriptions: Sequence[Subscription], expected: Expected) -> Iterator[Finding]:
    by_secret: defaultdict[str, list[Subscription]] = defaultdict(list)
    by_type: defaultdict[str, list[Subscription]] = defaultdict(list)
    for one in subscriptions:
        if one.secret:
            by_secret[hashlib.sha256(one.secret.encode()).hexdigest()].append(one)
        if fires(one, expected):
            by_type[one.type].append(one)
    for group in by_secret.values():
        for one in group[1:]:
            if one.webhook != group[0].webhook:
                yield Finding(Check.SECRET_SHARED, one.place, one.type)
    for group in by_type.values():
        for one in group[1:]:
            yield Finding(Check.DUPLICATE, one.place, one.type)
    for type in expected.types:
        if not by_type[type]:
            yield Finding(Check.TYPE_UNTOLD if type in expected.untold else Check.TYPE_MISSING, type, type)


def _extensions(element: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for extension in element.get("extension", ()):
        if isinstance(extension, dict):
            value = next((value for name, value in extension.items() if name.startswith("value")), None)
            yield str(extension.get("url", "")), value


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _at_least(value: object, least: int) -> bool:
    return str(value).isdigit() and int(str(value)) >= least


def _only_success(codes: str) -> bool:
    """Whether `200-299,204` and the like name no status outside 2xx."""
    bounds = [bound.strip() for part in codes.split(",") for bound in part.split("-")]
    return all(bound.isdigit() and 200 <= int(bound) < 300 for bound in bounds)
