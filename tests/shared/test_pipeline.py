"""The life of one message: each end of the table in docs/architecture.md, over real tokens, the ledger and the publisher."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared import egress
from shared.accounts import Accounts
from shared.acting import Sinks
from shared.effects import Effect, Publish
from shared.errors import Code, Problem
from shared.events.data import Act, Changed, Committed, Validated
from shared.events.envelope import Event
from shared.head import Head
from shared.identity.keys import SigningKeys
from shared.identity.push import PushTokens
from shared.ledger.memory import MemoryLedger
from shared.ledger.port import State
from shared.local.issuer import Issuer
from shared.pipeline import Answer, Pipeline
from shared.settings import Zone
from shared.sinks.memory import MemoryPublisher
from shared.subscriber import NOTHING, Read, Route, Subscription
from tests.tenant import PROJECT, settings

ON = Subscription("validation", "fhir.changed", Zone.CLINICAL, (Changed,), ("fhir.validated",))
CHANGED = Changed(
    project=PROJECT, type="Patient", id="p1", version="v1", last_updated="2026-11-23T10:41:55.279Z", generation=65536
)
EVENT = Event(
    "a" * 64,
    CHANGED,
    datetime(2026, 11, 23, tzinfo=UTC),
    "webhook",
    "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    f"00-{'1' * 32}-{'2' * 16}-01",
)
ACT = Act(
    event="c" * 64,
    correlation=EVENT.correlation,
    type="Patient",
    id="p1",
    version="v1",
    patient="p1",
    action="vread",
    handler="validation",
    purpose="validation",
    at=datetime(2026, 11, 23, tzinfo=UTC),
    disclosure=None,
)
type Handle = Callable[[Event[Any], Any], Awaitable[Sequence[Effect]]]


async def passes_on(event: Event[Any], _: object) -> Sequence[Effect]:
    """What a handler that is content decides."""
    return [Publish("fhir.validated", event.id, Validated(**dict(event.data), op="write"), "k")]


class House:
    """The pipeline with everything real but the cloud."""

    def __init__(self, issuer: Issuer, keys: SigningKeys) -> None:
        self.settings = settings("clinical", deadline=2.0)
        self.issuer, self.ledger, self.publisher = issuer, MemoryLedger(), MemoryPublisher()
        self.later = 0.0  # seconds by which the pipeline's clock is moved on
        tokens = PushTokens(keys, self.settings.oidc_issuers, time.time)
        sinks = Sinks(self.publisher, time.time)
        self.pipeline = Pipeline(
            self.settings,
            tokens=tokens,
            ledger=self.ledger,
            sinks=sinks,
            accounts=Accounts(self.publisher, time.time),
            owner="test",
            now=self.now,
        )

    def now(self) -> float:
        return time.time() + self.later

    def headers(self, event: Event[Any] = EVENT, *, token: str | None = None, **more: str) -> list[tuple[bytes, bytes]]:
        account, audience = self.settings.account("validation"), self.settings.audience("validation")
        given = {
            "authorization": f"Bearer {token or self.issuer.token(account, audience)}",
            **{name.lower(): value for name, value in event.message().attributes.items()},
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
        return [(name.encode(), value.encode()) for name, value in given.items() if value]

    async def push(
        self, handle: Handle = passes_on, *, event: Event[Any] = EVENT, read: Read[Any] = NOTHING, **more: Any
    ) -> Answer:
        headers = more.pop("headers", None) or self.headers(event)
        body = more.pop("body", None)
        return await self.pipeline.run(
            Route(ON, read, handle), Head(headers), event.message().data if body is None else body
        )

    def published(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(message.data) for to, message in self.publisher.published if to == topic]

    async def state(self, event: Event[Any] = EVENT) -> State | None:
        record = await self.ledger.get(f"validation:{event.id}")
        return record.state if record else None


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with _house() as made:
        yield made


@asynccontextmanager
async def _house() -> AsyncIterator[House]:
    issuer = Issuer()
    url = await issuer.serve("127.0.0.1", 0)
    async with egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
        keys = SigningKeys(url, http, time.time)
        await keys.start()
        try:
            yield House(issuer, keys)
        finally:
            await keys.stop()
            await issuer.stop()


def fails(code: Code, at: str = "") -> Handle:
    async def handle(_: Event[Any], __: object) -> Sequence[Effect]:
        raise Problem(code, at)

    return handle


async def test_a_first_run_is_done_and_its_duplicate_does_nothing_and_says_so(house: House) -> None:
    assert await house.push() == Answer()
    assert await house.push() == Answer(duplicate=True)
    assert len(house.published("fhir.validated")) == 1
    assert await house.state() is State.DONE


async def test_what_goes_on_keeps_the_thread_with_a_new_span(house: House) -> None:
    await house.push()
    [(_, message)] = house.publisher.published
    assert message.attributes["ce-correlationid"] == EVENT.correlation
    trace = message.attributes["ce-traceparent"]
    assert trace[3:35] == EVENT.traceparent[3:35]
    assert trace[36:52] != EVENT.traceparent[36:52]


async def test_beyond_the_door_nothing_joins_back(house: House) -> None:
    async def opens(event: Event[Any], _: object) -> Sequence[Effect]:
        data = Committed(
            project="clinic", key_id="k1", resource_type="Patient", key="f" * 64, sequence="1/0", deleted=False
        )
        return [Publish("fhir.deidentified", "e" * 64, data, "k", correlation="9b2f6a34-7a0c-4d3e-8a53-07c3b9b0a111")]

    await house.push(opens)
    [(_, message)] = house.publisher.published
    assert EVENT.traceparent[3:35] not in repr(message)
    assert EVENT.correlation not in repr(message)
    assert EVENT.id not in repr(message)


async def test_poison_is_set_aside_at_once_with_its_code_place_and_reference(house: House) -> None:
    answer = await house.push(fails(Code.RESOURCE_INVALID, "Patient.gender"))
    assert (answer.status, answer.code) == (204, Code.RESOURCE_INVALID)
    [aside] = house.published("validation.quarantine")
    assert (aside["code"], aside["at"], aside["eventId"]) == ("resource-invalid", "Patient.gender", EVENT.id)
    assert aside["event"]["id"] == "p1"
    assert await house.state() is State.POISON
    assert (await house.push()).duplicate, "poison is not worked on again until an operator reopens it"


async def test_an_operator_who_reopens_poison_gets_it_worked_on_once_more(house: House) -> None:
    await house.push(fails(Code.RESOURCE_INVALID))
    assert await house.ledger.reopen(f"validation:{EVENT.id}", now=time.time())
    assert await house.push() == Answer()
    assert await house.push() == Answer(duplicate=True)


async def test_dependency_trouble_is_never_poison(house: House) -> None:
    for _ in range(50):
        answer = await house.push(fails(Code.MEDPLUM_DOWN))
        assert (answer.status, answer.code) == (503, Code.MEDPLUM_DOWN)
    assert not house.publisher.published
    house.later = 60.0
    assert await house.push() == Answer()


async def test_a_dependency_that_failed_five_times_in_a_row_is_left_alone_for_a_while(house: House) -> None:
    asked = 0

    async def is_down(_: Event[Any], __: object) -> Sequence[Effect]:
        nonlocal asked
        asked += 1
        raise Problem(Code.MEDPLUM_BUSY, retry_after=20.0)

    answers = [await house.push(is_down) for _ in range(20)]
    assert asked == 5
    assert {answer.code for answer in answers} == {Code.MEDPLUM_BUSY}
    assert 19 < (answers[-1].retry_after or 0) <= 20
    house.later = 20.5
    assert await house.push() == Answer()
    assert await house.push(event=replace(EVENT, id="b" * 64)) == Answer()


async def test_one_tenants_trouble_does_not_stop_another(house: House) -> None:
    for _ in range(5):
        await house.push(fails(Code.MEDPLUM_DENIED))
    other = EVENT.data.model_copy(update={"project": "another"})
    assert await house.push(event=replace(EVENT, id="b" * 64, data=other)) == Answer()
    assert (await house.push()).code is Code.MEDPLUM_DENIED


async def test_a_flood_of_poison_stops_the_handler_and_is_not_drained_into_quarantine(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    codes = [
        (await house.push(fails(Code.RESOURCE_INVALID), event=replace(EVENT, id=f"{n:064x}"))).code for n in range(80)
    ]
    assert codes == [Code.RESOURCE_INVALID] * 50 + [Code.TOO_MUCH_POISON] * 30
    assert len(house.published("validation.quarantine")) == 50
    assert "handler stopped" in capfd.readouterr().out
    house.later = 61.0  # one message is let in, and is poison too: nothing more is set aside
    again = replace(EVENT, id=f"{60:064x}")
    assert (await house.push(fails(Code.RESOURCE_INVALID), event=again)).code is Code.TOO_MUCH_POISON
    assert len(house.published("validation.quarantine")) == 50
    house.later = 122.0
    assert await house.push(event=again) == Answer()  # a good one: the handler goes on
    assert (await house.push(fails(Code.RESOURCE_INVALID))).code is Code.RESOURCE_INVALID


async def test_an_instance_that_stops_takes_nothing_more_and_gives_its_leases_back(house: House) -> None:
    async def hangs(_: Event[Any], __: object) -> Sequence[Effect]:
        await asyncio.sleep(3600)
        return ()

    work = asyncio.create_task(house.push(hangs))
    while await house.state() is not State.LEASED:
        await asyncio.sleep(0)
    stop = asyncio.create_task(house.pipeline.stop(0.05))
    await asyncio.sleep(0)
    assert (await house.push(event=replace(EVENT, id="b" * 64))).code is Code.STOPPING
    await stop
    assert work.cancelled()
    record = await house.ledger.get(f"validation:{EVENT.id}")
    assert record is not None
    assert (record.state, record.code) == (State.RETRY, "stopping")


async def test_an_instance_that_stops_lets_work_end_that_can(house: House) -> None:
    async def slow(_: Event[Any], __: object) -> Sequence[Effect]:
        await asyncio.sleep(0.05)
        return ()

    work = asyncio.create_task(house.push(slow))
    while await house.state() is not State.LEASED:
        await asyncio.sleep(0)
    await house.pipeline.stop(1.0)
    assert await work == Answer()
    assert await house.state() is State.DONE


async def test_an_attempt_is_written_down_with_its_trace(house: House) -> None:
    await house.push(fails(Code.DLP_DOWN))
    await house.push()
    record = await house.ledger.get(f"validation:{EVENT.id}")
    assert record is not None
    assert [(attempt.outcome, attempt.trace) for attempt in record.attempts] == [
        ("dlp-down", "1" * 32),
        ("done", "1" * 32),
    ]


async def test_what_has_become_moot_is_done(house: House) -> None:
    answer = await house.push(fails(Code.VERSION_GONE))
    assert answer.status == 204
    assert await house.state() is State.SUPERSEDED
    assert not house.publisher.published


async def test_a_failure_that_nobody_foresaw_is_tried_twice_more_and_then_set_aside(house: House) -> None:
    async def breaks(_: Event[Any], __: object) -> Sequence[Effect]:
        raise ZeroDivisionError("Canary")

    assert [(await house.push(breaks)).status for _ in range(3)] == [503, 503, 204]
    [aside] = house.published("validation.quarantine")
    assert aside["code"] == "handler-failed"


@pytest.mark.parametrize("at", ["the publish", "quarantine"])
async def test_a_publish_that_is_not_confirmed_means_try_again(house: House, at: str) -> None:
    house.publisher.fail(1)
    handle = passes_on if at == "the publish" else fails(Code.RESOURCE_INVALID)
    assert (await house.push(handle)).status == 503
    assert await house.state() is State.RETRY
    assert (await house.push(handle)).status == 204
    assert len(house.publisher.published) == 1


async def test_the_deadline_gives_the_lease_back(house: House) -> None:
    async def hangs(_: Event[Any], __: object) -> Sequence[Effect]:
        await asyncio.sleep(60)
        return []

    answer = await house.push(hangs)
    assert (answer.status, answer.code) == (504, Code.DEADLINE)
    assert await house.state() is State.RETRY
    assert await house.push() == Answer()


async def test_a_second_delivery_waits_for_the_first_and_is_its_duplicate(house: House) -> None:
    async def slow(event: Event[Any], given: object) -> Sequence[Effect]:
        await asyncio.sleep(0.3)
        return await passes_on(event, given)

    answers = await asyncio.gather(*(house.push(slow) for _ in range(5)))
    assert sorted(answer.duplicate for answer in answers) == [False, True, True, True, True]
    assert len(house.published("fhir.validated")) == 1


async def test_a_second_delivery_that_waited_in_vain_is_sent_back(house: House) -> None:
    async def too_slow(event: Event[Any], given: object) -> Sequence[Effect]:
        await asyncio.sleep(1.9)
        return await passes_on(event, given)

    first = asyncio.create_task(house.push(too_slow))
    await asyncio.sleep(0.05)
    second = await house.push(too_slow)
    assert (second.status, second.code) == (409, Code.BUSY)
    assert await first == Answer()


async def test_the_same_id_with_another_content_is_set_aside_and_changes_nothing(house: House) -> None:
    await house.push()
    forged = Event(
        EVENT.id, CHANGED.model_copy(update={"version": "v2"}), EVENT.time, "x", EVENT.correlation, EVENT.traceparent
    )
    answer = await house.push(event=forged)
    assert (answer.status, answer.code) == (204, Code.KEY_REUSE)
    assert len(house.published("fhir.validated")) == 1
    assert await house.state() is State.DONE


async def test_phi_that_was_read_is_accounted_for_even_if_the_handler_refuses_it(house: House) -> None:
    async def fetch(_: Event[Any]) -> str:
        return "given"

    read = Read(fetch, lambda _, __: ACT)
    await house.push(fails(Code.RESOURCE_INVALID), read=read)
    await house.push(read=read)
    assert len(house.published("fhir.accessed")) == 1


async def test_a_dependency_that_is_down_was_no_access(house: House) -> None:
    async def down(_: Event[Any]) -> str:
        raise Problem(Code.MEDPLUM_DOWN)

    await house.push(read=Read(down, lambda _, __: ACT))
    assert not house.published("fhir.accessed")


BAD = {
    "malformed JSON": ({}, b'{"project":', Code.MALFORMED_DATA),
    "duplicate keys": ({}, b'{"project":"a","project":"b"}', Code.MALFORMED_DATA),
    "NaN": ({}, CHANGED.model_dump_json().replace("65536", "NaN").encode(), Code.MALFORMED_DATA),
    "an unknown field": ({}, b'{"name":"Canary",' + CHANGED.model_dump_json().encode()[1:], Code.MALFORMED_DATA),
    "no ce-id": ({"ce-id": ""}, None, Code.MALFORMED_EVENT),
    "an unknown type": ({"ce-type": "io.example.other.v1"}, None, Code.UNKNOWN_TYPE),
    "a type of another handler": ({"ce-type": Committed.TYPE}, None, Code.MALFORMED_DATA),
    "another content type": ({"content-type": "text/html"}, None, Code.MALFORMED_EVENT),
}


@pytest.mark.parametrize("why", BAD)
async def test_what_is_no_event_goes_to_quarantine_with_a_code_and_nothing_of_itself(house: House, why: str) -> None:
    changed, body, code = BAD[why]
    headers = [(n, v) for n, v in house.headers() if n.decode() not in changed]
    headers += [(n.encode(), v.encode()) for n, v in changed.items() if v]
    answer = await house.push(headers=headers, body=body)
    assert answer.status == 204
    assert answer.code in (code, Code.MALFORMED_ENVELOPE)
    [aside] = house.published("validation.quarantine")
    assert aside["code"] == answer.code.slug if answer.code else False
    assert aside["event"] is None
    assert "Canary" not in json.dumps(aside)


async def test_a_push_for_another_handlers_subscription_is_refused(house: House) -> None:
    headers = house.headers(x_goog_pubsub_subscription_name="projects/starvit/subscriptions/fhir.validated--deid")
    answer = await house.push(headers=headers)
    assert (answer.status, answer.code) == (403, Code.WRONG_CALLER)


async def test_without_a_good_token_nothing_happens(house: House) -> None:
    account, audience = house.settings.account("validation"), house.settings.audience("validation")
    tokens = {
        "none": (None, 401),
        "garbage": ("x.y.z", 401),
        "another account": (house.issuer.token("push-deid@starvit.iam.gserviceaccount.com", audience), 403),
        "another audience": (house.issuer.token(account, "https://example.org/"), 401),
        "another issuer's key": (Issuer().token(account, audience), 401),
    }
    for why, (token, status) in tokens.items():
        headers = [(n, v) for n, v in house.headers(token=token) if token is not None or n != b"authorization"]
        assert (await house.push(headers=headers)).status == status, why
    assert not house.publisher.published
    assert await house.state() is None


async def test_more_than_the_instance_can_take_is_sent_back(house: House) -> None:
    house.settings = settings("clinical", concurrency=1)
    house.pipeline = Pipeline(
        house.settings,
        tokens=house.pipeline._tokens,
        ledger=house.ledger,
        sinks=Sinks(house.publisher, time.time),
        accounts=Accounts(house.publisher, time.time),
        owner="test",
        now=time.time,
    )

    async def slow(event: Event[Any], given: object) -> Sequence[Effect]:
        await asyncio.sleep(0.2)
        return await passes_on(event, given)

    first = asyncio.create_task(house.push(slow))
    await asyncio.sleep(0.05)
    assert (await house.push(slow)).code is Code.OVERLOADED
    assert await first == Answer()
