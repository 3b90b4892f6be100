"""The running service as an attacker meets it, and the places where an effect of his would show.

attack ─ASGI, byte for byte─► the real application ─► Pub/Sub (gRPC) · Medplum's place · the ledger's file · the log
                                                                all of it looked at after each attack
"""

import contextlib
import io
import json
import re
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlers import catalog
from shared.errors import Code, End
from shared.local.medplum import Medplum
from shared.settings import Tenant
from tests.journey.edge import Edge, edge
from tests.tenant import EVENT_KEY, GRAPH_TOKEN, HOOK_SECRET, PROJECT, PSEUDONYM_KEY, tenant

OTHER_PROJECT, OTHER_SECRET, SECOND_SECRET = "0d9b7c61-3f0e-4a58-9d7e-5b1f6c2a7e44", "annex-secret", "second-secret"
WEBHOOK, PUSH, TASK = "/v1/webhooks/medplum/clinic", "/v1/push/validation", "/v1/tasks/reconcile"
CANARY = "Canaryfamily"
PEER = "203.0.113.9"

type Attack = Callable[["Target"], Awaitable[list[str]]]
type Family = Mapping[str, Attack]
type Headers = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire. `chunks`: the body comes in so many pieces."""

    path: str
    body: bytes = b""
    headers: Headers = ()
    method: str = "POST"
    query: str = ""
    chunks: int = 1
    peer: str = PEER


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Target:
    """The service, and what is behind it."""

    edge: Edge
    said: io.BytesIO  # all that it logs, and all that anything prints
    ledger: Path
    medplum: Medplum

    async def send(self, request: Request) -> Answer:
        """One request to the application, as a server would hand it over."""
        pieces = [request.body[i :: request.chunks] for i in range(request.chunks)] if request.chunks > 1 else []
        waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces[:-1]]
        waiting.append({"type": "http.request", "body": pieces[-1] if pieces else request.body, "more_body": False})
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.edge.app(_scope(request), receive, send)
        headers = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))

    def keys(self) -> int:
        """How many keys the ledger has."""
        with contextlib.closing(sqlite3.connect(self.ledger)) as file:
            return int(file.execute("SELECT COUNT(*) FROM ledger").fetchone()[0])


@asynccontextmanager
async def _medplum() -> AsyncIterator[Medplum]:
    """A Medplum with both projects, each with a client of its own."""
    medplum = Medplum()
    medplum.add_project(PROJECT, [("reader", "reader-secret"), ("auditor", "auditor-secret")])
    medplum.add_project(OTHER_PROJECT, [("annex-reader", "reader-secret"), ("annex-auditor", "auditor-secret")])
    await medplum.start()
    try:
        yield medplum
    finally:
        await medplum.stop()


@asynccontextmanager
async def target(**changed: object) -> AsyncIterator[Target]:
    """A service of all zones with two tenants, a second hook of the first, and a ledger in a file."""
    first = tenant().model_dump() | {"webhooks": {"clinic": (HOOK_SECRET,), "second": (SECOND_SECRET,)}}
    if "tigergraph_url" in changed:
        first["graph_token"] = GRAPH_TOKEN
    clients = {
        "reader": {"id": "annex-reader", "secret": "reader-secret"},
        "auditors": [{"id": "annex-auditor", "secret": "auditor-secret"}],
    }
    other = first | clients | {"project": OTHER_PROJECT, "name": "annex", "dataset": "annex", "key_id": "k2"}
    other |= {
        "webhooks": {"annex": (OTHER_SECRET,)},
        "event_key": EVENT_KEY[::-1],
        "pseudonym_key": PSEUDONYM_KEY[::-1],
    }
    said = io.BytesIO()
    out = io.TextIOWrapper(said, write_through=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        ledger = Path(folder) / "ledger.sqlite"
        plain = {
            "tenants": (Tenant.model_validate(first), Tenant.model_validate(other)),
            "ledger": f"sqlite:{ledger}",
            "unsigned_per_minute": 100_000,
            "poison_limit": 100,
            "log_level": "DEBUG",
        }
        async with _medplum() as medplum, edge(**{**plain, "medplum_url": medplum.base_url, **changed}) as here:  # type: ignore[arg-type]
            yield Target(here, said, ledger, medplum)


def refused(make: Callable[[Target], Request], code: Code) -> Attack:
    """An attack with one request, which must end under `code`, without effect and without echo."""

    async def attack(on: Target) -> list[str]:
        return await strike(on, make(on), code)

    return attack


async def strike(on: Target, request: Request, code: Code) -> list[str]:
    """Send it; whatever is not as it must be. Nothing, when the attack was refused."""
    before, keys, mark = len(on.edge.published), on.keys(), on.said.tell()
    answer = await on.send(request)
    published = on.edge.published[before:]
    faults = [*_verdict(answer, code), *_effects(published, code)]
    if code.end is End.REFUSED and on.keys() != keys:
        faults.append("the ledger has a key more")
    faults += echoes(request, answer, on.said.getvalue()[mark:].decode("utf-8", "replace"))
    faults += ["quarantine holds the input" for _, message in published if CANARY.encode() in message.data]
    return faults


def _verdict(answer: Answer, code: Code) -> list[str]:
    if answer.status != code.status:
        return [f"answered {answer.status}, not {code.status}"]
    if code.status == 204:
        given = answer.headers.get("x-starvit-code")
        return [] if given == code.slug and not answer.body else [f"set aside as {given}, not {code.slug}"]
    document = json.loads(answer.body)
    faults = [] if document["code"] == code.slug else [f"refused as {document['code']}, not {code.slug}"]
    if set(document) != {"type", "title", "status", "code", "instance"}:
        faults.append("the problem document says more than it should")
    return faults


def _effects(published: Sequence[tuple[str, Any]], code: Code) -> list[str]:
    topics = sorted({topic for topic, _ in published})
    match code.end:
        case End.SET_ASIDE:
            good = [topic for topic in topics if topic != "fhir.accessed"]
            return [] if len(good) == 1 and good[0].endswith(".quarantine") else [f"published to {topics}"]
        case End.SUPERSEDED:
            return [] if topics in ([], ["fhir.accessed"]) else [f"published to {topics}"]
    return [f"published to {topics}"] if topics else []


_WORDS = re.compile(r"[A-Za-z0-9_\-]{8,}")
_KEYED = re.compile(r"[0-9a-f]{64}")
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d")  # every log line has its own
_OURS = " ".join(
    (
        *(f"{code.slug} {code.value.text}" for code in Code),
        *(f"{on.name} {on.handler} {on.quarantine}" for on in catalog.subscriptions()),
        "severity message application/problem+json content-type content-length charset=utf-8 x-correlation-id",
    )
)
EVENT_ID, CORRELATION = "a" * 64, "3fa85f64-5717-4562-b3fc-2c963f66afa6"  # keyed, and a UUID: these are to be followed


def echoes(request: Request, answer: Answer, log: str) -> list[str]:
    """Every word of the request that came back, or was written down. Not our own words, nor the thread's ids."""
    values = [value if isinstance(value, str) else value.decode("latin-1") for _, value in request.headers]
    text = " ".join((request.path, request.query, *values, request.body[:100_000].decode("latin-1")))
    thread = {value for name, value in request.headers if name == "ce-id" and _KEYED.fullmatch(str(value))}
    known = {*_WORDS.findall(_OURS), *thread, CORRELATION}
    told = answer.body.decode("latin-1") + json.dumps(dict(answer.headers))
    return [
        f"{word[:20]}… is in the {place}"
        for word in sorted({*_WORDS.findall(text), CANARY} - known)
        for place, said in (("answer", told), ("log", log))
        if word in said and not _HOUR.fullmatch(word)
    ]


def _scope(request: Request) -> dict[str, Any]:
    from urllib.parse import unquote

    headers = [
        (name.lower().encode("latin-1"), value if isinstance(value, bytes) else value.encode("latin-1"))
        for name, value in request.headers
    ]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(request.path),
        "raw_path": request.path.encode(),
        "query_string": request.query.encode(),
        "root_path": "",
        "headers": headers,
        "client": (request.peer, 40_000),
        "server": ("127.0.0.1", 8080),
    }


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "f9c8e546-e655-47fb-be43-f8b8a9c7d3f1",
    "name": [{"family": CANARY}],
    "meta": {
        "versionId": "3c87c2be-89eb-4f85-bcd8-0a07204e1bed",
        "lastUpdated": "2026-11-23T10:41:55.279Z",
        "project": PROJECT,
    },
}
SIGNED = json.dumps(PATIENT).encode()
CHANGED: dict[str, Any] = {
    "project": PROJECT,
    "type": "Patient",
    "id": PATIENT["id"],
    "version": PATIENT["meta"]["versionId"],
    "lastUpdated": PATIENT["meta"]["lastUpdated"],
    "generation": 65536,
}
CE: dict[str, str] = {
    "ce-specversion": "1.0",
    "ce-id": EVENT_ID,
    "ce-source": "urn:starvit:events:webhook",
    "ce-type": "io.starvit.fhir.resource.changed.v1",
    "ce-time": "2026-11-23T10:41:55.279Z",
    "ce-correlationid": CORRELATION,
    "content-type": "application/json",
}
