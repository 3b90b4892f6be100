"""Whatever the order of events, writers and deaths, the graph ends as a rebuild of the warehouse would make it."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.graph.rebuild import rebuild, wanted
from shared.graph.canonical import Canonical, canonical
from shared.sinks.memory_graph import MemoryGraph
from shared.sinks.tigergraph import Settled
from tests.drawings import DRAWING, PLAN
from tests.graph_world import Ward
from tests.simulation.loop import VirtualLoop

NORTH = ("north", "k1")


class Once:
    """A sink that writes and believes."""

    def __init__(self, graph: Any, *_: Any) -> None:
        self.draw = graph.write


def play(seed: int, settled: Any, *, changes: int = 40) -> tuple[Canonical, Canonical, Ward]:
    """The graph as it was drawn event by event, and as it is made anew."""
    ends: list[Any] = []

    async def day() -> None:
        ward = Ward(seed, settled)
        await ward.run(changes)
        anew = MemoryGraph({NORTH}, PLAN)
        await rebuild(ward.warehouse, anew, DRAWING, Settled(anew, ward.warehouse, DRAWING), *NORTH)
        ends.extend([await canonical(ward.graph.vertices(*NORTH)), await canonical(anew.vertices(*NORTH)), ward])
        assert await wanted(ward.warehouse, DRAWING, *NORTH) == ends[1]

    VirtualLoop().run(day())
    return ends[0], ends[1], ends[2]


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_drawn_event_by_event_it_is_what_a_rebuild_makes(seed: int) -> None:
    drawn, anew, _ = play(seed, Settled)
    assert drawn == anew


def test_the_days_played_have_what_is_to_be_survived() -> None:
    wards = [play(seed, Settled)[2] for seed in range(10)]
    assert sum(ward.killed for ward in wards) > 20
    assert sum(ward.superseded for ward in wards) > 20


def test_without_reading_again_an_old_picture_may_be_the_last() -> None:
    ends = [play(seed, Once)[:2] for seed in range(30)]
    assert any(drawn != anew for drawn, anew in ends), "else these days prove nothing"


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_a_rebuild_while_events_go_on_misses_none_of_them(seed: int) -> None:
    ends: list[Canonical] = []

    async def day() -> None:
        ward = Ward(seed, Settled)
        settled = Settled(ward.graph, ward.warehouse, DRAWING)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ward.run(40))
            await asyncio.sleep(12)  # in the middle of it
            await rebuild(ward.warehouse, ward.graph, DRAWING, settled, *NORTH)
        ends.append(await canonical(ward.graph.vertices(*NORTH)))
        ends.append(await wanted(ward.warehouse, DRAWING, *NORTH))

    VirtualLoop().run(day())
    assert ends[0] == ends[1]
