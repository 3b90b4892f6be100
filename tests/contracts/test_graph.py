"""The promises of the graph, kept by the memory twin and by TigerGraph's sink over HTTP alike."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from shared import egress
from shared.errors import Code, Problem
from shared.graph.canonical import canonical
from shared.graph.gsql import text
from shared.graph.picture import CONCEPT, KNOWN, Edge, Picture, Vertex
from shared.local.tigergraph import TigerGraph as Embedded
from shared.sinks.changes.port import DEPTH, Change
from shared.sinks.memory_graph import MemoryGraph
from shared.sinks.tigergraph import Graph, TigerGraph
from tests.drawings import DRAWING, PLAN, SNOMED, change, key

GRAPHS = {("north", "k1"): ("north_k1", "token"), ("south", "k1"): ("south_k1", "token")}
type Seen = dict[tuple[str, str], Vertex]


class Setting(Protocol):
    graph: Graph

    async def go_down(self) -> None: ...


class InMemory:
    def __init__(self) -> None:
        memory = MemoryGraph(GRAPHS, PLAN)
        self.graph: Graph = memory
        self._memory = memory

    async def go_down(self) -> None:
        self._memory.fail([Problem(Code.GRAPH_DOWN)] * 3)


class OverTheWire:
    def __init__(self, embedded: Embedded, http: egress.Client, url: str) -> None:
        self.embedded, self.http, self.url = embedded, http, url
        self.graph: Graph = TigerGraph(http, url, GRAPHS, PLAN, seconds=30)

    async def go_down(self) -> None:
        await self.embedded.stop()


@pytest.fixture
async def wire() -> AsyncIterator[OverTheWire]:
    embedded = Embedded([graph for graph, _ in GRAPHS.values()], ["token"], gsql=text(PLAN))
    url = await embedded.start()
    async with egress.client({"127.0.0.1"}, timeout=30, local=True) as http:
        made = OverTheWire(embedded, http, url)
        yield made
        await made.graph.close()
    await embedded.stop()
    embedded.close()


@pytest.fixture(params=["memory", "tigergraph"])
def setting(request: pytest.FixtureRequest) -> Setting:
    if request.param == "memory":
        return InMemory()
    made: OverTheWire = request.getfixturevalue("wire")
    return made


def picture(*versions: Change, project: str = "north") -> Picture:
    return DRAWING.picture(project, "k1", versions)


async def seen(graph: Graph, project: str = "north") -> Seen:
    return {(vertex.type, vertex.id): vertex async for vertex in graph.vertices(project, "k1")}


def edges(vertex: Vertex) -> set[tuple[str, str, str]]:
    return {(edge.type, *edge.to) for edge in vertex.edges}


FIRST = change("Observation", 2, 1, status="final", value=7.5, patient=key(1), codes=["a", "b"])
SECOND = change("Observation", 2, 2, status="amended", patient=key(3), codes=["b", "c"])
PATIENT = change("Patient", 1, 1, gender="female", birth_year=1950)
TOMBSTONE = change("Observation", 2, 3)


async def test_a_row_is_a_vertex_with_its_edges_and_concepts(setting: Setting) -> None:
    await setting.graph.write(picture(FIRST))
    there = await seen(setting.graph)
    observation = there["Observation", key(2)]
    assert observation.attributes == {
        "known": True,
        "sequence": FIRST.sequence,
        "status": "final",
        "value": 7.5,
        "has_value": True,
    }
    assert edges(observation) == {
        ("ABOUT", "Patient", key(1)),
        ("CODED_AS", CONCEPT, f"{SNOMED}|a"),
        ("CODED_AS", CONCEPT, f"{SNOMED}|b"),
    }
    assert {edge.attributes for edge in observation.edges} == {
        (),
        (("display", "about a"),),
        (("display", "about b"),),
    }
    assert there[CONCEPT, f"{SNOMED}|a"].attributes == {"known": True, "system": SNOMED, "code": "a"}


async def test_what_only_an_edge_names_is_not_known_until_its_row_comes(setting: Setting) -> None:
    await setting.graph.write(picture(FIRST))
    assert (await seen(setting.graph))["Patient", key(1)].attributes[KNOWN] is False
    await setting.graph.write(picture(PATIENT))
    patient = (await seen(setting.graph))["Patient", key(1)]
    assert (patient.attributes[KNOWN], patient.attributes["birth_year"]) == (True, 1950)


async def test_a_newer_version_replaces_attributes_and_edges(setting: Setting) -> None:
    await setting.graph.write(picture(FIRST))
    await setting.graph.write(picture(SECOND, FIRST))
    observation = (await seen(setting.graph))["Observation", key(2)]
    assert (observation.attributes["status"], observation.attributes["has_value"]) == ("amended", False)
    assert observation.attributes["value"] == 0.0, "a value that went does not stay"
    assert edges(observation) == {
        ("ABOUT", "Patient", key(3)),
        ("CODED_AS", CONCEPT, f"{SNOMED}|b"),
        ("CODED_AS", CONCEPT, f"{SNOMED}|c"),
    }


async def test_a_deleted_row_is_not_known_any_more_and_keeps_nothing_but_what_others_say_of_it(
    setting: Setting,
) -> None:
    for versions in ((PATIENT,), (FIRST,), (change("Patient", 1, 2), PATIENT), (TOMBSTONE, FIRST)):
        await setting.graph.write(picture(*versions))
    there = await seen(setting.graph)
    assert there["Observation", key(2)].attributes == {
        "known": False,
        "sequence": TOMBSTONE.sequence,
        "status": "",
        "value": 0.0,
        "has_value": False,
    }
    assert not there["Observation", key(2)].edges
    assert there["Patient", key(1)].attributes["gender"] == ""


async def test_the_edges_of_others_to_a_deleted_patient_stay_as_their_rows_say(setting: Setting) -> None:
    await setting.graph.write(picture(PATIENT))
    await setting.graph.write(picture(FIRST))
    await setting.graph.write(picture(change("Patient", 1, 2), PATIENT))
    there = await seen(setting.graph)
    assert ("ABOUT", "Patient", key(1)) in edges(there["Observation", key(2)])
    assert there["Patient", key(1)].attributes[KNOWN] is False


async def test_an_erased_row_loses_edges_of_versions_that_the_log_has_no_more(setting: Setting) -> None:
    await setting.graph.write(picture(FIRST))
    await setting.graph.write(picture(TOMBSTONE))
    assert not (await seen(setting.graph))["Observation", key(2)].edges


async def test_a_history_that_was_not_read_to_its_end_leaves_no_edge_behind(setting: Setting) -> None:
    await setting.graph.write(picture(FIRST))
    later = [change("Observation", 2, 10 + n, status="final", patient=key(9), codes=["z"]) for n in range(DEPTH)]
    await setting.graph.write(picture(*later))
    assert edges((await seen(setting.graph))["Observation", key(2)]) == {
        ("ABOUT", "Patient", key(9)),
        ("CODED_AS", CONCEPT, f"{SNOMED}|z"),
    }


async def test_writing_twice_changes_nothing_and_order_between_rows_does_not_matter(setting: Setting) -> None:
    pictures = [picture(PATIENT), picture(FIRST), picture(change("Patient", 3, 1, gender="male"))]
    for one in pictures:
        await setting.graph.write(one)
    before = await canonical(setting.graph.vertices("north", "k1"))
    await setting.graph.clear("north", "k1")
    assert not await seen(setting.graph)
    for one in [*reversed(pictures), *pictures]:
        await setting.graph.write(one)
    assert await canonical(setting.graph.vertices("north", "k1")) == before
    assert (before.vertices, before.edges) == (3, 3)


async def test_many_at_once_all_arrive(setting: Setting) -> None:
    many = [change("Observation", n, 1, status="final", patient=key(n % 7), codes=["a"]) for n in range(10, 410)]
    await asyncio.gather(*(setting.graph.write(picture(one)) for one in many))
    counted = await canonical(setting.graph.vertices("north", "k1"))
    assert (counted.vertices, counted.edges) == (400, 800)


async def test_a_tenants_rows_are_in_its_own_graph_alone(setting: Setting) -> None:
    await setting.graph.write(picture(PATIENT, project="south"))
    assert not await seen(setting.graph)
    assert set(await seen(setting.graph, "south")) == {("Patient", key(1))}
    with pytest.raises(Problem) as refused:
        await setting.graph.write(picture(PATIENT, project="west"))
    assert str(refused.value) == "unknown-project at project"


async def test_an_outage_is_said_and_what_comes_after_it_is_written(setting: Setting) -> None:
    await setting.go_down()
    for call in (setting.graph.write(picture(PATIENT)), setting.graph.clear("north", "k1"), seen(setting.graph)):
        with pytest.raises(Problem) as down:
            await call
        assert down.value.code is Code.GRAPH_DOWN


# What TigerGraph alone can do to us


@pytest.mark.parametrize(
    "fault, code, at",
    [
        (401, Code.GRAPH_DENIED, "POST"),
        (403, Code.GRAPH_DENIED, "POST"),
        (429, Code.GRAPH_BUSY, "POST"),
        (500, Code.GRAPH_DOWN, "POST 500"),
        (302, Code.GRAPH_DOWN, "POST 302"),
        ("lost", Code.GRAPH_DOWN, "POST 502"),
        ("error", Code.GRAPH_REFUSED, "Patient"),
        (400, Code.GRAPH_REFUSED, "Patient"),
    ],
)
async def test_each_bad_answer_is_an_end_of_its_own(wire: OverTheWire, fault: int, code: Code, at: str) -> None:
    wire.embedded.plant(fault)
    with pytest.raises(Problem) as bad:
        await wire.graph.write(picture(PATIENT))
    assert (bad.value.code, bad.value.at) == (code, at)
    assert bad.value.retry_after == (1.0 if code is Code.GRAPH_BUSY else None)
    await wire.graph.write(picture(PATIENT))
    assert ("Patient", key(1)) in await seen(wire.graph)


async def test_a_wrong_token_is_denied(wire: OverTheWire) -> None:
    graph = TigerGraph(wire.http, wire.url, {("north", "k1"): ("north_k1", "other")}, PLAN)
    with pytest.raises(Problem) as denied:
        await graph.write(picture(PATIENT))
    assert denied.value.code is Code.GRAPH_DENIED


async def test_one_bad_row_is_refused_alone_and_its_neighbours_pass(wire: OverTheWire) -> None:
    good = [picture(change("Patient", n, 1, gender="female")) for n in range(20)]
    bad = Picture("north", "k1", "1/0/0/0", Vertex("Patient", key(99), {"gender": 5}))
    ends = await asyncio.gather(*(wire.graph.write(one) for one in (*good, bad, *good)), return_exceptions=True)
    refused = [end for end in ends if end is not None]
    assert [str(end) for end in refused] == ["graph-refused at Patient"]
    assert len(await seen(wire.graph)) == len(good)


async def test_what_is_asked_at_once_shares_one_atomic_upsert(wire: OverTheWire) -> None:
    await asyncio.gather(*(wire.graph.write(picture(change("Patient", n, 1, gender="x"))) for n in range(300)))
    assert wire.embedded.counts["POST"] == 1
    assert wire.embedded.counts["vertices"] == 300


async def test_of_two_versions_at_once_the_newer_is_written(wire: OverTheWire) -> None:
    await asyncio.gather(wire.graph.write(picture(SECOND, FIRST)), wire.graph.write(picture(FIRST)))
    assert (await seen(wire.graph))["Observation", key(2)].attributes["sequence"] == SECOND.sequence


async def test_an_id_with_slashes_and_bars_is_the_same_in_a_body_and_in_a_path(wire: OverTheWire) -> None:
    await wire.graph.write(picture(FIRST))
    gone = Edge("CODED_AS", (CONCEPT, f"{SNOMED}|a"))
    vertex = picture(FIRST).vertex
    kept = tuple(edge for edge in vertex.edges if edge != gone)
    vertex = Vertex(vertex.type, vertex.id, vertex.attributes, kept)
    await wire.graph.write(Picture("north", "k1", FIRST.sequence, vertex, gone=(gone,)))
    assert wire.embedded.counts["deleted_edges"] == 1
    assert edges((await seen(wire.graph))["Observation", key(2)]) == {(edge.type, *edge.to) for edge in kept}


async def test_what_is_shown_is_counted_and_neither_what_only_an_edge_names_nor_what_was_buried(
    setting: Setting,
) -> None:
    await setting.graph.write(picture(change("Patient", 1, 1, gender="female")))
    drawn = [
        end for end, vertex in (await seen(setting.graph)).items() if vertex.attributes[KNOWN] and end[0] != CONCEPT
    ]
    assert await setting.graph.shown("north", "k1", [*drawn, ("Patient", "f" * 32), ("Coverage", "f" * 32)]) == 1
    assert await setting.graph.shown("north", "k1", []) == 0
    await setting.graph.write(picture(change("Patient", 1, 1, gender="female"), change("Patient", 1, 2)))
    assert await setting.graph.shown("north", "k1", drawn) == 0
    with pytest.raises(Problem) as refused:
        await setting.graph.shown("west", "k1", drawn)
    assert refused.value.code is Code.UNKNOWN_PROJECT
