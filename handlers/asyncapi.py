"""What travels between the parts, in AsyncAPI's words: `schemas/asyncapi.json` is generated from the catalog.

    catalog ─► topics ──────► channels      who listens, who publishes ─► operations
    models  ─► event types ─► messages      CloudEvents in binary mode ─► their headers

`schemas/asyncapi.released.json` is what was promised: to readers of a tenant's rows, and to our own instances of the
release before, which run beside today's while a release is rolled out, and whose events wait in dead letters for a month.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handlers import catalog
from handlers.compatibility import event_breaks
from handlers.event_schemas import payload, render, renderings
from handlers.examples import HEADERS
from shared.events.data import DATA, Data, OperationAudited, OperationExported, Quarantined, Row, RuleBroken
from shared.settings import Zone
from shared.subscriber import Subscription

OUTGOING, ADDRESS = "fhir.deidentified.tenant", "fhir.deidentified.{tenant}"
# What publishes and is no handler of the catalog → where
_ALSO: dict[str, tuple[Zone, tuple[str, ...]]] = {
    "webhook": (Zone.INGRESS, ("fhir.changed",)),
    "reconcile": (Zone.CLINICAL, ("fhir.changed", "fhir.deidentified", "fhir.accessed")),
    "operators": (Zone.OPS, ("ops.audit",)),
}
_SCHEMES: dict[str, Any] = {
    "google": {
        "type": "oauth2",
        "description": "A service account of the zone that publishes, or of the team that subscribes; IAM on single topics.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "https://oauth2.googleapis.com/token",
                "availableScopes": {"https://www.googleapis.com/auth/pubsub": "Publish to topics, pull subscriptions."},
            }
        },
    },
    "pushToken": {
        "type": "openIdConnect",
        "description": "The identity token that Pub/Sub sends with each push, of the subscription's own account.",
        "openIdConnectUrl": "https://accounts.google.com/.well-known/openid-configuration",
    },
}


def document() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of all topics."""
    from handlers.app import VERSION

    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Starvit event services: topics",
            "version": VERSION,
            "description": "CloudEvents 1.0 in binary mode on Pub/Sub. At least once, in any order: keep the largest sequence.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "pubsub": {
                "host": "pubsub.googleapis.com",
                "protocol": "googlepubsub",
                "security": [{"$ref": "#/components/securitySchemes/google"}],
            }
        },
        "channels": _channels(),
        "operations": dict(_operations()),
        "components": {
            "messages": {model.__name__: _message(model) for model in DATA.values()},
            "schemas": {model.__name__: payload(model) for model in DATA.values()} | {"Headers": HEADERS},
            "securitySchemes": _SCHEMES,
        },
    }


def _channels() -> dict[str, Any]:
    made: dict[str, Any] = {
        OUTGOING: _channel(ADDRESS, (Row,), "A tenant's rows, for teams that subscribe themselves.")
    }
    made[OUTGOING]["parameters"] = {"tenant": {"description": "The tenant's public name.", "examples": ["clinic"]}}
    made["ops.audit"] = _channel("ops.audit", (OperationAudited, OperationExported), "What operators did.")
    for on in catalog.subscriptions():
        takes = list(
            dict.fromkeys(data for one in catalog.subscriptions() if one.topic == on.topic for data in one.takes)
        )
        made[on.topic] = _channel(on.topic, takes, f"Of zone {on.zone}'s handlers.")
        made[on.dead_letter] = _channel(
            on.dead_letter, on.takes, f"What {on.handler} could not take in, time after time."
        )
        aside = (Quarantined, RuleBroken) if on.handler == "validation" else (Quarantined,)
        made[on.quarantine] = _channel(on.quarantine, aside, f"What {on.handler} set aside under a code.")
    return made


def _channel(topic: str, takes: "tuple[type[Data], ...] | list[type[Data]]", description: str) -> dict[str, Any]:
    messages = {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"} for model in takes}
    return {"address": topic, "description": description, "messages": messages}


def _operations() -> Iterator[tuple[str, Any]]:
    for on in catalog.subscriptions():
        yield f"{on.handler}.receives", _receives(on)
        for topic in (*on.publishes, on.quarantine):
            yield f"{on.handler}.sends.{topic}", _sends(topic, on.zone)
    for name, (zone, topics) in _ALSO.items():
        for topic in topics:
            yield f"{name}.sends.{topic}", _sends(topic, zone)
    yield f"analytics.sends.{OUTGOING}", _sends(OUTGOING, Zone.ANALYTICS)


def _receives(on: Subscription) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{on.topic}"},
        "summary": f"{on.handler} takes pushes of {on.name} at {on.path}.",
        "messages": [{"$ref": f"#/channels/{on.topic}/messages/{data.__name__}"} for data in on.takes],
        "security": [{"$ref": "#/components/securitySchemes/pushToken"}],
        "tags": [{"name": str(on.zone)}],
    }


def _sends(topic: str, zone: Zone) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "security": [{"$ref": "#/components/securitySchemes/google"}],
        "tags": [{"name": str(zone)}],
    }


def _message(model: type[Data]) -> dict[str, Any]:
    return {
        "name": model.TYPE,
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {
            "googlepubsub": {
                "attributes": {"ce-type": model.TYPE},
                "orderingKey": "A keyed hash of what the event is about.",
                "bindingVersion": "0.2.0",
            }
        },
    }


def write(root: Path) -> list[Path]:
    """Write schemas/asyncapi.json and schemas/events; the paths. A type that is gone loses its file."""
    folder = root / "schemas" / "events"
    folder.mkdir(exist_ok=True)
    wanted = {folder / name: text for name, text in renderings().items()}
    wanted[root / "schemas" / "asyncapi.json"] = render(document())
    for path in set(folder.glob("*.json")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text)
    return sorted(wanted)


def release(root: Path) -> list[str]:
    """Make today's document the one that is promised, unless it breaks the one that was; how it does."""
    released = root / "schemas" / "asyncapi.released.json"
    broken = event_breaks(json.loads(released.read_text()), document())
    if not broken:
        released.write_text(render(document()))
    return broken
