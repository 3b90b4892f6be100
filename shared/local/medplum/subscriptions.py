"""Which changes a Subscription is told of: its criteria, its extensions, and what Medplum passes over in silence.

Medplum accepts a Subscription that can never fire (an unknown parameter, no endpoint, another channel) and says
nothing; so does this. A secret under any URL but the two that Medplum knows is no secret.

Left out: criteria beyond type and equality of a code, token or reference; FHIRPath criteria; success codes.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from shared.local.medplum.outcomes import Json

_SECRETS = (
    "https://www.medplum.com/fhir/StructureDefinition/subscription-secret",
    "https://www.medplum.com/fhir/StructureDefinition-subscriptionSecret",
)
_INTERACTION = "https://medplum.com/fhir/StructureDefinition/subscription-supported-interaction"
_MAX_ATTEMPTS = "https://medplum.com/fhir/StructureDefinition/subscription-max-attempts"
_AUDIT = "https://medplum.com/fhir/StructureDefinition/subscription-audit-event-destination"
_RETRIES = 4


@dataclass(frozen=True, slots=True)
class Subscription:
    """An active rest-hook."""

    id: str
    project: str
    type: str
    conditions: tuple[tuple[str, str], ...]
    endpoint: str
    secret: bytes | None
    headers: tuple[str, ...]
    interaction: str | None
    retries: int  # after the first attempt

    def wants(self, type: str, interaction: str, resource: Json) -> bool:
        """Whether a change fires it. AuditEvents never fire anything."""
        if type != self.type or type == "AuditEvent" or self.interaction not in (None, interaction):
            return False
        return all(value in values(resource.get(name)) for name, value in self.conditions)


def compiled(project: str, resource: Json) -> Subscription | None:
    """The rest-hook that a Subscription resource describes, or None if it is not one that fires."""
    channel = resource.get("channel")
    if resource.get("status") != "active" or not isinstance(channel, dict) or channel.get("type") != "rest-hook":
        return None
    endpoint = channel.get("endpoint")
    if not isinstance(endpoint, str) or not endpoint:
        return None
    type, _, query = str(resource.get("criteria", "")).partition("?")
    extensions = _extensions(resource)
    secret = next((extensions[url] for url in _SECRETS if url in extensions), None)
    headers = channel.get("header")
    return Subscription(
        id=str(resource["id"]),
        project=project,
        type=type,
        conditions=tuple(parse_qsl(query)),
        endpoint=endpoint,
        secret=str(secret).encode() if secret is not None else None,
        headers=tuple(headers) if isinstance(headers, list) else (),
        interaction=str(extensions[_INTERACTION]) if _INTERACTION in extensions else None,
        retries=int(str(extensions.get(_MAX_ATTEMPTS, _RETRIES))),
    )


def described(criteria: str, endpoint: str, secret: str | None, headers: tuple[str, ...], *, log: bool = False) -> Json:
    """The Subscription resource for a rest-hook."""
    channel: Json = {"type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json"}
    if headers:
        channel["header"] = list(headers)
    subscription: Json = {
        "resourceType": "Subscription",
        "status": "active",
        "reason": criteria,
        "criteria": criteria,
        "channel": channel,
    }
    if secret is not None:
        subscription["extension"] = [{"url": _SECRETS[0], "valueString": secret}]
    if log:
        listed = subscription.setdefault("extension", [])
        assert isinstance(listed, list)
        listed.append({"url": _AUDIT, "valueCode": "log"})
    return subscription


def _extensions(resource: Json) -> dict[str, object]:
    """URL → value, whatever its type."""
    listed = resource.get("extension")
    found: dict[str, object] = {}
    for extension in listed if isinstance(listed, list) else ():
        value = next((v for k, v in extension.items() if k.startswith("value")), None)
        found.setdefault(str(extension.get("url")), value)
    return found


def values(element: object) -> frozenset[str]:
    """What a search value may equal in an element: a code, a token `system|code` or `code`, a reference."""
    match element:
        case str():
            return frozenset({element})
        case list():
            return frozenset[str]().union(*map(values, element))
        case {"coding": coding}:
            return values(coding)
        case {"code": str(token), **others} | {"value": str(token), **others}:
            return frozenset({token, f"{others.get('system', '')}|{token}"})
        case {"reference": str(reference)}:
            return frozenset({reference})
    return frozenset()
