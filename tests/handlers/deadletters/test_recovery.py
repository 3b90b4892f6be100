"""What an outage has dead-lettered goes back by itself once a probe has got through, and not before."""

import pytest

from handlers.deadletters.choosing import Filter
from handlers.deadletters.running import Pace
from shared.deadletters.port import Stage, State
from shared.errors import Code
from tests.handlers.deadletters.house import House, Killed, Mortal, house, mortal


async def _tick(made: House) -> list[str]:
    """The scheduler's call, a minute later; the events that were sent."""
    made.later += 60
    before = len(made.sent())
    await made.desk.recovered()
    return made.sent()[before:]


async def test_one_is_sent_as_a_probe_and_the_rest_follow_when_it_has_got_through() -> None:
    async with house() as made:
        dead = await made.dead(5)
        [probe] = await _tick(made)
        assert await _tick(made) == [], "the dependency is still down: the probe is Pub/Sub's to retry"
        await made.works(next(one for one in dead if one.event == probe))
        assert sorted([probe, *await _tick(made)]) == sorted(str(one.event) for one in dead)
        assert await _tick(made) == []
        assert made.held("fhir.validated--deid.dead") == 0


async def test_a_new_outage_needs_a_new_probe() -> None:
    async with house() as made:
        [first] = await made.dead()
        assert await _tick(made) == [first.event]
        await made.works(first)
        made.later += 3600
        later = await made.dead(3)
        assert len(await _tick(made)) == 1
        assert await _tick(made) == []
        assert {one.state for one in (await made.desk.records()).entries} == {State.OPEN}
        assert len((await made.desk.records()).entries) == len(later) - 1


@pytest.mark.parametrize("code", [Code.UNEXPECTED, Code.DEADLINE, None])
async def test_what_no_dependency_is_to_blame_for_is_left_to_people(code: Code | None) -> None:
    async with house() as made:
        await made.dead(2, code=code)
        await made.quarantine(2)
        assert await _tick(made) == []


async def test_what_comes_back_too_often_is_left_to_people() -> None:
    async with house(replay_limit=1) as made:
        [entry] = await made.dead()
        assert await _tick(made) == [entry.event]
        message = next(message for topic, message in made.published if topic == entry.topic)
        [again] = await made.put(entry.topic, [message])
        assert again.state is State.LOOPING
        assert await _tick(made) == []


async def test_a_plan_whose_runner_died_is_gone_on_with() -> None:
    async with house() as made:
        await made.quarantine(10)
        plan = await made.desk.plan(Filter(), "profile mended", "ann")
        with pytest.raises(Killed):
            await mortal(made, Mortal(40, after=True)).run(plan.id, Pace())
        assert (await made.desk.progress(plan.id)).stage is Stage.RUNNING
        await made.leases_end()
        await _tick(made)
        assert (await made.desk.progress(plan.id)).stage is Stage.DONE
        assert len(set(made.sent())) == 10


async def test_each_handler_has_a_probe_of_its_own() -> None:
    async with house() as made:
        [deid] = await made.dead(1, handler="deid")
        await made.dead(2, handler="validation")
        await _tick(made)
        assert made.sent() == [deid.event]
        assert len(made.sent("fhir.changed")) == 1


async def test_a_plan_that_can_not_be_gone_on_with_holds_up_nothing_else() -> None:
    async with house() as made:
        await made.quarantine(3)
        stale = await made.desk.plan(Filter(), "profile mended", "ann")
        with pytest.raises(Killed):
            await mortal(made, Mortal(12, after=True)).run(stale.id, Pace())
        await made.leases_end()
        await made.desk.plan(Filter(), "profile mended", "ann", limit=1)
        [dead] = await made.dead()
        assert await _tick(made) == [dead.event]
