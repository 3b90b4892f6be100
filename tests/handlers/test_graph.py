"""What the graph's handler decides, and what becomes of it: events in, effects and ends out."""

from copy import replace
from datetime import UTC, datetime

import pytest

from handlers.graph import ON, draw, versions
from shared.acting import Sinks
from shared.effects import Draw, Supersede
from shared.errors import Code, End, Problem
from shared.events.data import Committed
from shared.events.envelope import Event
from shared.settings import Settings
from shared.sinks.memory import MemoryPublisher
from shared.sinks.memory_graph import MemoryGraph
from shared.sinks.memory_warehouse import MemoryWarehouse
from shared.sinks.tigergraph import Settled
from tests.drawings import DRAWING, PLAN, change, key
from tests.rows import ROW

OLD = change("Patient", 1, 1, gender="male")
NEW = change("Patient", 1, 2, gender="female")


def event(sequence: str, type: str = "Patient") -> Event[Committed]:
    said = Committed(project="north", key_id="k1", resource_type=type, key=key(1), sequence=sequence, deleted=False)
    return Event("e" * 64, said, datetime.now(UTC), "analytics", "c" * 36, "")


async def test_the_newest_version_is_drawn_and_not_what_the_event_says() -> None:
    [effect] = await draw(event(NEW.sequence), [OLD, NEW], drawing=DRAWING)
    assert isinstance(effect, Draw)
    assert (effect.picture.sequence, effect.picture.vertex.attributes["gender"]) == (NEW.sequence, "female")


async def test_an_event_that_was_overtaken_draws_the_newest_and_ends_superseded() -> None:
    effects = await draw(event(OLD.sequence), [OLD, NEW], drawing=DRAWING)
    assert effects == [Draw(DRAWING.picture("north", "k1", [OLD, NEW])), Supersede(Code.NEWER_STATE, "data.sequence")]
    graph, warehouse = MemoryGraph({("north", "k1")}, PLAN), MemoryWarehouse({"north"})
    await warehouse.write(replace(ROW, key=key(1), sequence=NEW.sequence, resource=NEW.resource))
    sinks = Sinks(MemoryPublisher(), lambda: 0.0, graph=Settled(graph, warehouse, DRAWING))
    await sinks.apply(effects[0], ON, event(OLD.sequence))
    with pytest.raises(Problem) as end:
        await sinks.apply(effects[1], ON, event(OLD.sequence))
    assert end.value.code.end is End.SUPERSEDED
    assert [vertex.attributes["gender"] async for vertex in graph.vertices("north", "k1")] == ["female"]


@pytest.mark.parametrize("given, at", [([], "data.key"), ([OLD], "data.sequence")])
async def test_a_row_that_the_change_log_does_not_show_yet_is_waited_for(given: list[object], at: str) -> None:
    with pytest.raises(Problem) as behind:
        await draw(event(NEW.sequence), given, drawing=DRAWING)  # type: ignore[arg-type]
    assert (behind.value.code, behind.value.at) == (Code.WAREHOUSE_BEHIND, at)


async def test_a_type_that_the_graph_does_not_show_is_not_even_asked_for() -> None:
    warehouse = MemoryWarehouse({"north"})
    warehouse.fail([Problem(Code.WAREHOUSE_DOWN)])
    read = versions(warehouse, DRAWING)
    assert await read.fetch(event("1/0/0/0", "Practitioner")) == ()
    assert await draw(event("1/0/0/0", "Practitioner"), (), drawing=DRAWING) == []


async def test_no_access_to_phi_is_claimed_for_reading_the_change_log() -> None:
    assert versions(MemoryWarehouse({"north"}), DRAWING).access(event("1/0/0/0"), ()) is None


def test_without_an_address_there_is_no_graph() -> None:
    assert not ON.served(Settings())
    assert ON.served(Settings(tigergraph_url="https://graph.example"))


async def test_a_picture_that_a_newer_row_overtook_is_drawn_again_before_it_counts_as_done() -> None:
    warehouse, graph = MemoryWarehouse({"north"}), MemoryGraph({("north", "k1")}, PLAN)
    for one in (OLD, NEW):
        await warehouse.write(replace(ROW, key=key(1), sequence=one.sequence, resource=one.resource))
    await Settled(graph, warehouse, DRAWING).draw(DRAWING.picture("north", "k1", [OLD]))
    assert [vertex.attributes["sequence"] async for vertex in graph.vertices("north", "k1")] == [NEW.sequence]
