"""What a sender with a good credential may try: bodies and envelopes that two readers would read in two ways, or none."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

from shared.errors import Code
from tests.attacks.signatures import hook, sign
from tests.attacks.target import (
    CANARY,
    CE,
    CHANGED,
    PATIENT,
    PUSH,
    SIGNED,
    WEBHOOK,
    Attack,
    Family,
    Headers,
    Request,
    Target,
    refused,
)

SUBSCRIPTION = "projects/starvit/subscriptions/fhir.changed--validation"
_DATA = json.dumps(CHANGED).encode()
_JSON = [("content-type", "application/json")]
_CLOUD = [("content-type", "application/cloudevents+json")]
_ENVELOPE, _EVENT, _MALFORMED = Code.MALFORMED_ENVELOPE, Code.MALFORMED_EVENT, Code.MALFORMED_DATA


def pushed(body: bytes, headers: Headers, code: Code, *, chunks: int = 1) -> Attack:
    def make(on: Target) -> Request:
        bearer = ("authorization", f"Bearer {on.edge.token('validation')}")
        return Request(PUSH, body, [*headers, bearer], chunks=chunks)

    return refused(make, code)


def binary(code: Code, body: bytes = _DATA, *, more: Headers = (), **changed: str | bytes | None) -> Attack:
    given = {**CE, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return pushed(body, [*((n, v) for n, v in given.items() if v is not None), *more], code)


def wrapped(code: Code, *, message: Any = None, **changed: Any) -> Attack:
    good = {"attributes": CE, "data": base64.b64encode(_DATA).decode(), "messageId": "1"}
    body = {"message": good if message is None else message, "subscription": SUBSCRIPTION} | changed
    return pushed(json.dumps(body).encode(), _JSON, code)


def attributed(**changed: Any) -> Attack:
    attributes = CE | {name.replace("_", "-"): value for name, value in changed.items()}
    return wrapped(_EVENT, message={"attributes": attributes, "data": base64.b64encode(_DATA).decode()})


def structured(code: Code, *, more: Headers = (), body: bytes | None = None, **changed: Any) -> Attack:
    event = {name[3:]: value for name, value in CE.items() if name.startswith("ce-")}
    event |= {"datacontenttype": "application/json", "data": CHANGED} | changed
    return pushed(json.dumps(event).encode() if body is None else body, [*_CLOUD, *more], code)


def signed(body: bytes, code: Code = Code.BAD_BODY, *, more: Headers = ()) -> Attack:
    return refused(lambda _: hook(body=body, more=more), code)


def _patient(change: Callable[[dict[str, Any]], object]) -> bytes:
    patient: dict[str, Any] = json.loads(SIGNED)
    change(patient)
    return json.dumps(patient).encode()


def _with(**meta: Any) -> bytes:
    return _patient(lambda patient: patient["meta"].update(meta))


_BOMB = gzip.compress(b"0" * 10_000_000)
_DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
_TYPED = ("content-type", "application/fhir+json")

HOOKS: Family = {
    "a signed body that is not JSON": signed(SIGNED[:-1]),
    "a signed body that is a list": signed(b"[" + SIGNED + b"]"),
    "a signed body that is a string": signed(b'"Canaryfamily"'),
    "a signed body of nothing": signed(b""),
    "the id given twice": signed(SIGNED[:-1] + b',"id":"Canaryfamily"}'),
    "the project given twice, ours last": signed(
        SIGNED.replace(b'"project":', b'"project": "Canaryfamily", "project":')
    ),
    "a number that is none (NaN)": signed(SIGNED[:-1] + b',"x":NaN}'),
    "a number beyond all numbers": signed(SIGNED[:-1] + b',"x":1e999}'),
    "an integer of five thousand digits": signed(SIGNED[:-1] + b',"x":' + b"9" * 5000 + b"}"),
    "half of a character": signed(SIGNED[:-1] + b',"x":"\\ud800"}'),
    "bytes that are not UTF-8": signed(SIGNED[:-1] + b',"x":"\xff\xfe"}'),
    "a byte order mark before it all": signed(b"\xef\xbb\xbf" + SIGNED),
    "UTF-16": signed(SIGNED.decode().encode("utf-16")),
    "twenty thousand objects within each other": signed(_DEEP),
    "a hundred thousand brackets": signed(b"[" * 100_000),
    "an id that is a way up": signed(_patient(lambda patient: patient.update(id="../../Binary"))),
    "an id of two dots": signed(_patient(lambda patient: patient.update(id=".."))),
    "an id that is a URL": signed(_patient(lambda patient: patient.update(id="https://evil.example/Patient/1"))),
    "an id with a line break": signed(_patient(lambda patient: patient.update(id="p1\r\nx-canary: 1"))),
    "an id that is a number": signed(_patient(lambda patient: patient.update(id=7))),
    "a type that is a path": signed(_patient(lambda patient: patient.update(resourceType="Patient/../Binary"))),
    "a type of ten thousand letters": signed(_patient(lambda patient: patient.update(resourceType="P" * 10_000))),
    "a version that is a query": signed(_with(versionId="1?_format=xml")),
    "a time that is no time": signed(_with(lastUpdated="yesterday")),
    "a time that never was": signed(_with(lastUpdated="2026-02-30T00:00:00Z")),
    "no meta": signed(_patient(lambda patient: patient.pop("meta"))),
    "a list for meta": signed(_patient(lambda patient: patient.update(meta=[PATIENT["meta"]]))),
    "a packed body (gzip bomb)": signed(_BOMB, more=[("content-encoding", "gzip")]),
    "a packed body (brotli)": signed(SIGNED, more=[("content-encoding", "br")]),
    "a packed body that does not say so": signed(_BOMB),
    "packed twice, plain first": signed(_BOMB, more=[("content-encoding", "identity"), ("content-encoding", "gzip")]),
    "one byte more than the limit": refused(
        lambda _: Request(WEBHOOK, b" " * 10_000_001, [_TYPED, ("x-signature", "0" * 64)]), Code.BODY_TOO_LARGE
    ),
    "too much in pieces, without a length": refused(
        lambda _: Request(WEBHOOK, b" " * 10_000_001, [_TYPED, ("x-signature", "0" * 64)], chunks=100),
        Code.BODY_TOO_LARGE,
    ),
    "too much under a length that lies": refused(
        lambda _: Request(
            WEBHOOK, b" " * 10_000_001, [_TYPED, ("x-signature", "0" * 64), ("content-length", "10")], chunks=9
        ),
        Code.BODY_TOO_LARGE,
    ),
    "a length of five thousand digits": refused(
        lambda _: Request(WEBHOOK, SIGNED, [_TYPED, ("x-signature", sign(SIGNED)), ("content-length", "9" * 5000)]),
        Code.BODY_TOO_LARGE,
    ),
    "a page instead of JSON": refused(
        lambda _: Request(WEBHOOK, SIGNED, [("content-type", "text/html"), ("x-signature", sign(SIGNED))]),
        Code.NOT_JSON_TYPE,
    ),
    "a form from a browser": refused(
        lambda _: Request(
            WEBHOOK, SIGNED, [("content-type", "application/x-www-form-urlencoded"), ("x-signature", sign(SIGNED))]
        ),
        Code.NOT_JSON_TYPE,
    ),
    "a deletion of nothing": signed(b"{}"),
    "a deletion of a path": signed(b"{}", more=[("x-medplum-deleted-resource", "Patient/../../Binary/1")]),
    "a deletion of a URL": signed(b"{}", more=[("x-medplum-deleted-resource", "https://evil.example/Patient/1")]),
    "a deletion of two at once": signed(
        b"{}", more=[("x-medplum-deleted-resource", "Patient/1"), ("x-medplum-deleted-resource", "Patient/2")]
    ),
    "a deletion with a line break in its name": signed(
        b"{}", more=[("x-medplum-deleted-resource", "Patient/1\r\nx-canary: 1")]
    ),
}

PUSHES: Family = {
    "a push that is not JSON": pushed(b"Canaryfamily", _JSON, _ENVELOPE),
    "a push of nothing": pushed(b"", _JSON, _ENVELOPE),
    "a list instead of a message": wrapped(_ENVELOPE, message=[CE]),
    "a message without a subscription": wrapped(_ENVELOPE, subscription=None),
    "a message for another handler's subscription": wrapped(
        Code.WRONG_CALLER, subscription="projects/starvit/subscriptions/fhir.validated--deid"
    ),
    "a message of a subscription that only ends like ours": wrapped(
        Code.WRONG_CALLER, subscription="projects/starvit/subscriptions/evil-fhir.changed--validation"
    ),
    "data that is not base64": wrapped(_ENVELOPE, message={"attributes": CE, "data": "Canaryfamily!"}),
    "data in the URL's base64": wrapped(_ENVELOPE, message={"attributes": CE, "data": "_-_-"}),
    "data that is an object": wrapped(_ENVELOPE, message={"attributes": CE, "data": CHANGED}),
    "data that is a message itself": wrapped(
        _MALFORMED,
        message={
            "attributes": CE,
            "data": base64.b64encode(
                json.dumps({"message": {"attributes": CE, "data": ""}, "subscription": SUBSCRIPTION}).encode()
            ).decode(),
        },
    ),
    "attributes that are a list": wrapped(_ENVELOPE, message={"attributes": [CE], "data": ""}),
    "an attribute that is an object": attributed(ce_id={"Canaryfamily": 1}),
    "an attribute with a line break": attributed(ce_source="urn:starvit:events:webhook\r\nx-canary: 1"),
    "an attribute in two spellings": attributed(CE_ID="b" * 64),
    "the message given twice": pushed(
        b'{"message":{},"message":' + json.dumps({"attributes": CE}).encode() + b',"subscription":"x"}',
        _JSON,
        _ENVELOPE,
    ),
    "an event's headers over a wrapped push": pushed(
        json.dumps(
            {
                "message": {"attributes": CE, "data": base64.b64encode(_DATA).decode()},
                "subscription": SUBSCRIPTION,
            }
        ).encode(),
        list(CE.items()),
        _MALFORMED,
    ),
    "Eventarc's type over a body that is none": binary(
        _ENVELOPE, ce_type="google.cloud.pubsub.topic.v1.messagePublished"
    ),
    "structured and binary at once": structured(_ENVELOPE, more=[("ce-id", "b" * 64)]),
    "a batch of events": pushed(b"[]", [("content-type", "application/cloudevents-batch+json")], _ENVELOPE),
    "a format that nobody here reads": pushed(b"\x00", [("content-type", "application/cloudevents+avro")], _ENVELOPE),
    "data and encoded data at once": structured(_EVENT, data_base64="e30="),
    "an event with NaN": structured(_ENVELOPE, body=b'{"specversion":"1.0","id":NaN}'),
    "an event with its id twice": structured(_ENVELOPE, body=b'{"id":"a","id":"b"}'),
    "an event within ten thousand objects": structured(_ENVELOPE, body=_DEEP),
    "an event in another charset": pushed(
        b"{}", [("content-type", "application/cloudevents+json; charset=utf-16")], _ENVELOPE
    ),
    "no id": binary(_EVENT, ce_id=None),
    "an id that is text": binary(_EVENT, ce_id="Canaryfamily"),
    "an id given twice": binary(_EVENT, more=[("ce-id", "b" * 64)]),
    "an id beyond ASCII": binary(_EVENT, ce_id="é".encode("latin-1") * 32),
    "a source that is a URL": binary(_EVENT, ce_source="https://evil.example/"),
    "a source that only begins like ours": binary(_EVENT, ce_source="urn:starvit:events:webhook/../evil"),
    "a spec version of tomorrow": binary(_EVENT, ce_specversion="9.9"),
    "a time without a zone": binary(_EVENT, ce_time="2026-11-23T10:41:55"),
    "a time that never was, in an attribute": binary(_EVENT, ce_time="2026-02-30T00:00:00Z"),
    "a correlation id that is a letter": binary(_EVENT, ce_correlationid="Dear Mrs Canaryfamily"),
    "a header with a line break in it": binary(_EVENT, ce_source=b"urn:starvit:events:webhook\r\nx-canary: 1"),
    "a type that nobody knows": binary(Code.UNKNOWN_TYPE, ce_type="io.example.canaryfamily.v1"),
    "a type of another handler": binary(
        Code.UNKNOWN_TYPE,
        json.dumps(
            {"project": "clinic", "keyId": "k1", "resourceType": "Patient", "key": "b1" * 16}
            | {"sequence": "1", "deleted": True}
        ).encode(),
        ce_type="io.starvit.analytics.committed.v1",
    ),
    "HTML instead of JSON": binary(_EVENT, content_type="text/html"),
    "a field that nobody asked for": binary(_MALFORMED, json.dumps(CHANGED | {CANARY: CANARY}).encode()),
    "the resource itself instead of a reference": binary(_MALFORMED, SIGNED),
    "a generation of this century's seconds to the tenth": binary(
        _MALFORMED, json.dumps(CHANGED | {"generation": 10**30}).encode()
    ),
    "a generation that is a word": binary(_MALFORMED, json.dumps(CHANGED | {"generation": "1"}).encode()),
    "an id that is a URL, in an event": binary(
        _MALFORMED, json.dumps(CHANGED | {"id": "https://evil.example/"}).encode()
    ),
    "an id of two dots, in an event": binary(_MALFORMED, json.dumps(CHANGED | {"id": ".."}).encode()),
    "half of a character, in an event": binary(_MALFORMED, _DATA[:-1] + b',"x":"\\udfff"}'),
    "a packed push": binary(Code.BAD_BODY, gzip.compress(_DATA), more=[("content-encoding", "gzip")]),
    "a push of fifteen megabytes": pushed(b" " * 15_000_000, _JSON, Code.BODY_TOO_LARGE, chunks=10),
}

ATTACKS: Family = {**HOOKS, **PUSHES}
