"""What lies aside is looked through page by page, and a runner that dies has not hidden it from the next one for long."""

import asyncio
from typing import Any

from handlers.deadletters.holding import PAGE, Holding
from shared.events.envelope import Message
from tests.handlers.deadletters.house import house

TOPIC = "deid.quarantine"
_LEASE = 1.0


async def test_what_a_killed_runner_had_put_away_comes_back_after_a_lease_and_what_its_run_had_lasted() -> None:
    async with house() as made:
        await made.quarantine(3)
        dead = Holding(made.subscriber, "starvit", _LEASE, lambda: 0.0)
        await dead.park(TOPIC, await dead.pull(TOPIC))
        follower = Holding(made.subscriber, "starvit", _LEASE, lambda: 0.0)
        assert await follower.pull(TOPIC) == []
        async with asyncio.timeout(10 * _LEASE):
            while not (back := await follower.pull(TOPIC)):
                await asyncio.sleep(0.05)
        assert len(back) == 3


async def test_the_longer_a_run_lasts_the_longer_it_puts_away_up_to_what_pubsub_allows() -> None:
    async with house() as made:
        await made.quarantine(3)
        client, at = _Noting(made.subscriber), 0.0
        holding = Holding(client, "starvit", 30.0, lambda: at)
        page = await holding.pull(TOPIC)
        for at in (0.0, 20.0, 5000.0):  # noqa: B007 - the clock's
            await holding.park(TOPIC, page)
        assert client.asked[-3:] == [30, 50, 600]


async def test_all_that_a_run_put_away_is_given_back_when_it_ends() -> None:
    async with house() as made:
        for _ in range(3):
            await made.load(TOPIC, [Message(b"{}", {"ce-id": "0"})] * PAGE)
        holding = Holding(made.subscriber, "starvit", 30.0)
        for _ in range(3):
            await holding.park(TOPIC, await holding.pull(TOPIC))
        assert await holding.pull(TOPIC) == []
        await holding.close()
        assert len(await holding.pull(TOPIC)) == PAGE


class _Noting:
    """The client, and the deadlines that it was asked for."""

    def __init__(self, client: Any) -> None:
        self._client, self.asked = client, list[int]()

    async def modify_ack_deadline(self, **arguments: Any) -> None:
        self.asked.append(arguments["ack_deadline_seconds"])
        await self._client.modify_ack_deadline(**arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
