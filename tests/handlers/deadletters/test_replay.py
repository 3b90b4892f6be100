"""A replay moves exactly what its plan says, once, also if it dies at any point; and stops when it mends nothing."""

import asyncio
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec import to_builtins

from handlers.deadletters.choosing import Filter, each
from handlers.deadletters.running import Pace
from shared.deadletters.port import Plan, Stage, State
from shared.errors import Code, Problem
from shared.events.envelope import Message
from shared.ledger.port import State as Ended
from tests.handlers.deadletters.house import CANARY, CODES, TYPES, House, Killed, Mortal, house, mixed, mortal

REASON = "INC-4711: profile mended"


async def _plan(made: House, **chosen: Any) -> Plan:
    return await made.desk.plan(Filter(**chosen), REASON, "ann")


async def _states(made: House, plan: str = "") -> dict[str, int]:
    found: dict[str, int] = {}
    async for page in each(made.index, plan=plan):
        for one in page:
            found[one.state] = found.get(one.state, 0) + 1
    return found


def refused(why: str) -> pytest.RaisesExc[Problem]:
    return pytest.RaisesExc(Problem, check=lambda problem: (problem.code, problem.at) == (Code.PLAN_REFUSED, why))


async def test_a_replay_reopens_publishes_to_the_origin_and_takes_away() -> None:
    async with house() as made:
        [entry] = await made.quarantine()
        plan = await _plan(made)
        assert (await made.ledger.get(entry.key)).state is Ended.POISON  # type: ignore[union-attr]
        end = await made.desk.run(plan.id)
        assert (end.stage, end.done, end.messages) == (Stage.DONE, 1, 1)
        assert made.sent() == [entry.event]
        assert (await made.ledger.get(entry.key)).state is Ended.RETRY  # type: ignore[union-attr]
        assert made.held("deid.quarantine") == 0


async def test_the_topic_of_origin_is_the_catalogs_whatever_the_message_says() -> None:
    async with house() as made:
        await made.quarantine()  # its data says "elsewhere"
        await made.desk.run((await _plan(made)).id)
        assert {topic for topic, _ in made.published} == {"deid.quarantine", "fhir.validated", "ops.audit"}


async def test_what_is_not_of_the_plan_stays_where_it_is_and_can_be_pulled_at_once() -> None:
    async with house() as made:
        await made.quarantine(700, code=Code.HANDLER_FAILED)
        mine = await made.quarantine(3)
        await made.desk.run((await _plan(made, code="resource-invalid")).id)
        assert sorted(made.sent()) == sorted(str(one.event) for one in mine)
        assert made.held("deid.quarantine") == 700
        again = await made.desk.run((await _plan(made, code="handler-failed")).id, Pace(max_failures=1))
        assert (again.stage, made.held("deid.quarantine")) == (Stage.DONE, 0)


async def test_an_event_that_lies_there_twice_is_sent_once_and_both_are_taken_away() -> None:
    async with house() as made:
        [entry] = await made.quarantine()
        await made.again(entry)
        plan = await _plan(made)
        assert (plan.messages, plan.events) == (2, 1)
        await made.desk.run(plan.id)
        assert made.sent() == [entry.event]
        assert made.held("deid.quarantine") == 0


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_runner_that_is_killed_at_any_point_repeats_one_publish_at_most(after: bool, tmp_path: Path) -> None:
    number, at, died = 3, 0, True
    async with house(tmp_path / "index.db") as made:
        while died:
            at += 1
            entries = await made.quarantine(number)
            plan, before = await _plan(made), len(made.sent())
            try:
                await mortal(made, Mortal(at, after=after)).run(plan.id)
                died = False
            except Killed:
                await made.leases_end()
                if (await made.desk.progress(plan.id)).stage is not Stage.DONE:
                    assert (await made.desk.run(plan.id)).stage is Stage.DONE
            sent = made.sent()[before:]
            assert set(sent) == {one.event for one in entries}
            assert len(sent) <= number + 1
            await _drained(made)
        assert at > 20, "it died at every call of a whole run"
        assert set(await _states(made)) == {State.REPLAYED}


async def _drained(made: House) -> None:
    """What was written down and not taken away when the runner died goes with the next run over the topic."""
    await made.quarantine()
    await made.desk.run((await _plan(made)).id)
    assert made.held("deid.quarantine") == 0


FILTERS = st.builds(
    Filter,
    code=st.sampled_from(["", *(code.slug for code in CODES), "dead-letter", "medplum-down"]),
    handler=st.sampled_from(["", "deid", "validation", "analytics"]),
    type=st.sampled_from(["", *TYPES]),
    project=st.sampled_from(["", "clinic", "other"]),
    trace=st.sampled_from(["", f"{1:032x}", f"{2:032x}"]),
)


async def check_plan_is_replay(made: House, seed: int, chosen: Filter, limit: int) -> None:
    """What is replayed is what was planned, as sets, and nothing else is touched."""
    await mixed(made, 12, random.Random(seed))
    aside = [one async for page in each(made.index, aside=True) for one in page]
    expected = [one for one in aside if chosen.matches(one) and one.replayable and one.replays < 3][: limit or None]
    before, moved = len(made.published), (await _states(made)).get(State.REPLAYED, 0)
    if not expected:
        with refused("nothing"):
            await made.desk.plan(chosen, REASON, "ann", limit=limit)
        return
    plan = await made.desk.plan(chosen, REASON, "ann", limit=limit)
    planned = [one async for page in each(made.index, plan=plan.id) for one in page]
    assert {(one.topic, one.message) for one in planned} == {(one.topic, one.message) for one in expected}
    assert (await made.desk.run(plan.id)).stage is Stage.DONE
    sent = [(topic, m.attributes["ce-id"]) for topic, m in made.published[before:] if topic != "ops.audit"]
    assert sorted(sent) == sorted({(one.origin, str(one.event)) for one in planned})
    assert (await _states(made)).get(State.REPLAYED, 0) == moved + len(planned)
    assert len([1 async for page in each(made.index, aside=True) for _ in page]) == len(aside) - len(planned)


@examples(max_examples=12)
@given(seed=st.integers(0, 10**6), chosen=FILTERS, limit=st.sampled_from([0, 0, 1, 3]))
def test_what_is_replayed_is_what_was_planned(seed: int, chosen: Filter, limit: int) -> None:
    async def check() -> None:
        async with house() as made:
            await check_plan_is_replay(made, seed, chosen, limit)

    asyncio.run(check())


async def test_an_event_that_was_replayed_too_often_is_refused_unless_forced() -> None:
    async with house(replay_limit=2) as made:
        [entry] = await made.quarantine()
        for number, state in ((1, State.AGAIN), (2, State.LOOPING)):
            await made.desk.run((await _plan(made)).id)
            back = await made.again(entry)
            assert (back.replays, back.state) == (number, state)
        with refused("nothing"):
            await _plan(made)
        forced = await made.desk.plan(Filter(), REASON, "ann", force=True)
        assert (await made.desk.run(forced.id)).stage is Stage.DONE


async def test_a_replay_stops_when_what_it_sends_comes_back() -> None:
    async with house() as made:
        entries = await made.quarantine(400)

        async def come_back() -> None:
            for entry in entries:
                while (await made.index.get(entry.topic, [entry.message]))[0].state is not State.REPLAYED:
                    await asyncio.sleep(0.01)
                await made.again(entry)

        bad = asyncio.create_task(come_back())
        end = await made.desk.run((await _plan(made)).id, Pace(per_second=400, max_failures=5))
        bad.cancel()
        assert (end.stage, end.why) == (Stage.STOPPED, "they come back")
        assert end.returned >= 5
        assert end.done < 400


async def test_a_plan_whose_messages_a_newer_plan_took_is_stale() -> None:
    async with house() as made:
        await made.quarantine(3)
        first = await _plan(made)
        second = await made.desk.plan(Filter(), REASON, "ann", limit=1)
        with refused("stale"):
            await made.desk.run(first.id)
        assert (await made.desk.run(second.id)).done == 1


async def test_nothing_is_moved_without_a_second_person_where_that_is_asked_for() -> None:
    async with house(require_approval=True) as made:
        await made.quarantine()
        plan = await _plan(made)
        with refused("approval"):
            await made.desk.run(plan.id)
        with refused("by"):
            await made.desk.approve(plan.id, "ann")
        await made.desk.approve(plan.id, "ben")
        assert (await made.desk.run(plan.id)).approved_by == "ben"


async def test_a_cancelled_plan_gives_back_what_it_has_not_moved() -> None:
    async with house() as made:
        await made.quarantine(300)
        plan = await _plan(made)
        await made.desk.start_replay(plan.id, Pace(per_second=200))
        while not made.sent():
            await asyncio.sleep(0.02)
        await made.desk.cancel(plan.id, "ann")
        while (await _states(made)).get(State.PLANNED):
            await asyncio.sleep(0.05)
        states = await _states(made)
        assert states[State.REPLAYED] == len(made.sent())
        assert states[State.OPEN] == 300 - len(made.sent())
        with refused("cancelled"):
            await made.desk.run(plan.id)
        rest = await made.desk.run((await _plan(made)).id)
        assert (rest.stage, len(set(made.sent()))) == (Stage.DONE, 300)
        await made.desk.close()


async def test_a_stopped_replay_is_gone_on_with() -> None:
    async with house() as made:
        await made.quarantine(10)
        plan = await _plan(made)
        end = await made.desk.run(plan.id, stop=lambda: len(made.sent()) >= 4)
        assert (end.stage, end.done, end.why) == (Stage.STOPPED, 4, "stopped")
        end = await made.desk.run(plan.id)
        assert (end.stage, end.done, len(made.sent())) == (Stage.DONE, 10, 10)


async def test_two_runners_do_not_share_a_plan() -> None:
    async with house() as made:
        await made.quarantine(200)
        plan = await _plan(made)
        await made.desk.start_replay(plan.id, Pace(per_second=100))
        while (await made.desk.progress(plan.id)).stage is not Stage.RUNNING:
            await asyncio.sleep(0.01)
        with refused("running"):
            await made.desk.run(plan.id)
        await made.desk.close()


async def test_a_purge_takes_away_without_a_replay_and_keeps_the_record() -> None:
    async with house() as made:
        await made.quarantine(2)
        await made.put("deid.quarantine", [Message(b"no event at all", {}, "")])
        plan = await made.desk.plan(Filter(), REASON, "ann", action="purge")
        assert (await made.desk.run(plan.id)).done == 3
        assert (made.sent(), made.held("deid.quarantine")) == ([], 0)
        assert await _states(made) == {State.PURGED: 3}


async def test_what_never_parsed_is_listed_without_a_word_of_it_and_can_not_be_replayed() -> None:
    async with house() as made:
        hostile = {"ce-id": CANARY, "ce-type": CANARY, "ce-correlationid": CANARY, CANARY: CANARY}
        bodies = [CANARY.encode(), orjson.dumps({"type": "Canary", "project": CANARY}), b"\xff"]
        await made.put("deid.quarantine", [Message(body, hostile, CANARY) for body in bodies])
        await made.put("fhir.validated--deid.dead", [Message(body, hostile, CANARY) for body in bodies])
        page = await made.desk.records()
        assert len(page.entries) == 6
        assert "Canary" not in repr(page)
        assert not any(one.replayable for one in page.entries)
        with refused("nothing"):
            await _plan(made)


@pytest.mark.parametrize("reason", ["", "x", "MRN 12345678", "born 1980-02-03", "ann@clinic.example", "Müller"])
async def test_a_reason_that_may_name_a_patient_is_refused(reason: str) -> None:
    async with house() as made:
        await made.quarantine()
        with refused("reason"):
            await made.desk.plan(Filter(), reason, "ann")


async def test_who_and_why_is_told_before_the_first_message_moves_and_after_the_last() -> None:
    async with house() as made:
        await made.quarantine(2)
        await made.quarantine(handler="analytics")
        await made.desk.run((await _plan(made)).id)
        order = [topic for topic, _ in made.published if not topic.endswith(".quarantine")]
        assert (order[0], order[-1], order.count("ops.audit")) == ("ops.audit", "ops.audit", 2)
        told = [orjson.loads(message.data) for topic, message in made.published if topic == "ops.audit"]
        assert [(one["stage"], one["by"], one["reason"], one["messages"], one["project"]) for one in told] == [
            ("begun", "ann", REASON, 3, "clinic"),
            ("ended", "ann", REASON, 3, "clinic"),
        ]


async def test_nothing_that_an_operator_sees_names_a_resource() -> None:
    async with house() as made:
        entries = [*await made.quarantine(2), *await made.dead()]
        plan = await _plan(made)
        await made.desk.run(plan.id)
        life = await made.desk.event(str(entries[0].event))
        assert life is not None
        seen: list[object] = [
            await made.desk.counts(),
            [to_builtins(one) for one in (await made.desk.records(every=True)).entries],
            to_builtins(life),
            [to_builtins(one) for one in await made.desk.plans()],
            [message.data.decode() for topic, message in made.published if topic == "ops.audit"],
        ]
        assert CANARY not in repr(seen)


async def test_the_life_of_an_event_has_every_handlers_attempts_and_what_to_do() -> None:
    async with house() as made:
        [entry] = await made.dead()
        life = await made.desk.event(str(entry.event))
        assert life is not None
        attempts = life.ledger["deid"]["attempts"]
        assert isinstance(attempts, list)
        assert [one["outcome"] for one in attempts] == ["medplum-down"]
        assert life.entries == [entry]
        assert "Pub/Sub tries again" in life.advice
        assert entry.trace in life.trace_url
        assert await made.desk.event("0" * 64) is None


async def test_counts_tell_what_lies_aside() -> None:
    async with house() as made:
        await made.quarantine(2, type="Observation")
        await made.dead()
        counts = await made.desk.counts()
        assert counts["messages"] == {"all": 3}
        assert counts["code"] == {"resource-invalid": 2, "dead-letter": 1}
        assert counts["cause"] == {"medplum-down": 1}
        assert counts["type"] == {"Observation": 2, "Patient": 1}
        assert counts["age"] == {"under an hour": 3}
        assert counts["project"] == {"clinic": 3}
