"""What the endpoints promise, in OpenAPI's words: `schemas/openapi/v1.json` is generated from here and tested to be current."""

import json
from pathlib import Path
from typing import Any

from handlers.http import problem_response
from shared.errors import Code, End
from shared.subscriber import Subscription

_TRY_AGAIN = tuple(code for code in Code if code.end is End.TRY_AGAIN)
_JSON_BODY = {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457 problem details: a code and nothing of the input.",
    "required": ["type", "title", "status", "code", "instance"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(code.slug for code in Code)},
        "instance": {"type": "string", "format": "uri"},
    },
}
SECURITY_SCHEMES = {
    "medplumSignature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Signature",
        "description": "HMAC-SHA256 of the raw body with the subscription's secret, as 64 lower-case hex digits.",
    },
    "pushToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Google's OIDC identity token of the subscription's own service account, for this endpoint's URL.",
    },
}

WEBHOOK: dict[str, Any] = {
    "operation_id": "receiveWebhook",
    "summary": "Take a rest-hook of Medplum's: publish a reference to what changed, or a deletion to be confirmed.",
    "tags": ["ingress"],
    "status_code": 204,
    "response_description": "Published, and the publish was confirmed.",
    "responses": problem_response(
        Code.BAD_BODY,
        Code.BAD_SIGNATURE,
        Code.WRONG_TENANT,
        Code.BODY_TOO_LARGE,
        Code.NOT_JSON_TYPE,
        Code.TOO_MANY_REQUESTS,
        Code.TOO_MANY_CLAIMS,
        Code.INTERNAL,
        Code.PUBSUB_DOWN,
    ),
    "openapi_extra": {
        "security": [{"medplumSignature": []}],
        "parameters": [
            {"name": "subscription", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}},
            {"name": "X-Medplum-Deleted-Resource", "in": "header", "schema": {"type": "string"}},
            {"name": "x-trace-id", "in": "header", "schema": {"type": "string"}},
        ],
        "requestBody": {
            "content": {"application/fhir+json": {"schema": {"type": "object"}}},
            "required": True,
        },
    },
}

RECONCILE: dict[str, Any] = {
    "operation_id": "reconcile",
    "summary": "Find what no webhook told of since the last time, as much as fits into a request, and tell of it.",
    "tags": ["clinical"],
    "status_code": 204,
    "response_description": "Swept; what is left waits for the next time.",
    "responses": problem_response(
        Code.NO_TOKEN,
        Code.BAD_TOKEN,
        Code.WRONG_CALLER,
        Code.BODY_TOO_LARGE,
        Code.BUSY,
        Code.LEASE_LOST,
        Code.INTERNAL,
        Code.MEDPLUM_DOWN,
        Code.MEDPLUM_BUSY,
        Code.MEDPLUM_DENIED,
        Code.WAREHOUSE_DOWN,
        Code.LEDGER_DOWN,
        Code.PUBSUB_DOWN,
        Code.KEYS_DOWN,
    ),
    "openapi_extra": {"security": [{"pushToken": []}]},
}

HEALTH: dict[str, dict[str, Any]] = {
    "live": {"operation_id": "live", "summary": "The process answers.", "tags": ["health"]},
    "ready": {
        "operation_id": "ready",
        "summary": "Signing keys and clients are warmed.",
        "tags": ["health"],
        "responses": {503: {"description": "Not yet, or no longer."}},
    },
}


def push_operation(on: Subscription) -> dict[str, Any]:
    """The operation of a handler's push endpoint."""
    takes = ", ".join(f"`{data.TYPE}`" for data in on.takes)
    return {
        "operation_id": f"push_{on.handler}",
        "summary": f"Take a Pub/Sub push of {on.topic} for {on.handler}.",
        "description": f"CloudEvents 1.0 of the types {takes}: wrapped, unwrapped (binary), Eventarc or structured.",
        "tags": [str(on.zone)],
        "status_code": 204,
        "response_description": "Done, done before (`idempotent-replayed`), or set aside (`x-starvit-code`).",
        "responses": problem_response(
            Code.NO_TOKEN,
            Code.BAD_TOKEN,
            Code.WRONG_CALLER,
            Code.BAD_BODY,
            Code.BODY_TOO_LARGE,
            Code.INTERNAL,
            *_TRY_AGAIN,
        ),
        "openapi_extra": {"security": [{"pushToken": []}], "requestBody": _JSON_BODY},
    }


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every endpoint of every zone."""
    from handlers.app import VERSION, bare_app

    app = bare_app()
    made = app.openapi()
    components = made.setdefault("components", {})
    components["schemas"] = {"Problem": PROBLEM_SCHEMA}
    components["securitySchemes"] = SECURITY_SCHEMES
    made["info"] = {
        "title": "Starvit event services",
        "version": VERSION,
        "description": "Webhooks of Medplum's in, de-identified rows out. Versioned by path.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }
    return made


def render() -> str:
    """The document as the file holds it."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write(root: Path) -> Path:
    """Write schemas/openapi/v1.json; its path."""
    path = root / "schemas" / "openapi" / "v1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render())
    return path
