"""The real application in this process, and around it a world that quotes back whatever it is given.

    request ─► create_app: endpoints, pipeline, handlers, Google's and httpx's calls ─► Medplum, Pub/Sub, BigQuery, DLP
                                                                                         that answer well, or badly and
                                                                                         with the value in their words

Only the wires are replaced, where the clients would open a connection. Whatever the process tells is kept by channel, for
tests to read. Its clock is the rig's own, so that no gate stays shut and no minute passes.
"""

import hashlib
import hmac
import io
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import httpx
import orjson
from google.api_core.exceptions import InternalServerError, InvalidArgument
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from handlers import app as wiring
from handlers import catalog
from shared import egress
from shared.events.envelope import Message
from shared.ledger import opening
from shared.ledger.port import Ledger
from shared.local.issuer import Issuer
from shared.subscriber import Subscription
from tests.tenant import HOOK_SECRET, PROJECT, settings

STEP = 40.0  # seconds that pass with each request: longer than a gate stays shut after a failure
URL = "http://127.0.0.1:8080"
START = 1_790_000_000.0


@dataclass(slots=True)
class Reply:
    """An answer of the application, as the server would send it on."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass(slots=True)
class World:
    """What is around the application. `faults` are drawn by whoever asks: the next answers, good where there is none."""

    issuer: Issuer
    clock: list[float]
    resources: dict[str, bytes] = field(default_factory=dict)
    published: list[tuple[str, Message]] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    faults: Iterator[str] = field(default_factory=lambda: iter(()))

    def fault(self, *of: str) -> str:
        """The next fault, if it is one of these."""
        drawn = next(self.faults, "")
        return drawn if drawn in of else ""

    # Medplum, and the issuer's keys

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/certs":
            return _http(200, orjson.dumps(self.issuer.jwks()))
        if path.endswith("/oauth2/token"):
            return _http(200, orjson.dumps({"access_token": "t", "expires_in": 3600}))
        known = self.resources.get(path.removeprefix("/fhir/R4/"), b"")
        match self.fault("refused", "broken", "down", "garbled", "foreign", "unforeseen"):
            case "refused":
                return _outcome(400, request, known)
            case "broken":
                raise httpx.ReadError(f"lost {path} {known!r}", request=request)
            case "down":
                return _outcome(503, request, known)
            case "garbled":
                return _http(200, known[:-3] + b'"')
            case "foreign":
                return _http(200, known.replace(PROJECT.encode(), b"another"))
            case "unforeseen":
                raise RuntimeError(f"{path} {known!r}")
        if request.method == "POST":
            return _http(201, b"{}")
        if path.endswith("/_history"):
            return _http(200, known or b"{}")
        return _http(200, known) if known else _outcome(404, request, known)

    # Pub/Sub

    def unary_unary(self, *_: Any) -> Any:
        """The channel of the publisher: its one method."""
        return self.publish

    async def publish(self, request: Any, **_: Any) -> Any:
        topic = request.topic.rsplit("/", 1)[-1]
        said = " ".join(f"{one.data!r} {dict(one.attributes)}" for one in request.messages)
        match self.fault("refused", "unforeseen"):
            case "refused":
                raise AioRpcError(StatusCode.INVALID_ARGUMENT, Metadata(), Metadata(), said, said)
            case "unforeseen":
                raise AioRpcError(StatusCode.UNKNOWN, Metadata(), Metadata(), said, said)
        for one in request.messages:
            self.published.append((topic, Message(one.data, dict(one.attributes), one.ordering_key)))
        return SimpleNamespace(message_ids=["1"] * len(request.messages))

    # BigQuery

    async def append_rows(self, requests: AsyncIterator[Any], **_: Any) -> AsyncIterator[Any]:
        return self._appended(requests)

    async def _appended(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            rows = list(request.proto_rows.rows.serialized_rows)
            error = SimpleNamespace(code=0, message="", details=[])
            match self.fault("refused", "down", "broken", "unforeseen"):
                case "refused":
                    bad = [SimpleNamespace(index=at, message=f"row {row!r}") for at, row in enumerate(rows)]
                    yield SimpleNamespace(row_errors=bad, error=error)
                    continue
                case "down":
                    yield SimpleNamespace(row_errors=[], error=SimpleNamespace(code=3, message=repr(rows), details=[]))
                    continue
                case "broken" | "unforeseen":
                    raise InternalServerError(repr(rows))
            self.rows += rows
            yield SimpleNamespace(row_errors=[], error=error)

    # DLP: it finds the canary, so that no scrubbed text holds it

    async def deidentify_content(self, request: Any, **_: Any) -> Any:
        from google.cloud.dlp_v2 import DeidentifyContentResponse

        from tests.leaks.canary import hidden

        answer = DeidentifyContentResponse(item=request.item)
        cells = [value for row in answer.item.table.rows for value in row.values]
        if any(self.fault("refused", "down", "unforeseen") for _ in range(5)):  # it is asked seldom, so it fails often
            raise InvalidArgument(" ".join(cell.string_value for cell in cells))
        for cell in cells:
            cell.string_value = hidden(cell.string_value)
        return answer

    async def close(self) -> None:
        """Every client's transport."""

    async def aclose(self) -> None:
        """httpx's transport."""

    @property
    def transport(self) -> "World":
        return self


def _http(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """An answer whose body comes over a wire."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def _outcome(status: int, request: httpx.Request, resource: bytes) -> httpx.Response:
    """An OperationOutcome that quotes what it is about, as Medplum's do."""
    said = f"{request.method} {request.url} {request.content!r} {resource!r}"
    issue = {"severity": "error", "code": "invalid", "details": {"text": said}, "diagnostics": said}
    headers = {"ratelimit": f'"{said.encode("ascii", "replace").decode()[:60]}";r=1;t=1'.replace("\n", " ")}
    return _http(status, orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]}), headers)


@dataclass(slots=True)
class Rig:
    """The application, its world, and what it told. `replies` grow with each request until they are taken."""

    app: Any
    world: World
    directory: Path
    stdout: io.BytesIO
    stderr: io.BytesIO
    ledger: Ledger
    replies: list[Reply] = field(default_factory=list)
    escaped: list[str] = field(default_factory=list)
    requests: int = 0
    _delivered: int = 0
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def published(self) -> list[tuple[str, Message]]:
        return self.world.published

    async def send(self, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> Reply:
        """One request, as uvicorn hands it on; what the application raises is kept, for the server would log it."""
        self.requests += 1
        self.world.clock[0] += STEP
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": raw,
            "client": ("192.0.2.1", 1), "server": ("127.0.0.1", 8080),
        }  # fmt: skip
        reply, given = Reply(0, [], b""), iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Mapping[str, Any]:
            return next(given, {"type": "http.disconnect"})

        async def take(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                reply.status, reply.headers = message["status"], list(message["headers"])
            else:
                reply.body += message.get("body", b"")

        try:
            await self.app(scope, receive, take)
        except Exception as error:  # noqa: BLE001 - a channel like any other
            self.escaped.append(repr(error))
        self.replies.append(reply)
        return reply

    async def webhook(self, body: bytes, **more: str) -> Reply:
        """A signed webhook."""
        signature = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/fhir+json", "x-signature": signature, **more}
        return await self.send("POST", "/v1/webhooks/medplum/clinic", headers.items(), body)

    async def patient(self, id: str, version: str, **more: str) -> None:
        """A Patient is written in Medplum, which tells of it."""
        body = {"resourceType": "Patient", "id": id, "gender": "female", "meta": meta(version)}
        await self.written(body, **more)

    async def written(self, body: dict[str, Any], **more: str) -> Reply:
        """Any resource is written in Medplum, which tells of it."""
        content = orjson.dumps(body)
        path = f"{body['resourceType']}/{body['id']}"
        self.world.resources[path] = self.world.resources[f"{path}/_history/{body['meta']['versionId']}"] = content
        return await self.webhook(content, **{name.replace("_", "-"): value for name, value in more.items()})

    async def deliver(self, topic: str, message: Message, **more: str) -> None:
        """Push a message to every handler that listens to the topic."""
        for on in catalog.subscriptions():
            if on.topic == topic:
                attributes = {name.lower(): value for name, value in message.attributes.items()}
                await self.push(on, attributes | more, message.data)

    async def push(self, on: Subscription, headers: Mapping[str, str], body: bytes) -> Reply:
        """An unwrapped push with a good token."""
        given = {"authorization": f"Bearer {self.token(on)}", **headers}
        return await self.send("POST", on.path, given.items(), body)

    def token(self, on: Subscription) -> str:
        """A good token, made anew before it ends."""
        until, token = self._tokens.get(on.handler, (0.0, ""))
        if self.world.clock[0] + STEP >= until:
            using = settings(public_url=URL)
            token = self.world.issuer.token(using.account(on.handler), using.audience(on.handler))
            self._tokens[on.handler] = self.world.clock[0] + 3000, token
        return token

    async def flow(self, **more: str) -> None:
        """Deliver all that was published, and what that leads to, once each."""
        while self._delivered < len(self.published):
            topic, message = self.published[self._delivered]
            self._delivered += 1
            await self.deliver(topic, message, **more)

    def forget(self) -> None:
        """Let go of what was told so far."""
        for kept in (self.replies, self.escaped, self.world.published, self.world.rows):
            kept.clear()
        self.world.resources.clear()
        self._delivered = 0
        for stream in (self.stdout, self.stderr):
            stream.seek(0)
            stream.truncate()


def meta(version: str) -> dict[str, str]:
    """The meta of a version in the tenant's project."""
    return {"versionId": version, "lastUpdated": "2026-11-23T10:41:55.279Z", "project": PROJECT}


@contextmanager
def streams() -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """This process's stdout and stderr, kept."""
    out, err = io.BytesIO(), io.BytesIO()
    before, kept = (sys.stdout, sys.stderr), [io.TextIOWrapper(one, write_through=True) for one in (out, err)]
    sys.stdout, sys.stderr = kept
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before
        for one in kept:
            one.detach()  # else its end would close what the test still reads


@asynccontextmanager
async def rig(**changed: object) -> AsyncIterator[Rig]:
    """Start the application in this process; its ledger and its temporary files are in a directory of their own."""
    clock = [START]
    world = World(Issuer(now=lambda: clock[0]), clock)
    ledgers: list[Ledger] = []
    opened = opening.open_ledger

    def open_ledger(*args: Any, **options: Any) -> Ledger:
        ledgers.append(opened(*args, **options))
        return ledgers[-1]

    def http(*_: Any, **__: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=world)  # type: ignore[arg-type]

    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for target, stand_in in {
            "tempfile.tempdir": str(directory),
            "handlers.zones.wiring.time": SimpleNamespace(time=lambda: clock[0]),
            "handlers.zones.wiring.open_ledger": open_ledger,
            "handlers.zones.wiring.egress": SimpleNamespace(client=http, host_of=egress.host_of),
            "shared.sinks.pubsub.publish_channel": lambda _: world,
            "shared.sinks.bigquery.warehouse.BigQueryWarehouse._connect": lambda _: world,
            "shared.deid.text.dlp.Dlp._connected": lambda _: world,
        }.items():
            stack.enter_context(patch(target, stand_in))
        out, err = stack.enter_context(streams())
        embedded = {"ledger": f"sqlite:{directory / 'ledger.sqlite'}", "text": "dlp", "dlp_endpoint": "rig"}
        hosts = {"jwks_url": "http://127.0.0.1/certs", "medplum_url": "http://127.0.0.1", "public_url": URL}
        using = settings("all", **{"poison_limit": 100, **hosts, **embedded, **changed})
        app = wiring.create_app(using)
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield Rig(app, world, directory, out, err, ledgers[0])
