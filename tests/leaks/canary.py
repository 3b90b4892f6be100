"""Fuzzed requests whose every text is a canary, and every channel in which one might sing.

    CANARY  stands for what nobody may tell: a name, a note, a header, an error's words. Allowed in no channel.
    NAMED   stands in FHIR ids, versions, projects: the reference. Allowed in the data of clinical messages, nowhere else.

Both are looked for in any case, in base64 at each of its three shifts, and in hex.
"""

import base64
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from handlers import catalog
from shared.events.data import Accessed
from shared.subscriber import Subscription
from shared.telemetry import snapshots
from shared.telemetry.metrics import SERIES
from tests.leaks.rig import Rig, meta
from tests.tenant import PROJECT

CANARY, NAMED = "Zqcanaryzq", "Zqnamedzq"
CLINICAL = frozenset({
    *("fhir.changed", "fhir.validated", "fhir.accessed", "fhir.text-pending"),
    *("validation.quarantine", "deid.quarantine", "text.quarantine", "audit.quarantine"),
})  # fmt: skip
FAULTS = ("refused", "broken", "down", "garbled", "foreign", "unforeseen")
_IDS = frozenset({"project", "id", "version", "patient"})
_TYPES = ("Patient", "Observation", "Condition", "DocumentReference", "Encounter")
_HEADERS = ("x-trace-id", "traceparent", "x-request-id", "x-correlation-id", "user-agent", "x-forwarded-for", "referer")


def _forms(canary: str) -> set[bytes]:
    """The canary as it stands, and in the codings that programs use. Compared with text in small letters, except base64."""
    text = canary.encode()
    shifts = {base64.b64encode(b"x" * shift + text)[shift + 1 :].rstrip(b"=")[:-1] for shift in range(3)}
    return {text.lower(), text.hex().encode(), *shifts}


_SOUGHT = {canary: _forms(canary) for canary in (CANARY, NAMED)}
_HIDDEN = re.compile(CANARY, re.IGNORECASE)


def hidden(text: str) -> str:
    """A scrubbed text, as DLP would give it back."""
    return _HIDDEN.sub("[NAME]", text)


def sings(data: bytes, *, named: bool) -> bool:
    """Whether a canary is in these bytes; `named`: a reference may be."""
    small = data.lower()
    for canary, forms in _SOUGHT.items():
        if canary == NAMED and named:
            continue
        if any(form in small or form in data for form in forms):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Leak:
    """A canary was in this channel."""

    channel: str


def channels(rig: Rig, spans: Any = None) -> Iterator[tuple[str, bytes, bool]]:
    """All that was told: channel, bytes, and whether a reference may be there."""
    yield "stdout (the log)", rig.stdout.getvalue(), False
    yield "stderr", rig.stderr.getvalue(), False
    for error in rig.escaped:
        yield "exceptions that reach the server", error.encode(), False
    for reply in rig.replies:
        yield "response headers", b"\n".join(name + b": " + value for name, value in reply.headers), False
        yield "response bodies", reply.body, False
    for topic, message in rig.published:
        attributes = f"{dict(message.attributes)} {message.ordering_key}".encode()
        yield f"attributes ({'quarantine' if topic.endswith('quarantine') else 'events'})", attributes, False
        yield f"data ({topic})", message.data, topic in CLINICAL
    for row in rig.world.rows:
        yield "warehouse rows", row, False
    yield "metrics", f"{SERIES.numbers} {sorted(SERIES.spreads)}".encode(), False
    yield "metrics snapshots", snapshots.encode(snapshots.Snapshots("canary", "all", 1).take()).encode(), False
    for path in rig.directory.rglob("*"):
        if path.is_file():
            yield (
                "ledger file" if path.name.startswith("ledger.sqlite") else "temporary files",
                path.read_bytes(),
                False,
            )
    for span in spans.get_finished_spans() if spans is not None else ():
        yield "spans", span.to_json(indent=None).encode(), False


def leaks(rig: Rig, spans: Any = None) -> list[Leak]:
    """Every channel in which a canary is."""
    found = {channel for channel, data, named in channels(rig, spans) if sings(data, named=named)}
    return [Leak(channel) for channel in sorted(found)]


class Fuzz:
    """Requests drawn from a seed: good ones that go all the way among dependencies that fail, and bad ones of each kind."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig, self._random, self._count = rig, random.Random(seed), 0
        self._on = {on.handler: on for on in catalog.subscriptions()}
        rig.world.faults = self._faults()
        self._kinds: tuple[tuple[int, Callable[[], Any]], ...] = (
            (6, self._change),
            (2, self._deletion),
            (3, self._bad_webhook),
            (4, self._bad_attribute),
            (4, self._bad_data),
            (2, self._bad_envelope),
            (1, self._aside),
            (1, self._bad_token),
            (1, self._no_endpoint),
        )

    async def run(self, requests: int) -> None:
        """At least so many requests, and each kind of them at least once."""
        weights, kinds = zip(*self._kinds, strict=True)
        end = self._rig.requests + requests
        first = list(kinds)
        while self._rig.requests < end or first:
            await (first.pop() if first else self._random.choices(kinds, weights)[0])()
            await self._rig.flow(**self._stray())

    def _faults(self) -> Iterator[str]:
        while True:
            yield self._random.choice(FAULTS) if self._random.random() < 0.08 else ""

    def _id(self) -> str:
        self._count += 1
        return f"{NAMED}-{self._count}"

    def _stray(self) -> dict[str, str]:
        """Headers that nobody asked for."""
        return {name: self._said() for name in _HEADERS if self._random.random() < 0.3}

    def _said(self) -> str:
        """A canary, alone or among what makes programs stumble."""
        form = self._random.choice(
            ("{}", "{} Smith", "<{}>", '"{}"', "{}\t", "%s {} %d", "{{{}}}", "../{}", "é{}", "{}={}")
        )
        return form.format(CANARY, CANARY) if form.count("{}") > 1 else form.replace("{}", CANARY)

    def _resource(self) -> dict[str, Any]:
        """A resource with a canary in all its texts, some of them in places that R4 does not know."""
        type, id, version = self._random.choice(_TYPES), self._id(), self._id()
        who = {"reference": f"Patient/{NAMED}-1", "display": CANARY}
        text = {"text": CANARY, "coding": [{"system": "http://loinc.org", "code": CANARY, "display": CANARY}]}
        body: dict[str, Any] = {
            "resourceType": type,
            "id": id,
            "meta": meta(version),
            "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{CANARY}</div>'},
            "identifier": [{"system": f"urn:{CANARY}", "value": CANARY}],
            "extension": [{"url": f"urn:{CANARY}", "valueString": CANARY}],
        }
        match type:
            case "Patient":
                body |= {"name": [{"family": CANARY, "given": [CANARY]}], "birthDate": "1987-06-15", "gender": "female"}
                body |= {"telecom": [{"system": "email", "value": f"{CANARY}@example.org"}]}
            case "DocumentReference":
                data = base64.b64encode(f"Seen today: {CANARY}".encode()).decode()
                attached = {"contentType": "text/plain", "data": data, "title": CANARY, "url": f"urn:{CANARY}"}
                body |= {"status": "current", "subject": who, "content": [{"attachment": attached}]}
                body |= {"description": f"Letter on {CANARY}"}
            case "Encounter":
                body |= {"status": "finished", "class": {"system": f"urn:{CANARY}", "code": CANARY}, "subject": who}
            case _:
                body |= {
                    "status": "final",
                    "code": text,
                    "subject": who,
                    "note": [{"text": f"{CANARY.lower()} is well"}],
                }
                body |= {"valueString": f"seen by {CANARY}"} if type == "Observation" else {}
        if self._random.random() < 0.3:
            body[self._random.choice((CANARY, "status", "gender", "code"))] = self._random.choice(
                (self._said(), [self._said()], {self._said(): self._said()}, 7, None)
            )
        return body

    async def _change(self) -> None:
        await self._rig.written(self._resource(), **self._stray())

    async def _deletion(self) -> None:
        body = self._resource()
        path = f"{body['resourceType']}/{body['id']}"
        bundle = {"resourceType": "Bundle", "entry": [{"request": {"url": CANARY}}, {"resource": body}]}
        self._rig.world.resources[f"{path}/_history"] = orjson.dumps(bundle)
        deleted = path if self._random.random() < 0.7 else self._said()
        await self._rig.webhook(b"{}", **{"x-medplum-deleted-resource": deleted, **self._stray()})

    async def _bad_webhook(self) -> None:
        body, more = orjson.dumps(self._resource()), self._stray()
        match self._random.randrange(7):
            case 0:
                body = body[: self._random.randrange(len(body))]
            case 1:
                body = orjson.dumps(self._resource() | {"meta": self._said()})
            case 2:
                body = orjson.dumps(self._resource() | {"meta": meta(self._said()) | {"project": self._said()}})
            case 3:
                more |= {"content-type": self._said()}
            case 4:
                more |= {"content-encoding": self._said()}
            case 5:
                more |= {"x-signature": self._said()}
            case 6:
                body = orjson.dumps(self._resource() | {"id": [self._said()], "resourceType": self._said()})
        await self._rig.webhook(body, **more)

    def _event(self) -> tuple[Subscription, dict[str, str], dict[str, Any]]:
        """A good event for some handler, as headers and data."""
        on = self._on[self._random.choice(("validation", "deid", "text", "audit"))]
        reference = {"project": PROJECT, "type": "Patient", "id": self._id(), "version": self._id()}
        data: dict[str, Any] = reference | {"lastUpdated": "2026-11-23T10:41:55.279Z", "generation": 65536}
        type = on.takes[0].TYPE
        if on.handler == "audit":
            access = reference | {"action": "vread", "handler": "deid", "purpose": "validation"}
            access |= {"at": "2026-11-23T10:41:55.279Z"}
            type = self._random.choice(on.takes).TYPE
            data = access if type == Accessed.TYPE else self._together(access)
        elif on.handler != "validation":
            data["op"] = "write"
        headers = {
            "ce-specversion": "1.0",
            "ce-id": f"{self._count:064x}",
            "ce-source": "urn:starvit:events:webhook",
            "ce-type": type,
            "ce-time": "2026-11-23T10:41:55.279Z",
            "ce-correlationid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "ce-traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
            "content-type": "application/json",
        }
        return on, headers, data

    def _together(self, access: dict[str, Any]) -> dict[str, Any]:
        """The same access as one that travels in company."""
        act = {name: value for name, value in access.items() if name != "project"}
        act |= {"event": f"{self._count:064x}", "correlation": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}
        act |= {"patient": access["id"], "disclosure": None}
        acts = [act, act | {"event": f"{self._count + (1 << 40):064x}"}]
        return {"project": access["project"], "acts": acts[: self._random.randint(1, 2)]}

    async def _bad_attribute(self) -> None:
        on, headers, data = self._event()
        name = self._random.choice([*headers, "ce-subject", "ce-" + CANARY.lower(), "x-goog-pubsub-message-id",
                                    "x-goog-pubsub-delivery-attempt", "x-goog-pubsub-subscription-name",
                                    "x-goog-pubsub-ordering-key", "x-goog-ordering-key"])  # fmt: skip
        headers[name] = self._said()
        await self._rig.push(on, headers | self._stray(), orjson.dumps(data))

    async def _aside(self) -> None:
        """A good event under an ordering key that is none of ours, whose version is not what it should be."""
        on, headers, data = self._event()
        if "version" in data:
            self._rig.world.resources[f"{data['type']}/{data['id']}/_history/{data['version']}"] = CANARY.encode()
        headers["x-goog-pubsub-ordering-key"] = self._said()
        await self._rig.push(on, headers | self._stray(), orjson.dumps(data))

    async def _bad_data(self) -> None:
        on, headers, data = self._event()
        body = orjson.dumps(data)
        match self._random.randrange(5):
            case 0:
                part = self._random.choice([data, *data.get("acts", ())])
                place = self._random.choice(list(part))
                said = self._said()
                if place in _IDS and said == CANARY:
                    said = (
                        self._id()
                    )  # what has the form of an id and stands for one may go where references go, and no further
                part[place] = self._random.choice((said, [self._said()], None, 10**30))
                body = json.dumps(data).encode()
            case 1:
                body = orjson.dumps(data | {self._said(): self._said()})
            case 2:
                body = body[:-1] + b',"id":"' + CANARY.encode() + b'"}'
            case 3:
                body = self._said().encode()
            case 4:
                headers["ce-type"] = "io.starvit.fhir.resource.deidentified.v1"
        await self._rig.push(on, headers, body)

    async def _bad_envelope(self) -> None:
        on, headers, data = self._event()
        message = {"attributes": headers, "data": base64.b64encode(orjson.dumps(data)).decode(), "messageId": "1"}
        wrapped: dict[str, Any] = {"message": message, "subscription": f"projects/p/subscriptions/{on.name}"}
        match self._random.randrange(4):
            case 0:
                wrapped["subscription"] = self._said()
            case 1:
                wrapped["message"] = message | {self._random.choice(list(message)): self._said()}
            case 2:
                wrapped["message"] = message | {"attributes": headers | {"ce-id": self._said(), CANARY: CANARY}}
            case 3:
                wrapped[CANARY] = self._said()
        kinds = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json", self._said())
        kind = self._random.choice(kinds)
        await self._rig.push(on, {"content-type": kind} | self._stray(), orjson.dumps(wrapped))

    async def _bad_token(self) -> None:
        on, headers, data = self._event()
        given = self._random.choice((self._said(), f"Bearer {CANARY}", f"Bearer {CANARY}.{CANARY}.{CANARY}", "Bearer "))
        await self._rig.send("POST", on.path, (headers | {"authorization": given}).items(), orjson.dumps(data))

    async def _no_endpoint(self) -> None:
        method = self._random.choice(("GET", "POST", "PUT", "DELETE", CANARY))
        path = self._random.choice(
            (f"/{CANARY}", f"/v1/push/{CANARY}", f"/v1/webhooks/medplum/{CANARY}", "/v1/push/deid", "/v1/tasks/reconcile",
             "/v1/health/ready", f"/v1/health/{CANARY}")
        )  # fmt: skip
        await self._rig.send(method, path, self._stray().items(), self._said().encode())
