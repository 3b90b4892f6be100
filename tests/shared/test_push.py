"""One strict reader for four shapes of push: what is right comes through whole, what is ambiguous not at all."""

import base64
import contextlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Code, Problem
from shared.events.data import Changed
from shared.events.decode import decode
from shared.events.envelope import Event
from shared.events.push import MESSAGE_PUBLISHED, parse

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pubsub"
DATA = {
    "project": "p",
    "type": "Patient",
    "id": "p1",
    "version": "v1",
    "lastUpdated": "2026-11-23T10:41:55.279Z",
    "generation": 65536,
}
ATTRIBUTES = {
    "ce-specversion": "1.0",
    "ce-id": "a" * 64,
    "ce-source": "urn:starvit:events:webhook",
    "ce-type": Changed.TYPE,
    "ce-time": "2026-11-23T10:41:55.279Z",
    "ce-correlationid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "ce-traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
    "Content-Type": "application/json",
}
SUBSCRIPTION = "projects/starvit/subscriptions/fhir.changed--validation"
BODY = json.dumps(DATA).encode()

type Headers = list[tuple[bytes, bytes]]


def headers(**changed: str) -> Headers:
    """The headers of an unwrapped push; an empty value leaves one out."""
    given = {name.lower(): value for name, value in ATTRIBUTES.items()}
    given |= {name.replace("_", "-"): value for name, value in changed.items()}
    return [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value]


def wrapped(body: bytes = BODY, **changed: Any) -> dict[str, Any]:
    message = {
        "attributes": ATTRIBUTES,
        "data": base64.b64encode(body).decode(),
        "messageId": "136969346945",
        "message_id": "136969346945",
        "publishTime": "2026-11-23T10:41:55.279Z",
        "orderingKey": "k",
    }
    return {"message": message | changed, "subscription": SUBSCRIPTION, "deliveryAttempt": 3}


def structured(**changed: Any) -> bytes:
    event = {name.removeprefix("ce-"): value for name, value in ATTRIBUTES.items() if name != "Content-Type"}
    return json.dumps(event | {"datacontenttype": "application/json", "data": DATA} | changed).encode()


JSON: Headers = [(b"content-type", b"application/json")]
CLOUD: Headers = [(b"content-type", b"application/cloudevents+json; charset=utf-8")]
EVENTARC: Headers = [
    (b"content-type", b"application/json; charset=utf-8"),
    (b"ce-specversion", b"1.0"),
    (b"ce-type", MESSAGE_PUBLISHED.encode()),
    (b"ce-source", b"//pubsub.googleapis.com/projects/p/topics/t"),
    (b"ce-id", b"1096434104173400"),
]
SHAPES: dict[str, tuple[Headers, bytes]] = {
    "wrapped": (JSON, json.dumps(wrapped()).encode()),
    "unwrapped": (
        [
            *headers(),
            (b"x-goog-pubsub-subscription-name", SUBSCRIPTION.encode()),
            (b"x-goog-pubsub-ordering-key", b"k"),
        ],
        BODY,
    ),
    "eventarc": (EVENTARC, json.dumps(wrapped()).encode()),
    "structured": (CLOUD, structured()),
}


def read(given: Headers, body: bytes) -> Event[Any]:
    return decode(parse(given, body))


def refused(given: Headers, body: bytes) -> tuple[Code, str]:
    with pytest.raises(Problem) as raised:
        read(given, body)
    problem = raised.value
    assert "Canary" not in f"{problem}{problem.__cause__}"
    assert problem.__suppress_context__ or problem.__context__ is None
    return problem.code, problem.at


@pytest.mark.parametrize("shape", SHAPES)
def test_each_of_the_four_shapes_brings_the_same_event(shape: str) -> None:
    event = read(*SHAPES[shape])
    assert event.data == Changed.model_validate_json(BODY)
    assert (event.id, event.handler, event.correlation) == ("a" * 64, "webhook", ATTRIBUTES["ce-correlationid"])
    assert event.traceparent == ATTRIBUTES["ce-traceparent"]
    assert parse(*SHAPES[shape]).shape == shape


def test_what_pubsub_adds_is_kept_apart_from_the_event() -> None:
    push = parse(*SHAPES["wrapped"])
    assert (push.subscription, push.delivery_attempt, push.ordering_key) == (SUBSCRIPTION, 3, "k")
    assert parse(*SHAPES["unwrapped"]).subscription == SUBSCRIPTION


def test_eventarc_in_structured_mode_is_read_too() -> None:
    body = json.dumps({"specversion": "1.0", "type": MESSAGE_PUBLISHED, "data": wrapped()}).encode()
    assert read(CLOUD, body).id == "a" * 64


def test_a_published_message_survives_its_journey() -> None:
    event = read(*SHAPES["wrapped"])
    message = event.message()
    again = read([(n.lower().encode(), v.encode()) for n, v in message.attributes.items()], message.data)
    assert (again.id, again.data, again.time) == (event.id, event.data, event.time)


def test_a_pusher_that_knows_no_content_type_is_believed_to_mean_json() -> None:
    assert read(headers(content_type="application/x-www-form-urlencoded"), BODY).id == "a" * 64
    assert read(headers(content_type=""), BODY).id == "a" * 64


def test_a_time_is_kept_as_the_moment_that_it_is() -> None:
    moment = read(headers(ce_time="2026-11-23T12:41:55.279+02:00"), BODY).time
    assert moment == read(headers(), BODY).time
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("attempt", [10**30, -1, 0, True, "3", 2.5, None])
def test_an_attempt_that_is_no_count_is_not_passed_on(attempt: object) -> None:
    assert parse(JSON, json.dumps(wrapped() | {"deliveryAttempt": attempt}).encode()).delivery_attempt is None


def test_a_trace_that_is_none_is_replaced() -> None:
    assert read(headers(ce_traceparent="Canary"), BODY).traceparent.startswith("00-")


EVENT = Code.MALFORMED_EVENT
BAD_ATTRIBUTES: dict[str, tuple[dict[str, str], Code, str]] = {
    "no id": ({"ce_id": ""}, EVENT, "ce-id"),
    "an id of another form": ({"ce_id": "Canary"}, EVENT, "ce-id"),
    "an id in upper case": ({"ce_id": "A" * 64}, EVENT, "ce-id"),
    "no spec version": ({"ce_specversion": ""}, EVENT, "ce-specversion"),
    "an old spec version": ({"ce_specversion": "0.3"}, EVENT, "ce-specversion"),
    "a newer spec version": ({"ce_specversion": "1.1"}, EVENT, "ce-specversion"),
    "no source": ({"ce_source": ""}, EVENT, "ce-source"),
    "a foreign source": ({"ce_source": "//Canary"}, EVENT, "ce-source"),
    "no type": ({"ce_type": ""}, EVENT, "ce-type"),
    "a type in other letters": ({"ce_type": "Canary Type"}, EVENT, "ce-type"),
    "an unknown type": ({"ce_type": "io.example.v1"}, Code.UNKNOWN_TYPE, "ce-type"),
    "no time": ({"ce_time": ""}, EVENT, "ce-time"),
    "a date for a time": ({"ce_time": "2026-11-23"}, EVENT, "ce-time"),
    "a time without a zone": ({"ce_time": "2026-11-23T10:00:00"}, EVENT, "ce-time"),
    "a time that never was": ({"ce_time": "2026-02-30T10:00:00Z"}, EVENT, "ce-time"),
    "a time before all calendars": ({"ce_time": "0001-01-01T00:00:00+23:00"}, EVENT, "ce-time"),
    "a time after them": ({"ce_time": "9999-12-31T23:59:59-23:00"}, EVENT, "ce-time"),
    "a correlation id that is no UUID": ({"ce_correlationid": "Canary"}, EVENT, "ce-correlationid"),
    "a percent-encoded id": ({"ce_id": "%61" * 20}, EVENT, "ce-id"),
    "another content type": ({"content_type": "text/plain"}, EVENT, "content-type"),
    "another charset": ({"content_type": "application/json; charset=latin-1"}, EVENT, "content-type"),
    "a batch": ({"content_type": "application/cloudevents-batch+json"}, Code.MALFORMED_ENVELOPE, "content-type"),
    "avro": ({"content_type": "application/cloudevents+avro"}, Code.MALFORMED_ENVELOPE, "content-type"),
    "a control character": ({"ce_source": "urn:starvit:events:web\x00hook"}, EVENT, "ce-source"),
    "letters beyond ASCII": ({"ce_source": "urn:starvit:events:wébhook"}, EVENT, "ce-source"),
    "an unknown attribute with a control character": ({"ce_canary": "\x07"}, EVENT, "ce-*"),
}


@pytest.mark.parametrize("why", BAD_ATTRIBUTES)
def test_a_malformed_attribute_is_named_and_not_quoted(why: str) -> None:
    changed, code, place = BAD_ATTRIBUTES[why]
    assert refused(headers(**changed), BODY) == (code, place)


def test_a_header_that_comes_twice_is_refused() -> None:
    assert refused([*headers(), (b"ce-id", b"b" * 64)], BODY) == (EVENT, "ce-id")


BAD_DATA: dict[str, tuple[bytes, str]] = {
    "malformed JSON": (BODY[:-1], "data"),
    "an array": (b"[]", "data"),
    "a string": (b'"Canary"', "data"),
    "nothing": (b"", "data"),
    "duplicate keys": (BODY[:-1] + b',"id":"Canary"}', "data"),
    "NaN": (BODY.replace(b"65536", b"NaN"), "data"),
    "a number that is none": (BODY.replace(b"65536", b'"Canary"'), "data.generation"),
    "a number too many": (BODY.replace(b"65536", b"-1"), "data.generation"),
    "a field missing": (json.dumps({k: v for k, v in DATA.items() if k != "id"}).encode(), "data.id"),
    "an unknown field": (json.dumps(DATA | {"Canary": 1}).encode(), "data"),
    "an id that steps out of its path": (json.dumps(DATA | {"id": "../Canary"}).encode(), "data.id"),
    "an id that is two dots": (json.dumps(DATA | {"id": ".."}).encode(), "data.id"),
    "a time that is none": (json.dumps(DATA | {"lastUpdated": "Canary"}).encode(), "data.lastUpdated"),
    "not UTF-8": (BODY.replace(b"p1", b"p\xff"), "data"),
    "half a surrogate pair": (BODY.replace(b'"p1"', b'"\\ud800"'), "data"),
    "nesting without end": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "data"),
}


@pytest.mark.parametrize("shape", ["unwrapped", "wrapped"])
@pytest.mark.parametrize("why", BAD_DATA)
def test_malformed_data_is_refused_with_its_place_in_either_mode(why: str, shape: str) -> None:
    body, place = BAD_DATA[why]
    given = (headers(), body) if shape == "unwrapped" else (JSON, json.dumps(wrapped(body)).encode())
    assert refused(*given) == (Code.MALFORMED_DATA, place)


ENVELOPE = Code.MALFORMED_ENVELOPE
BAD_ENVELOPES: dict[str, tuple[Headers, bytes, Code]] = {
    "malformed JSON": (JSON, b'{"message":', ENVELOPE),
    "duplicate keys": (JSON, json.dumps(wrapped()).encode()[:-1] + b',"subscription":"x"}', ENVELOPE),
    "an array": (JSON, b"[]", ENVELOPE),
    "no message": (JSON, b'{"subscription":"s"}', ENVELOPE),
    "a message that is a string": (JSON, b'{"message":"Canary","subscription":"s"}', ENVELOPE),
    "no subscription": (JSON, json.dumps({"message": wrapped()["message"]}).encode(), ENVELOPE),
    "bad base64": (JSON, json.dumps(wrapped(data="Canary!")).encode(), ENVELOPE),
    "data that is a number": (JSON, json.dumps(wrapped(data=5)).encode(), ENVELOPE),
    "attributes that are a list": (JSON, json.dumps(wrapped(attributes=[])).encode(), ENVELOPE),
    "an attribute that is a number": (JSON, json.dumps(wrapped(attributes={**ATTRIBUTES, "ce-id": 5})).encode(), EVENT),
    "an attribute in two spellings": (
        JSON,
        json.dumps(wrapped(attributes={**ATTRIBUTES, "CE-ID": "b" * 64})).encode(),
        EVENT,
    ),
    "no attributes": (JSON, json.dumps(wrapped(attributes={})).encode(), EVENT),
    "forged ce-* headers around a wrapped push": (headers(), json.dumps(wrapped()).encode(), Code.MALFORMED_DATA),
    "a wrapped push in another charset": (
        [(b"content-type", b"application/json; charset=utf-16")],
        json.dumps(wrapped()).encode(),
        ENVELOPE,
    ),
    "an ordering key with a line break": (JSON, json.dumps(wrapped(orderingKey="k\nCanary")).encode(), ENVELOPE),
    "an ordering key beyond Pub/Sub's limit": (JSON, json.dumps(wrapped(orderingKey="k" * 1025)).encode(), ENVELOPE),
    "an ordering key that is a number": (JSON, json.dumps(wrapped(orderingKey=5)).encode(), ENVELOPE),
    "a subscription with a line break": (JSON, json.dumps(wrapped() | {"subscription": "a\nb"}).encode(), ENVELOPE),
    "eventarc without a spec version": (
        [header for header in EVENTARC if header[0] != b"ce-specversion"],
        json.dumps(wrapped()).encode(),
        EVENT,
    ),
    "eventarc around eventarc": (
        EVENTARC,
        json.dumps(wrapped(attributes={**ATTRIBUTES, "ce-type": MESSAGE_PUBLISHED})).encode(),
        EVENT,
    ),
    "an HTML page": ([(b"content-type", b"text/html")], b"<p>Canary", ENVELOPE),
    "structured, not JSON": (CLOUD, b"Canary", ENVELOPE),
    "structured, an array": (CLOUD, b"[]", ENVELOPE),
    "structured, data twice": (CLOUD, structured(data_base64="e30="), EVENT),
    "structured, duplicate keys": (CLOUD, structured()[:-1] + b',"id":"b"}', ENVELOPE),
    "structured, a number for an id": (CLOUD, structured(id=5), EVENT),
    "structured, null for a subject": (CLOUD, structured(subject=None), EVENT),
    "structured, a nested attribute": (CLOUD, structured(other={"Canary": 1}), EVENT),
    "structured, bad base64": (CLOUD, structured(data=None, data_base64="Canary!"), ENVELOPE),
    "structured, null data": (CLOUD, structured(data=None), Code.MALFORMED_DATA),
    "structured, latin-1": (CLOUD, b'{"id":"\xe9"}', ENVELOPE),
    "structured eventarc of an old spec version": (
        CLOUD,
        json.dumps({"specversion": "0.3", "type": MESSAGE_PUBLISHED, "data": wrapped()}).encode(),
        EVENT,
    ),
    "structured, in another charset": (
        [(b"content-type", b"application/cloudevents+json; charset=iso-8859-1")],
        structured(),
        ENVELOPE,
    ),
    "structured, a number beyond 64 bits": (
        CLOUD,
        structured(data=DATA | {"generation": 10**30}),
        Code.MALFORMED_DATA,
    ),
    "structured, NaN": (CLOUD, structured(generation=1).replace(b"65536", b"NaN"), ENVELOPE),
}


@pytest.mark.parametrize("why", BAD_ENVELOPES)
def test_an_envelope_that_is_none_is_refused(why: str) -> None:
    given, body, code = BAD_ENVELOPES[why]
    assert refused(given, body)[0] is code


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded pushes are not beside this checkout")
@pytest.mark.parametrize("name", ["a_wrapped_attrs", "a_wrapped_plain", "d_ordering", "e_dlq_attempt", "dlq_push"])
def test_pushes_that_a_real_pubsub_made_are_taken_apart_and_refused_for_they_are_no_events_of_ours(name: str) -> None:
    for request in json.loads((RECORDED / f"{name}.json").read_text())["requests"]:
        given = [(key.lower().encode(), value.encode("latin-1")) for key, value in request["headers"]]
        push = parse(given, request["body"].encode())
        assert push.shape == "wrapped"
        assert push.subscription
        with pytest.raises(Problem) as raised:
            decode(push)
        assert raised.value.code is EVENT


_NAMES = st.sampled_from([name.lower().encode() for name in ATTRIBUTES] + [b"x-goog-pubsub-message-id", b"other"])
_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "subscription", "data", "attributes", "id", "type"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(st.tuples(_NAMES, st.binary(max_size=40)), max_size=8),
    st.binary(max_size=80) | _ANY_JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([JSON, CLOUD, EVENTARC, headers(), []]),
)
def test_whatever_comes_is_an_event_or_a_problem(more: Headers, body: bytes, base: Headers) -> None:
    with contextlib.suppress(Problem):
        assert read([*base, *more], body).id


def _places(value: object, here: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where in a JSON object anything could stand instead."""
    inside = value.items() if isinstance(value, dict) else ()
    return [here, *(place for name, inner in inside for place in _places(inner, (*here, name)))]


def _put(value: Any, place: tuple[str, ...], other: object) -> Any:
    return value | {place[0]: _put(value[place[0]], place[1:], other)} if place else other


_ENVELOPES = {
    "wrapped": (JSON, wrapped()),
    "eventarc": (EVENTARC, wrapped()),
    "structured": (CLOUD, json.loads(structured())),
}
_ODD: st.SearchStrategy[object] = st.sampled_from(
    [10**30, -(10**30), 1e308, "", "\x00", "\u2028", "é", "A" * 2000, True, None, [], {}, [[[]]]]
)


@given(st.data(), st.sampled_from(sorted(_ENVELOPES)))
def test_a_real_push_with_anything_in_any_place_is_an_event_or_a_problem(data: st.DataObject, shape: str) -> None:
    given, envelope = _ENVELOPES[shape]
    place = data.draw(st.sampled_from(_places(envelope)))
    body = json.dumps(_put(envelope, place, data.draw(_ODD | _ANY_JSON))).encode()
    with contextlib.suppress(Problem):
        push = parse(given, body)
        assert push.delivery_attempt is None or 0 < push.delivery_attempt < 2**31
        assert decode(push).message().data
