"""`./dev doctor --fix-subscription TYPE`: a Subscription that fires for every change of a type.

    TYPE ─► which webhook ─► is one there that is ours? update it : create it ─► rest-hook, exact URL, secret, no filter

Which webhook: the one named by --webhook; or the one that a Subscription of this type already names; or the tenant's only
one whose name ends in the type's. The secret goes into the resource and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.doctor import subscriptions
from handlers.doctor.asking import Asking
from handlers.doctor.subscriptions import AUDIT, PATH, SECRET, Expected, Subscription
from shared.errors import Code, Problem

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Mending:
    """What is to be written over what (None: nothing yet), and the setting that its secret comes from."""

    webhook: str
    resource: Mapping[str, Any]
    over: Subscription | None

    def shown(self) -> Mapping[str, Any]:
        """The resource without its secret."""
        return {**self.resource, "extension": [{"url": SECRET, "valueString": HIDDEN}, _LOG]}


class Unclear(Exception):
    """Which webhook is meant; the text says what to name."""


_LOG = {"url": AUDIT, "valueCode": "log"}


def planned(type: str, there: Sequence[Subscription], expected: Expected, webhook: str | None) -> Mending:
    """The mending, or Unclear."""
    same = [one for one in there if one.type == type]
    name = webhook or _name(type, same, expected)
    if name not in expected.webhooks:
        raise Unclear(f"the tenant has no webhook {name}: add it to the settings, with a secret")
    over = next((one for one in same if one.webhook == name), same[0] if len(same) == 1 else None)
    return Mending(name, _resource(type, name, expected, over), over)


async def look(operator: Asking) -> list[Subscription]:
    """The Subscriptions that are aimed at us. Raises Problem."""
    found = await operator.found("Subscription")
    if found is None:
        raise Problem(Code.MEDPLUM_DENIED, "Subscription")
    return subscriptions.ours(found)


async def write(operator: Asking, mending: Mending) -> str:
    """Write it; the Subscription's id. Raises Problem: MEDPLUM_DENIED."""
    version = str((mending.over.resource.get("meta") or {}).get("versionId", "")) if mending.over else ""
    reply = await operator.write(mending.resource, match=version)
    if reply.status not in (200, 201):
        raise Problem(Code.MEDPLUM_DENIED, "Subscription")
    return str(reply.body.get("id", ""))


def _name(type: str, same: Sequence[Subscription], expected: Expected) -> str:
    named = {one.webhook for one in same if one.webhook in expected.webhooks}
    alike = {name for name in expected.webhooks if name.lower().split("-")[-1] == type.lower()}
    for candidates in (named, alike):
        if len(candidates) == 1:
            return candidates.pop()
    if not expected.webhooks:
        raise Unclear("the settings have no webhook for this tenant: add one, with a secret")
    which = "several webhooks may be meant" if named or alike else f"no webhook is named after {type}"
    raise Unclear(
        f"{which}: name one with --webhook, or add one to the settings ({', '.join(sorted(expected.webhooks))})"
    )


def _resource(type: str, webhook: str, expected: Expected, over: Subscription | None) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "Subscription",
        "status": "active",
        "reason": f"Starvit event services: {webhook}",
        "criteria": type,
        "channel": {
            "type": "rest-hook",
            "endpoint": f"{expected.url}{PATH}{webhook}",
            "payload": "application/fhir+json",
        },
        "extension": [{"url": SECRET, "valueString": expected.webhooks[webhook][0]}, _LOG],
    }
    return resource if over is None else {**resource, "id": over.id}
