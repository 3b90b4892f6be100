"""What the endpoints promise, in OpenAPI's words: `schemas/openapi/v1.json` is generated from here and tested to be current."""

import json
from pathlib import Path
from typing import Any

from handlers.compatibility import breaks
from handlers.examples import WEBHOOK_BODY, WEBHOOK_EXAMPLES, data_schemas, push_body
from handlers.http import PROBLEM, problem_response
from shared.errors import Code, End
from shared.subscriber import Subscription

_TRY_AGAIN = tuple(code for code in Code if code.end is End.TRY_AGAIN)
_ANYWHERE = (Code.BAD_REQUEST, Code.HEAD_TOO_LARGE)  # what the server refuses before an endpoint is asked
_THREAD = {
    "x-request-id": {"description": "This request's id.", "schema": {"type": "string"}},
    "x-correlation-id": {"description": "The thread that it belongs to.", "schema": {"type": "string"}},
}

RETRY_AFTER = {"retry-after": {"description": "Seconds, where they are known.", "schema": {"type": "integer"}}}
DONE_HEADERS = {
    "idempotent-replayed": {"description": "`true`: it was done before.", "schema": {"const": "true"}},
    "x-starvit-code": {
        "description": "Set aside, or superseded, under this code.",
        "schema": {"type": "string", "enum": sorted(code.slug for code in Code if code.status == 204)},
    },
}
_UP = {"type": "object", "required": ["up"], "additionalProperties": False, "properties": {"up": {"type": "boolean"}}}

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
        *_ANYWHERE,
        Code.BAD_BODY,
        Code.BAD_SIGNATURE,
        Code.WRONG_TENANT,
        Code.BODY_TOO_LARGE,
        Code.NOT_JSON_TYPE,
        Code.TOO_MANY_REQUESTS,
        Code.TOO_MANY_CLAIMS,
        Code.OVERLOADED,
        Code.INTERNAL,
        Code.PUBSUB_DOWN,
    ),
    "openapi_extra": {
        "security": [{"medplumSignature": []}],
        "parameters": [
            {"name": "subscription", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}},
            {
                "name": "X-Medplum-Deleted-Resource",
                "in": "header",
                "schema": {"type": "string"},
                "example": "Patient/f9c8e546-e655-47fb-be43-f8b8a9c7d3f1",
            },
            {
                "name": "x-trace-id",
                "in": "header",
                "schema": {"type": "string"},
                "description": "Becomes the correlation id if it is a UUID or a traceparent; else it is replaced.",
                "example": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            },
        ],
        "requestBody": {
            "content": {"application/fhir+json": {"schema": WEBHOOK_BODY, "examples": WEBHOOK_EXAMPLES}},
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
        *_ANYWHERE,
        Code.BAD_BODY,
        Code.OVERLOADED,
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


def _health(what: str, *, up: bool) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": _UP, "example": {"up": up}}}}


INDEX: dict[str, Any] = {
    "operation_id": "push_index",
    "summary": "Take a push of any quarantine or dead-letter topic, and keep a record of it without PHI.",
    "tags": ["ops"],
    "status_code": 204,
    "response_description": "Kept, or known already.",
    "responses": problem_response(
        *_ANYWHERE,
        Code.NO_TOKEN,
        Code.BAD_TOKEN,
        Code.WRONG_CALLER,
        Code.BAD_BODY,
        Code.BODY_TOO_LARGE,
        Code.INTERNAL,
        Code.LEDGER_DOWN,
        Code.KEYS_DOWN,
    ),
    "openapi_extra": {
        "security": [{"pushToken": []}],
        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True},
    },
}

DEAD_LETTERS: dict[str, Any] = {
    "operation_id": "replayDeadLetters",
    "summary": "Replay what an outage has dead-lettered, if it is over, and go on with plans whose runner has gone.",
    "tags": ["ops"],
    "status_code": 204,
    "response_description": "Replayed, as much as fits into a request; what is left waits for the next time.",
    "responses": problem_response(
        *_ANYWHERE,
        Code.NO_TOKEN,
        Code.BAD_TOKEN,
        Code.WRONG_CALLER,
        Code.BODY_TOO_LARGE,
        Code.INTERNAL,
        Code.LEDGER_DOWN,
        Code.PUBSUB_DOWN,
        Code.KEYS_DOWN,
    ),
    "openapi_extra": {"security": [{"pushToken": []}]},
}

HEALTH: dict[str, dict[str, Any]] = {
    "live": {
        "operation_id": "live",
        "summary": "The process answers.",
        "tags": ["health"],
        "responses": {200: _health("It answers.", up=True), **problem_response(*_ANYWHERE)},
        "openapi_extra": {"security": []},
    },
    "ready": {
        "operation_id": "ready",
        "summary": "Signing keys and clients are warmed.",
        "tags": ["health"],
        "responses": {
            200: _health("Ready.", up=True),
            503: _health("Not yet, or no longer.", up=False),
            **problem_response(*_ANYWHERE),
        },
        "openapi_extra": {"security": []},
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
            *_ANYWHERE,
            Code.NO_TOKEN,
            Code.BAD_TOKEN,
            Code.WRONG_CALLER,
            Code.BAD_BODY,
            Code.BODY_TOO_LARGE,
            Code.INTERNAL,
            *_TRY_AGAIN,
        ),
        "openapi_extra": {
            "security": [{"pushToken": []}],
            "x-done-headers": DONE_HEADERS,
            "requestBody": push_body(on),
        },
    }


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every endpoint of every zone."""
    from handlers.app import VERSION, bare_app

    app = bare_app()
    made = app.openapi()
    components = made.setdefault("components", {})
    components["schemas"] = {"Problem": PROBLEM_SCHEMA, **data_schemas()}
    components["securitySchemes"] = SECURITY_SCHEMES
    made["info"] = {
        "title": "Starvit event services",
        "version": VERSION,
        "description": "Webhooks of Medplum's in, de-identified rows out. Versioned by path.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }
    for methods in made["paths"].values():
        for operation in methods.values():
            _complete(operation)
    return made


def _complete(operation: dict[str, Any]) -> None:
    """What every answer has, and what the framework says of an answer without a body."""
    if "204" in operation["responses"]:
        operation["responses"]["204"]["headers"] = {**_THREAD, **operation.pop("x-done-headers", {})}
    for status, answer in operation["responses"].items():
        if PROBLEM in answer.get("content", {}):
            answer["headers"] = _THREAD | (RETRY_AFTER if status in ("429", "503") else {})


def render() -> str:
    """The document as the file holds it."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write(root: Path) -> Path:
    """Write schemas/openapi/v1.json; its path."""
    path = root / "schemas" / "openapi" / "v1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render())
    return path


def release(root: Path) -> list[str]:
    """Make today's contract the one that is promised, unless it breaks the one that was; how it does."""
    released = root / "schemas" / "openapi" / "v1.released.json"
    broken = breaks(json.loads(released.read_text()), document())
    if not broken:
        released.write_text(render())
    return broken
