"""What the index's endpoint takes, and from whom."""

import base64
import json
from typing import Any

import httpx
import pytest

from handlers.deadletters.choosing import each
from handlers.provisioning import INDEX, aside, index
from shared.deadletters.port import Entry, State
from shared.events.envelope import Message
from tests.handlers.deadletters.house import CANARY, house
from tests.journey.edge import Edge, edge

PATH = "/v1/push/index"


def _push(message: Message, *, topic: str = "deid.quarantine", id: str = "1234567890123456", **more: Any) -> bytes:
    """As Pub/Sub pushes it, wrapped."""
    inner = {
        "messageId": id,
        "publishTime": "2026-11-26T03:00:00.123456Z",
        "attributes": dict(message.attributes),
        "data": base64.b64encode(message.data).decode(),
        "orderingKey": message.ordering_key,
    }
    envelope = {"message": inner, "subscription": f"projects/starvit/subscriptions/{index(topic)}"} | more
    return json.dumps(envelope).encode()


async def _post(here: Edge, body: bytes, *, token: str | None = None, path: str = PATH) -> httpx.Response:
    headers = {"content-type": "application/json"}
    if token != "":
        headers["authorization"] = f"Bearer {token or here.token(INDEX)}"
    return await here.http.post(path, content=body, headers=headers)


async def _poisoned() -> Message:
    async with house() as made:
        await made.quarantine()
        return made.published[0][1]


async def _kept(here: Edge) -> list[Entry]:
    world = here.http._transport.app.state.world  # type: ignore[attr-defined]
    return [one async for page in each(world.desk.index) for one in page]


@pytest.mark.parametrize("zone", ["ops", "all"])
async def test_a_push_becomes_one_record_however_often_it_comes(zone: str) -> None:
    poisoned = await _poisoned()
    async with edge(zone) as here:
        answers = [await _post(here, _push(poisoned)) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [204, 204, 204]
        [kept] = await _kept(here)
        assert (kept.code, kept.handler, kept.state, kept.set_aside) == (
            *("resource-invalid", "deid", State.OPEN),
            "2026-11-26T03:00:00.123Z",
        )
        assert CANARY not in repr(kept)
        await _post(here, _push(poisoned, id="1234567890123457"))
        assert len(await _kept(here)) == 2, "Pub/Sub may dead-letter an event twice: two messages"


async def test_only_the_indexs_own_account_gets_in_and_only_for_its_own_subscriptions() -> None:
    body = _push(await _poisoned())
    async with edge("ops") as here:
        foreign = here.issuer.token(here.settings.account("deid"), here.settings.audience(INDEX))
        elsewhere = here.issuer.token(here.settings.account(INDEX), here.settings.audience("deid"))
        assert (await _post(here, body, token="")).status_code == 401
        assert (await _post(here, body, token="nonsense")).status_code == 401
        assert (await _post(here, body, token=elsewhere)).status_code == 401
        assert (await _post(here, body, token=foreign)).status_code == 403
        for name in ("fhir.changed--validation", "fhir.changed--index", "deid.quarantine--hold", "deid.quarantine"):
            wrong = _push(await _poisoned(), subscription=f"projects/starvit/subscriptions/{name}")
            assert (await _post(here, wrong)).status_code == 403
        assert await _kept(here) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"message": {}, "subscription": "projects/starvit/subscriptions/deid.quarantine--index"}',
        _push(Message(b"", {})).replace(b'"data": ""', b'"data": "!"'),
        _push(Message(b"", {}), id="../x"),
        _push(Message(b"", {})).replace(b"2026-11-26T03", b"yesterday"),
    ],
)
async def test_an_envelope_that_is_none_is_refused_without_a_word_of_it(body: bytes) -> None:
    async with edge("ops") as here:
        answer = await _post(here, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-body")
        assert await _kept(here) == []


async def test_every_topic_of_what_went_wrong_is_indexed() -> None:
    async with edge("ops") as here:
        for number, topic in enumerate(aside()):
            answer = await _post(here, _push(Message(b"?", {}), topic=topic, id=str(number)))
            assert answer.status_code == 204
        assert {one.topic for one in await _kept(here)} == set(aside())


async def test_the_replays_that_are_due_are_asked_for_by_the_scheduler_alone() -> None:
    path = "/v1/tasks/dead-letters"
    async with edge("ops") as here:
        url = here.settings.dead_letters_url
        right = here.issuer.token(here.settings.account("dead-letters"), url)
        assert (await _post(here, b"", token="", path=path)).status_code == 401
        assert (await _post(here, b"", token=here.issuer.token("x@y.example", url), path=path)).status_code == 403
        assert (await _post(here, b"", token=right, path=path)).status_code == 204
