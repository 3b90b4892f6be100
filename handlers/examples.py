"""What a request looks like: the schemas of the four push shapes and of a webhook's body, each with an example.

binary      attributes are `ce-*` headers, the body is the data        (as our subscriptions are provisioned)
wrapped     Pub/Sub's own JSON around attributes and base64 data
eventarc    the same under `ce-type: google.cloud.pubsub.topic.v1.messagePublished`
structured  application/cloudevents+json
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from shared.events.data import DATA, Data
from shared.events.envelope import SOURCE
from shared.events.push import MESSAGE_PUBLISHED
from shared.subscriber import Subscription

_REFERENCE = {
    "project": "5f0d3f9c-2c5e-4c0b-9a55-c11a1c0de000",
    "type": "Patient",
    "id": "f9c8e546-e655-47fb-be43-f8b8a9c7d3f1",
    "version": "3c87c2be-89eb-4f85-bcd8-0a07204e1bed",
    "lastUpdated": "2026-11-23T10:41:55.279Z",
    "generation": 65536,
}
_KEY, _VERSION = "b1" * 32, "b2" * 32
_ROW: dict[str, object] = {
    "project": "clinic",
    "resourceType": "Patient",
    "key": _KEY,
    "sequence": "19a4f2c1/0/5c1e/10000",
    "version": _VERSION,
    "generation": 65536,
    "deleted": False,
    "policy": "safe-harbor",
    "policyHash": "b3" * 16,
    "keyId": "k1",
    "resource": {"resourceType": "Patient", "gender": "female", "birthDate": "1980"},
}
DATA_EXAMPLES: dict[str, dict[str, object]] = {
    "OperationAudited": {
        "project": "clinic",
        "action": "replay",
        "stage": "begun",
        "plan": "5f" * 16,
        "messages": 12,
        "by": "ann",
        "reason": "INC-12: limit raised",
        "outcome": "",
        "at": "2026-11-24T10:00:00Z",
    },
    "Changed": _REFERENCE,
    "DeletionClaimed": {name: _REFERENCE[name] for name in ("project", "type", "id", "generation")}
    | {"subscription": "clinic-patient"},
    "Validated": _REFERENCE | {"op": "write"},
    "Accessed": {name: _REFERENCE[name] for name in ("project", "type", "id", "version")}
    | {"action": "vread", "handler": "deid", "purpose": "de-identification", "at": "2026-11-23T10:41:56Z"},
    "Accounted": {
        "project": _REFERENCE["project"],
        "acts": [
            {name: _REFERENCE[name] for name in ("type", "id", "version")}
            | {"event": "ac" * 32, "correlation": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "action": "vread"}
            | {"handler": "deid", "purpose": "de-identification", "at": "2026-11-23T10:41:56Z"}
            | {"patient": _REFERENCE["id"], "disclosure": None}
        ],
    },
    "Deidentified": _ROW,
    "Row": _ROW,
    "ErasureOrdered": {
        "project": "clinic",
        "patient": _REFERENCE["id"],
        "order": "6e" * 16,
        "round": 1,
        "dryRun": False,
        "by": "ann",
        "reason": "request 12 of the privacy office",
        "at": "2026-11-24T10:00:00Z",
    },
    "Erasure": {
        "project": "clinic",
        "keyId": "k1",
        "patient": _KEY,
        "order": "6e" * 16,
        "round": 1,
        "datasets": 1,
        "dryRun": False,
        "policy": "safe-harbor",
        "policyHash": "b3" * 16,
        "at": "2026-11-24T10:00:00Z",
    },
    "Committed": {
        "project": "clinic",
        "keyId": "k1",
        "resourceType": "Patient",
        "key": _KEY,
        "sequence": "19a4f2c1/0/5c1e/10000",
        "deleted": False,
    },
    "Quarantined": {
        "handler": "validation",
        "topic": "fhir.changed",
        "code": "resource-invalid",
        "at": "Patient.birthDate",
        "eventId": "a1" * 32,
        "eventType": "io.starvit.fhir.resource.changed.v1",
        "event": _REFERENCE,
    },
    "QualityFound": {
        "project": "clinic",
        "keyId": "k1",
        "resourceType": "Observation",
        "generation": 65536,
        "errors": {},
        "warnings": {"heart-rate-unit": 1, "observation-time": 1},
    },
}
DATA_EXAMPLES["OperationExported"] = DATA_EXAMPLES["OperationAudited"] | {"action": "export", "reason": "INC-12"}
DATA_EXAMPLES["RuleBroken"] = DATA_EXAMPLES["Quarantined"] | {"rule": "format"}
_ATTRIBUTES = {
    "specversion": "1.0",
    "id": "a1" * 32,
    "source": f"{SOURCE}:webhook",
    "time": "2026-11-23T10:41:56.001Z",
    "correlationid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
}
_PATTERNS = {
    "specversion": {"const": "1.0"},
    "id": {
        "type": "string",
        "pattern": "^[0-9a-f]{16,64}$",
        "description": "A keyed hash: the same change, the same id.",
    },
    "source": {"type": "string", "pattern": "^urn:starvit:events:[a-z]{1,32}$"},
    "type": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "correlationid": {"type": "string", "format": "uuid"},
}
HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents 1.0 attributes as Pub/Sub's message attributes. None holds a FHIR id.",
    "required": [*(f"ce-{name}" for name in _PATTERNS), "ce-traceparent", "Content-Type"],
    "properties": {
        **{f"ce-{name}": schema for name, schema in _PATTERNS.items()},
        "ce-traceparent": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
        "Content-Type": {"const": "application/json"},
    },
}

WEBHOOK_BODY: dict[str, Any] = {
    "description": "The changed resource as Medplum stores it, or `{}` for a deletion. Only the reference in it is kept.",
    "anyOf": [
        {
            "type": "object",
            "required": ["resourceType", "id", "meta"],
            "properties": {
                "resourceType": {"type": "string", "pattern": "^[A-Z][A-Za-z]{1,63}$"},
                "id": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"},
                "meta": {
                    "type": "object",
                    "required": ["project", "versionId", "lastUpdated"],
                    "properties": {
                        "project": {"type": "string", "description": "The tenant's Medplum project."},
                        "versionId": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"},
                        "lastUpdated": {"type": "string", "format": "date-time"},
                    },
                },
            },
        },
        {"type": "object", "maxProperties": 0},
    ],
}
WEBHOOK_EXAMPLES: dict[str, Any] = {
    "change": {
        "summary": "A patient was written.",
        "value": {
            "resourceType": "Patient",
            "id": _REFERENCE["id"],
            "meta": {
                "project": _REFERENCE["project"],
                "versionId": _REFERENCE["version"],
                "lastUpdated": _REFERENCE["lastUpdated"],
            },
        },
    },
    "deletion": {
        "summary": "A resource was deleted; `X-Medplum-Deleted-Resource` names it. A claim, to be confirmed.",
        "value": {},
    },
}


def data_schemas() -> dict[str, Any]:
    """The schemas of every event's data, with an example."""
    return {model.__name__: _schema(model) for model in DATA.values()} | {
        "WrappedPush": _wrapped_schema(),
        "CloudEvent": {
            "type": "object",
            "description": "A CloudEvent in structured mode.",
            "required": ["specversion", "id", "source", "type", "time", "correlationid", "data"],
            "properties": {**_PATTERNS, "datacontenttype": {"const": "application/json"}, "data": {"type": "object"}},
        },
    }


def push_body(on: Subscription) -> dict[str, Any]:
    """The request body of a handler's push endpoint, in all its shapes."""
    model = on.takes[0]
    data, type = DATA_EXAMPLES[model.__name__], model.TYPE
    wrapped = _wrapped(on, type, data)
    structured = {**_ATTRIBUTES, "type": type, "datacontenttype": "application/json", "data": data}
    refs = [{"$ref": f"#/components/schemas/{takes.__name__}"} for takes in on.takes]
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [*refs, {"$ref": "#/components/schemas/WrappedPush"}]},
                "examples": {
                    "binary": {"summary": f"Unwrapped: headers {_headers(type)}; the body is the data.", "value": data},
                    "wrapped": {"summary": "Wrapped: no `ce-*` header.", "value": wrapped},
                    "eventarc": {"summary": f"Eventarc: the header ce-type is {MESSAGE_PUBLISHED}.", "value": wrapped},
                },
            },
            "application/cloudevents+json": {
                "schema": {"$ref": "#/components/schemas/CloudEvent"},
                "examples": {"structured": {"summary": "Structured: no `ce-*` header.", "value": structured}},
            },
        },
    }


def _schema(model: type[Data]) -> dict[str, Any]:
    schema = model.model_json_schema()
    schema.pop("title", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
    schema["description"] = f"`{model.TYPE}`"
    if model.__name__ in DATA_EXAMPLES:
        schema["examples"] = [DATA_EXAMPLES[model.__name__]]
    return schema


def _wrapped(on: Subscription, type: str, data: Mapping[str, object]) -> dict[str, Any]:
    attributes = {f"ce-{name}": value for name, value in (_ATTRIBUTES | {"type": type}).items()}
    return {
        "message": {
            "attributes": attributes | {"Content-Type": "application/json"},
            "data": base64.b64encode(json.dumps(data).encode()).decode(),
            "messageId": "12345678901234567",
            "orderingKey": "c1" * 32,
        },
        "subscription": f"projects/starvit/subscriptions/{on.name}",
        "deliveryAttempt": 1,
    }


def _wrapped_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Pub/Sub's wrapped push.",
        "required": ["message", "subscription"],
        "properties": {
            "message": {
                "type": "object",
                "properties": {
                    "attributes": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 1024}},
                    "data": {"type": "string", "contentEncoding": "base64"},
                    "messageId": {"type": "string"},
                    "orderingKey": {"type": "string"},
                },
            },
            "subscription": {"type": "string"},
            "deliveryAttempt": {"type": "integer", "minimum": 1},
        },
    }


def _headers(type: str) -> str:
    return ", ".join(f"ce-{name}: {value}" for name, value in (_ATTRIBUTES | {"type": type}).items())
