"""Accounts of what was done with PHI: they travel together, none is lost, and no message ends before its own are published."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
import pytest

from shared.accounts import MOST, Accounts
from shared.errors import Code, Problem
from shared.events.data import Accounted, Act, Changed
from shared.events.envelope import Event, Message
from shared.sinks.memory import MemoryPublisher
from tests.tenant import PROJECT

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def act(number: int) -> Act:
    return Act(
        event=f"{number:064x}",
        correlation=f"00000000-0000-4000-8000-{number:012x}",
        type="Patient",
        id=f"p{number}",
        version="v1",
        patient=None,
        action="vread",
        handler="deid",
        purpose="de-identification",
        at=NOW,
        disclosure=None,
    )


def event(project: str = PROJECT) -> Event[Changed]:
    data = Changed(
        project=project, type="Patient", id="p", version="v", last_updated="2026-11-23T10:41:55.279Z", generation=1
    )
    return Event("a" * 64, data, NOW, "webhook", act(0).correlation, f"00-{'1' * 32}-{'2' * 16}-01")


class Outage(MemoryPublisher):
    """Pub/Sub that confirms nothing until `over`."""

    def __init__(self) -> None:
        super().__init__()
        self.over = False

    async def publish(self, topic: str, message: Message) -> None:
        if not self.over:
            raise Problem(Code.PUBSUB_DOWN, topic)
        await super().publish(topic, message)


def told(publisher: MemoryPublisher) -> list[Accounted]:
    return [Accounted.model_validate_json(message.data) for topic, message in publisher.published]


async def message(accounts: Accounts, number: int, project: str = PROJECT) -> None:
    async with accounts.accounted():
        accounts.note(act(number), event(project))


async def test_the_accesses_of_requests_in_flight_share_one_event_and_each_keeps_its_own_name_and_thread() -> None:
    publisher = MemoryPublisher()
    accounts = Accounts(publisher, lambda: 0.0, linger=0.01)
    await asyncio.gather(*(message(accounts, number) for number in range(5)))
    [together] = told(publisher)
    assert together.acts == tuple(act(number) for number in range(5))


async def test_an_event_has_the_accesses_of_one_project_and_no_more_of_them_than_medplum_takes_at_once() -> None:
    publisher = MemoryPublisher()
    accounts = Accounts(publisher, lambda: 0.0, linger=0.01)
    both = [message(accounts, number) for number in range(MOST + 1)] + [message(accounts, 900, "another")]
    await asyncio.gather(*both)
    assert sorted((one.project, len(one.acts)) for one in told(publisher)) == sorted(
        [(PROJECT, MOST), (PROJECT, 1), ("another", 1)]
    )


async def test_one_access_alone_has_its_own_event_id_and_company_has_the_same_id_when_it_comes_again() -> None:
    names = []
    for numbers in ([1], [2, 3], [2, 3], [3, 4]):
        publisher = MemoryPublisher()
        accounts = Accounts(publisher, lambda: 0.0, linger=0.01)
        await asyncio.gather(*(message(accounts, number) for number in numbers))
        [(_, one)] = publisher.published
        names.append(one.attributes["ce-id"])
    assert names[0] == act(1).event
    assert names[1] == names[2]
    assert len(set(names)) == 3


@pytest.mark.parametrize("end", [None, Problem(Code.RESOURCE_INVALID), Problem(Code.MEDPLUM_DOWN), ZeroDivisionError()])
async def test_no_end_comes_before_what_was_read_is_published(end: Exception | None) -> None:
    publisher = MemoryPublisher()
    accounts = Accounts(publisher, lambda: 0.0, linger=0.01)

    async def handled() -> None:
        async with accounts.accounted():
            accounts.note(act(1), event())
            if end is not None:
                raise end

    [ended] = await asyncio.gather(handled(), return_exceptions=True)
    assert ended is end
    assert [one.acts for one in told(publisher)] == [(act(1),)]


@pytest.mark.parametrize("end", [None, Problem(Code.RESOURCE_INVALID), Problem(Code.VERSION_GONE)])
async def test_a_message_whose_access_could_not_be_published_is_tried_again_however_it_ended(
    end: Exception | None,
) -> None:
    accounts = Accounts(Outage(), lambda: 0.0)

    async def handled() -> None:
        async with accounts.accounted():
            accounts.note(act(1), event())
            if end is not None:
                raise end

    with pytest.raises(Problem) as raised:
        await handled()
    assert raised.value.code is Code.PUBSUB_DOWN


async def test_whoever_is_stopped_at_the_deadline_does_not_wait_and_the_access_is_published_all_the_same() -> None:
    publisher = MemoryPublisher()
    accounts = Accounts(publisher, lambda: 0.0, linger=0.05)

    async def hangs() -> None:
        async with asyncio.timeout(0.01), accounts.accounted():
            accounts.note(act(1), event())
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await hangs()
    assert not publisher.published
    await accounts.drain()
    assert [one.acts for one in told(publisher)] == [(act(1),)]


async def test_a_deadline_that_falls_on_the_waiting_itself_loses_nothing_either() -> None:
    publisher = MemoryPublisher()
    accounts = Accounts(publisher, lambda: 0.0, linger=0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await message(accounts, 1)
    await accounts.drain()
    assert [one.acts for one in told(publisher)] == [(act(1),)]


async def test_what_nobody_waits_for_any_more_fails_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    accounts = Accounts(Outage(), lambda: 0.0, linger=0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await message(accounts, 1)
    await accounts.drain()
    assert not caplog.records


async def test_the_handler_goes_on_while_its_access_is_on_its_way() -> None:
    steps: list[str] = []

    class Slow(MemoryPublisher):
        async def publish(self, topic: str, message: Message) -> None:
            await going.wait()
            steps.append("told")

    going, accounts = asyncio.Event(), Accounts(Slow(), lambda: 0.0)
    async with accounts.accounted():
        accounts.note(act(1), event())
        await asyncio.sleep(0.01)
        steps.append("handled")
        going.set()
    assert steps == ["handled", "told"]


def test_an_access_is_small_so_that_a_full_event_is_far_from_what_pubsub_takes() -> None:
    longest = act(1).model_copy(update={"id": "x" * 64, "version": "y" * 64, "type": "T" * 64, "handler": "h" * 16})
    acts: Sequence[Act] = [longest] * MOST
    assert len(orjson.dumps([one.model_dump(mode="json") for one in acts])) < 100_000
