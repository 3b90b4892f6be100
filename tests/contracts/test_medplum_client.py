"""How the client treats Medplum: its tokens, its quotas, its silence; and what never stands in an error or a log."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest

from shared.errors import Code, Problem
from shared.events.data import Reference
from shared.fhir.client import MedplumClient
from shared.local.medplum.asgi import Message, Receive, Send
from shared.local.medplum.listener import Listener
from tests.contracts.fhir_worlds import AUDIT, LIMIT, PROJECT, HttpWorld, claim, clients, over_http, tenant

PATIENT = {"resourceType": "Patient", "gender": "female"}


@pytest.fixture
async def world() -> AsyncIterator[HttpWorld]:
    async with over_http() as world:
        yield world


async def test_all_who_wait_for_a_token_share_one_request(world: HttpWorld) -> None:
    reference = world.write(PATIENT)
    await asyncio.gather(*(world.client.version(reference) for _ in range(20)))
    assert Counter(path.split("/")[1] for _, path in world.requests) == {"oauth2": 1, "fhir": 20}


async def test_a_token_is_fetched_anew_before_it_ends(world: HttpWorld) -> None:
    reference = world.write(PATIENT)
    await world.client.version(reference)
    world.clock.now += 580  # of 600 seconds
    await world.client.version(reference)
    assert [path for _, path in world.requests].count("/oauth2/token") == 2


async def test_a_lost_login_is_renewed_once_for_all_who_met_it(world: HttpWorld) -> None:
    reference = world.write(PATIENT)
    await world.client.version(reference)
    world.medplum.forget_logins()
    world.requests.clear()
    await asyncio.gather(*(world.client.version(reference) for _ in range(10)))
    assert Counter(path.split("/")[1] for _, path in world.requests) == {"oauth2": 1, "fhir": 20}


async def test_a_wrong_secret_is_denied_and_not_hammered(world: HttpWorld) -> None:
    stranger = tenant(PROJECT, "stranger")
    client = MedplumClient(world.http, world.medplum.base_url, [stranger], LIMIT, 5.0)
    with pytest.raises(Problem) as raised:
        await client.version(world.write(PATIENT))
    assert raised.value.code is Code.MEDPLUM_DENIED
    assert world.requests == [("POST", "/oauth2/token")]


async def test_auditors_take_turns_and_one_that_is_spent_is_left_alone(world: HttpWorld) -> None:
    results = [await world.client.create_once(PROJECT, f"tag-{n}", AUDIT) for n in range(16)]
    assert results == [True] * 16  # 1000 points each: eight for the one, eight for the other
    world.requests.clear()
    with pytest.raises(Problem) as raised:
        await world.client.create_once(PROJECT, "one-more", AUDIT)
    assert raised.value.code is Code.MEDPLUM_BUSY
    assert world.requests == []
    await world.a_minute_later()
    assert await world.client.create_once(PROJECT, "one-more", AUDIT)


async def test_another_auditor_steps_in_when_medplum_refuses_one(world: HttpWorld) -> None:
    entry = {"request": {"method": "POST", "url": "Basic"}, "resource": {"resourceType": "Basic"}}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry] * 11}
    _, first, _ = clients(world.tenants[0])
    async with httpx.AsyncClient() as elsewhere:
        await elsewhere.post(f"{world.medplum.base_url}/fhir/R4", json=batch, auth=first)
    assert all([await world.client.create_once(PROJECT, f"tag-{n}", AUDIT) for n in range(4)])


async def test_records_that_are_wanted_at_once_are_written_in_one_request(world: HttpWorld) -> None:
    await world.client.create_once(PROJECT, "tag-0", AUDIT)
    world.requests.clear()
    created = await asyncio.gather(*(world.client.create_once(PROJECT, f"tag-{n}", AUDIT) for n in range(5)))
    assert created == [False, True, True, True, True]
    assert [path for _, path in world.requests if "oauth2" not in path] == ["/fhir/R4"]
    assert len(world.audits(PROJECT)) == 5


async def test_what_one_auditor_has_no_points_for_goes_to_the_next_and_the_rest_is_told_to_wait(
    world: HttpWorld,
) -> None:
    wanted = [world.client.create_once(PROJECT, f"tag-{n}", AUDIT) for n in range(20)]
    ends = await asyncio.gather(*wanted, return_exceptions=True)
    busy = [end for end in ends if isinstance(end, Problem)]
    assert ends.count(True) == len(world.audits(PROJECT)) == 16, "two auditors with points for eight records each"
    assert {problem.code for problem in busy} == {Code.MEDPLUM_BUSY}
    assert all(1 <= (problem.retry_after or 0) <= 60 for problem in busy)
    await world.a_minute_later()
    again = await asyncio.gather(*(world.client.create_once(PROJECT, f"tag-{n}", AUDIT) for n in range(16, 20)))
    assert len(world.audits(PROJECT)) == 20
    assert set(again) == {True}


async def test_a_record_that_is_refused_leaves_the_others_of_its_batch_alone(world: HttpWorld) -> None:
    bad = {"resourceType": "Patient"}
    ends = await asyncio.gather(
        *(world.client.create_once(PROJECT, f"tag-{n}", bad if n == 2 else AUDIT) for n in range(5)),
        return_exceptions=True,
    )
    assert [end if isinstance(end, bool) else type(end) for end in ends] == [True, True, Problem, True, True]
    assert isinstance(ends[2], Problem)
    assert ends[2].code is Code.AUDIT_REFUSED


@pytest.mark.parametrize("answer", [b"{", b"[]", b'{"entry":[{}]}', b'{"entry":[{"response":{"status":"201"}}]}'])
async def test_an_answer_to_a_batch_that_is_none_means_down_for_all(world: HttpWorld, answer: bytes) -> None:
    async with _answering(lambda: (200, answer)) as base:
        client = MedplumClient(world.http, base, world.tenants, LIMIT, 5.0)
        ends = await asyncio.gather(
            *(client.create_once(PROJECT, f"tag-{n}", AUDIT) for n in range(3)), return_exceptions=True
        )
    assert {end.code for end in ends if isinstance(end, Problem)} == {Code.MEDPLUM_DOWN}
    assert len(ends) == 3


@pytest.mark.parametrize("each", [1, 3], ids=["singly", "in batches"])
async def test_twelve_who_write_one_event_at_once_leave_exactly_one(each: int) -> None:
    async with over_http(quota=50_000) as world:
        writers = [MedplumClient(world.http, world.medplum.base_url, world.tenants, LIMIT, 5.0) for _ in range(12)]
        tags = [f"tag-{n}" for n in range(each)]
        made = await asyncio.gather(*(writer.create_once(PROJECT, tag, AUDIT) for writer in writers for tag in tags))
        assert made.count(True) == each == len(world.audits(PROJECT))


async def test_reading_goes_on_while_the_auditors_are_spent(world: HttpWorld) -> None:
    for n in range(16):
        await world.client.create_once(PROJECT, f"tag-{n}", AUDIT)
    assert (await world.client.version(world.write(PATIENT))).reveal()["gender"] == "female"


async def test_a_confirmed_deletion_reads_as_little_as_it_can(world: HttpWorld) -> None:
    reference = world.write({**PATIENT, "name": [{"family": "Canary"}]})
    queries = []

    async def note(request: httpx.Request) -> None:
        queries.append(request.url.query)

    world.http.event_hooks["request"].append(note)
    world.delete(reference)
    await world.client.deletion(claim(reference))
    assert queries == [b"", b"_elements=id", b"_count=2"]


@pytest.mark.parametrize("still_gone", [True, False])
async def test_a_history_that_does_not_begin_with_the_deletion_is_looked_at_again(
    world: HttpWorld, still_gone: bool
) -> None:
    """A write and a deletion of one millisecond may stand in either order; or somebody restored the resource."""
    reference = world.write(PATIENT)
    world.delete(reference)
    history = await _history(world, reference)
    history["entry"].reverse()
    gone, there = (410, b"{}"), (200, b"{}")
    answers = iter([gone, (200, orjson.dumps(history)), gone if still_gone else there])
    async with _answering(lambda: next(answers)) as url, httpx.AsyncClient() as http:
        client = MedplumClient(http, url, world.tenants, LIMIT, 5.0)
        if still_gone:
            assert (await client.deletion(claim(reference))).version == reference.version
        else:
            with pytest.raises(Problem) as raised:
                await client.deletion(claim(reference))
            assert raised.value.code is Code.NOT_DELETED


@pytest.mark.parametrize(
    "status, code",
    [
        (302, Code.MEDPLUM_DOWN),
        (400, Code.MEDPLUM_DOWN),
        (401, Code.MEDPLUM_DENIED),
        (403, Code.MEDPLUM_DENIED),
        (404, Code.VERSION_GONE),
        (410, Code.VERSION_GONE),
        (429, Code.MEDPLUM_BUSY),
        (500, Code.MEDPLUM_DOWN),
        (503, Code.MEDPLUM_DOWN),
    ],
)
async def test_a_status_becomes_a_code(world: HttpWorld, status: int, code: Code) -> None:
    reference = world.write(PATIENT)
    async with _answering(lambda: (status, b"{}")) as url, httpx.AsyncClient() as http:
        with pytest.raises(Problem) as raised:
            await MedplumClient(http, url, world.tenants, LIMIT, 5.0).version(reference)
    assert raised.value.code is code


async def test_an_answer_of_unknown_length_is_cut_at_the_limit(world: HttpWorld) -> None:
    reference = world.write(PATIENT)
    async with _answering(lambda: (200, b"x" * 1000), repeat=100) as url, httpx.AsyncClient() as http:
        with pytest.raises(Problem) as raised:
            await MedplumClient(http, url, world.tenants, LIMIT, 5.0).version(reference)
    assert raised.value.code is Code.RESOURCE_TOO_LARGE


async def test_an_answer_that_takes_too_long_means_down(world: HttpWorld) -> None:
    reference = world.write(PATIENT)
    async with _answering(lambda: (200, b"{}"), wait=5) as url, httpx.AsyncClient() as http:
        with pytest.raises(Problem) as raised:
            await MedplumClient(http, url, world.tenants, LIMIT, 0.2).version(reference)
    assert (raised.value.code, raised.value.at) == (Code.MEDPLUM_DOWN, "timeout")


async def test_no_error_names_an_id_a_host_or_a_value(world: HttpWorld, caplog: pytest.LogCaptureFixture) -> None:
    reference = world.write({**PATIENT, "name": [{"family": "Canary"}]})
    world.answers(reference, lambda body: body[:-1])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # as the service sets it: httpx logs URLs at INFO
    with caplog.at_level(logging.DEBUG, logger="shared"):
        problems = [await _problem(world, reference.model_copy(update=change)) for change in ({}, {"version": "x"})]
        await world.vanish()
        problems.append(await _problem(world, reference))
    text = caplog.text + "".join(f"{problem!r} {problem} {problem.__cause__!r}" for problem in problems)
    for canary in ("Canary", reference.id, reference.version, "127.0.0.1", "fhir/R4"):
        assert canary not in text


async def _problem(world: HttpWorld, reference: Reference) -> Problem:
    with pytest.raises(Problem) as raised:
        await world.client.version(reference)
    return raised.value


async def _history(world: HttpWorld, reference: Reference) -> Any:
    url = f"{world.medplum.base_url}/fhir/R4/{reference.type}/{reference.id}/_history"
    async with httpx.AsyncClient(auth=clients(world.tenants[0])[0], headers={"X-Medplum": "extended"}) as http:
        return (await http.get(url)).json()


@asynccontextmanager
async def _answering(
    answer: Callable[[], tuple[int, bytes]], *, repeat: int = 1, wait: float = 0.0
) -> AsyncIterator[str]:
    """A server that gives a token to anybody, and to everything else these answers, without a Content-Length."""

    async def app(scope: Message, _: Receive, send: Send) -> None:
        if scope["path"] == "/oauth2/token":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b'{"access_token":"t","expires_in":3600}'})
            return
        await asyncio.sleep(wait)
        status, body = answer()
        await send({"type": "http.response.start", "status": status, "headers": []})
        for _n in range(repeat):
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    listener = Listener()
    await listener.start(app)
    yield f"http://127.0.0.1:{listener.port}"
    await listener.stop()
