"""Simulated days: the real pipeline, handlers and ledger on a virtual clock, with everything that can go wrong.

A failing seed prints what went wrong, the smallest plan that still goes wrong, and the line that runs it again.
"""

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.chance import Chance
from tests.simulation.plan import Change, Crash, Outage, Pause, Plan, drawn
from tests.simulation.run import report, shrunk, wrong_with
from tests.simulation.world import World

SEEDS, CHUNK = 600, 50
WITHIN = 200  # seeds by which a planted bug must be found
_WRITE = Change(0, at=1.0, project=0, resource=0, delete=False, text=False, flaw="")


@pytest.mark.parametrize("first", range(1, SEEDS + 1, CHUNK))
def test_nothing_is_lost_doubled_leaked_or_stuck_whatever_goes_wrong(first: int) -> None:
    for seed in range(first, first + CHUNK):
        assert not wrong_with(drawn(seed)), report(seed)


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    with BUGS[name]():
        assert any(wrong_with(drawn(seed)) for seed in range(1, WITHIN + 1))


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the effect", "after the effect"])
@pytest.mark.parametrize("zone", ["clinical", "analytics"])
def test_a_crash_at_any_await_loses_nothing(zone: str, after_effect: bool) -> None:
    text = Change(1, at=2.0, project=0, resource=1, delete=False, text=True, flaw="")
    gone = Change(2, at=400.0, project=0, resource=1, delete=True, text=False, flaw="")
    for call in range(1, 60):
        crashes = tuple(Crash(zone, process, call, after_effect, 1.0) for process in range(2))  # type: ignore[arg-type]
        plan = Plan(call, (_WRITE, text, gone), crashes=crashes)
        assert not wrong_with(plan), plan


@pytest.mark.parametrize("port", ["ledger", "fhir", "audit", "dlp", "warehouse", "pubsub"])
def test_an_hour_without_a_dependency_dead_letters_nothing_and_sets_nothing_aside(port: str) -> None:
    changes = tuple(Change(n, float(n), n % 2, n % 4, delete=False, text=True, flaw="") for n in range(20))
    for when in ("before", "after", "either"):
        plan = Plan(7, changes, outages=(Outage(port, 0.0, 3600.0, when),))  # type: ignore[arg-type]
        world = World(plan).lived()
        assert not wrong_with(plan)
        assert not [topic for topic, _ in world.broker.published if topic.endswith(".quarantine")]


def test_a_zombie_that_wakes_after_its_lease_changes_nothing() -> None:
    for seconds in range(100, 400, 10):
        pauses = (Pause("clinical", 0, 1.1, float(seconds)), Pause("analytics", 1, 1.3, float(seconds)))
        assert not wrong_with(Plan(seconds, (_WRITE,), pauses=pauses, skew=120.0))


def test_a_seed_always_runs_the_same_way() -> None:
    worlds = [World(drawn(4)).lived() for _ in range(2)]
    told = [[(topic, message.attributes["ce-id"]) for topic, message in world.broker.published] for world in worlds]
    assert [one for one in told[0] if one[0] != "fhir.accessed"] == [
        one for one in told[1] if one[0] != "fhir.accessed"
    ]


def test_a_die_does_not_depend_on_the_others() -> None:
    one, other = Chance(5), Chance(5)
    other.throw("something else")
    assert [one.throw("a") for _ in range(3)] == [other.throw("a") for _ in range(3)]
    assert one.throw("a") != Chance(6).throw("a")


def test_a_failing_day_shrinks_to_what_makes_it_fail() -> None:
    with BUGS["forget the sequence: the last write wins"]():
        seed = next(seed for seed in range(1, WITHIN) if wrong_with(drawn(seed)))
        plan, found = shrunk(drawn(seed))
        assert found
        assert len(plan.changes) <= 2
        assert not plan.crashes
        assert f"tests.simulation.run {seed}" in report(seed)
