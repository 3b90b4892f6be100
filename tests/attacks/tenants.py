"""One tenant in another's things: by a body, a path, an event, a deletion, or by what Medplum is made to answer."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.errors import Code
from tests.attacks.signatures import hook, sign
from tests.attacks.target import (
    CE,
    CHANGED,
    OTHER_PROJECT,
    OTHER_SECRET,
    PATIENT,
    SIGNED,
    Attack,
    Family,
    Request,
    Target,
    refused,
    strike,
    target,
)
from tests.tenant import PROJECT

_ANNEX = "/v1/webhooks/medplum/annex"
_CLAIM = "io.starvit.fhir.resource.deletion-claimed.v1"


def _of(project: object) -> bytes:
    return json.dumps(PATIENT | {"meta": PATIENT["meta"] | {"project": project}}).encode()


def _signed(body: bytes, code: Code = Code.WRONG_TENANT) -> Attack:
    return refused(lambda _: hook(body=body), code)


def _push(on: Target, data: dict[str, Any], *, handler: str = "validation", **changed: str) -> Request:
    bearer = f"Bearer {on.edge.token(handler)}"
    changed = {"ce-id": hashlib.sha256(json.dumps(data).encode()).hexdigest()} | changed
    return Request(
        f"/v1/push/{handler}", json.dumps(data).encode(), [*(CE | changed).items(), ("authorization", bearer)]
    )


def _event(code: Code, **changed: object) -> Attack:
    return refused(lambda on: _push(on, CHANGED | changed), code)


async def _anothers_resource(on: Target) -> list[str]:
    """The reader of A is asked for a resource of B: to it, that is not there."""
    theirs = on.medplum.create(OTHER_PROJECT, {"resourceType": "Patient", "name": [{"family": "Annex"}]})
    version: Any = theirs["meta"]
    data = CHANGED | {"id": theirs["id"], "version": version["versionId"], "lastUpdated": version["lastUpdated"]}
    return await strike(on, _push(on, data), Code.VERSION_GONE)


async def _claimed(on: Target, id: str, code: Code) -> list[str]:
    """A captured deletion, whose body `{}` fits any resource for ever, goes the whole way to who must confirm it."""
    mark = len(on.edge.published)
    request = hook(sign(b"{}"), body=b"{}", more=[("x-medplum-deleted-resource", f"Patient/{id}")])
    answer = await on.send(request)
    [(topic, message)] = on.edge.published[mark:]
    if (answer.status, topic) != (204, "fhir.changed"):
        return [f"answered {answer.status}, published to {topic}"]
    headers = {"ce-type": _CLAIM, "ce-id": message.attributes["ce-id"]}
    return await strike(on, _push(on, json.loads(message.data), **headers), code)


async def _deletion_of_the_living(on: Target) -> list[str]:
    living = on.medplum.create(PROJECT, {"resourceType": "Patient", "name": [{"family": "Alive"}]})
    return await _claimed(on, str(living["id"]), Code.NOT_DELETED)


async def _deletion_of_anothers(on: Target) -> list[str]:
    theirs = on.medplum.create(OTHER_PROJECT, {"resourceType": "Patient", "name": [{"family": "Annex"}]})
    return await _claimed(on, str(theirs["id"]), Code.VERSION_GONE)


async def _deletion_of_nobody(on: Target) -> list[str]:
    return await _claimed(on, "never-was-there", Code.VERSION_GONE)


@asynccontextmanager
async def _treacherous(resource: dict[str, Any]) -> AsyncIterator[str]:
    """A Medplum that answers every read with this resource."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        token = {"access_token": "x", "token_type": "Bearer", "expires_in": 3600}
        body = json.dumps(token if head.startswith(b"POST") else resource).encode()
        kind = b"application/json" if head.startswith(b"POST") else b"application/fhir+json"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nConnection: close\r\n")
        writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def _answered(code: Code, **changed: Any) -> Attack:
    async def attack(_: Target) -> list[str]:
        async with _treacherous(PATIENT | changed) as url, target(medplum_url=url) as on:
            return await strike(on, _push(on, CHANGED), code)

    return attack


_ROW = {
    "resourceType": "Patient",
    "key": "b1" * 16,
    "sequence": "1/0/0/1",
    "version": "b2" * 16,
    "generation": 65536,
    "deleted": True,
    "policy": "safe-harbor",
    "policyHash": "b3" * 16,
    "resource": None,
}


def _row(code: Code, project: str, key_id: str) -> Attack:
    row = _ROW | {"project": project, "keyId": key_id}
    kind = {"ce-type": "io.starvit.fhir.resource.deidentified.v1", "ce-source": "urn:starvit:events:deid"}
    return refused(lambda on: _push(on, row, handler="analytics", **kind), code)


ATTACKS: Family = {
    "a resource of B over A's hook, signed by A": _signed(_of(OTHER_PROJECT)),
    "a resource of B over A's hook, signed by B": refused(
        lambda _: hook(sign(_of(OTHER_PROJECT), OTHER_SECRET), body=_of(OTHER_PROJECT)), Code.BAD_SIGNATURE
    ),
    "a resource of A over B's hook, signed by A": refused(lambda _: hook(path=_ANNEX), Code.BAD_SIGNATURE),
    "a resource of A over B's hook, signed by B": refused(
        lambda _: hook(sign(SIGNED, OTHER_SECRET), path=_ANNEX), Code.WRONG_TENANT
    ),
    "a resource of no project": _signed(_of(None)),
    "a resource of both projects": _signed(_of([PROJECT, OTHER_PROJECT])),
    "a resource of A's project in capitals": _signed(_of(PROJECT.upper())),
    "a resource of A's project and a space": _signed(_of(PROJECT + " ")),
    "a resource of every project": _signed(_of("*")),
    "an event of a project that nobody serves": _event(Code.UNKNOWN_PROJECT, project="another"),
    "an event of a project that is a path": _event(Code.MALFORMED_DATA, project="../annex"),
    "an event of A that names a resource of B": _anothers_resource,
    "Medplum made to answer with another project's resource": _answered(
        Code.FOREIGN_PROJECT, meta=PATIENT["meta"] | {"project": OTHER_PROJECT}
    ),
    "Medplum made to answer with another resource": _answered(Code.RESOURCE_MISMATCH, id="another-one"),
    "Medplum made to answer with another version": _answered(
        Code.RESOURCE_MISMATCH, meta=PATIENT["meta"] | {"versionId": "another-one"}
    ),
    "a row for a tenant that is not there": _row(Code.UNKNOWN_PROJECT, "evil", "k1"),
    "a row of A under B's key": _row(Code.UNKNOWN_PROJECT, "clinic", "k2"),
    "a captured deletion, replayed on a living patient": _deletion_of_the_living,
    "a captured deletion, replayed on another tenant's patient": _deletion_of_anothers,
    "a captured deletion, replayed on nobody": _deletion_of_nobody,
}
