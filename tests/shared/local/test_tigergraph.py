"""The embedded REST++ takes what was recorded of a real client, and refuses what TigerGraph would."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.local.tigergraph import TigerGraph

DATA = Path(__file__).parents[4] / "shared" / "data" / "pubsub"
GSQL = """
CREATE SCHEMA_CHANGE JOB care FOR GRAPH care {
  ADD VERTEX Patient (PRIMARY_ID id STRING, birthYear INT, hits INT) WITH PRIMARY_ID_AS_ATTRIBUTE="true";
  ADD VERTEX Observation (PRIMARY_ID id STRING, known BOOL DEFAULT "FALSE") WITH PRIMARY_ID_AS_ATTRIBUTE="true";
  ADD DIRECTED EDGE HAS_OBSERVATION (FROM Patient, TO Observation, at DATETIME) WITH REVERSE_EDGE="OF";
}
"""
GRAPH = "/restpp/graph/care"
EDGE = {"Patient": {"p1": {"HAS_OBSERVATION": {"Observation": {"o1": {"at": {"value": "2026-11-23 10:00:00"}}}}}}}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    embedded = TigerGraph(["care"], ["TOKEN123"], gsql=GSQL)
    url = await embedded.start()
    async with httpx.AsyncClient(base_url=url, headers={"authorization": "Bearer TOKEN123"}) as client:
        yield client
    await embedded.stop()
    embedded.close()


async def send(http: httpx.AsyncClient, name: str) -> Any:
    """A recorded request, as it was sent."""
    path = DATA / f"tg_{name}.json"
    if not path.exists():
        pytest.skip(f"the recordings are not on this machine: {path.name}")
    [request] = json.loads(path.read_text())["requests"]
    method, target, _ = request["request_line"].split(" ")
    dropped = {"host", "content-length"}
    headers = [(name, value) for name, value in request["headers"] if name.lower() not in dropped]
    return (await http.request(method, target, headers=headers, content=request["body"])).json()


async def upsert(http: httpx.AsyncClient, body: object, *, atomic: bool = True, query: str = "") -> Any:
    headers = {"gsql-atomic-level": "atomic"} if atomic else {}
    return (await http.post(GRAPH + query, json=body, headers=headers)).json()


async def vertices(http: httpx.AsyncClient, type: str) -> dict[str, Any]:
    found = (await http.get(f"{GRAPH}/vertices/{type}")).json()["results"]
    return {one["v_id"]: one["attributes"] for one in found}


async def test_recorded_upserts_do_what_their_operations_say(http: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await send(http, "upsertVertices_atomic")
    assert (answer["error"], answer["code"]) == (False, "REST-0002")
    assert answer["results"] == [{"accepted_vertices": 2, "accepted_edges": 0}]
    assert await vertices(http, "Patient") == {
        "p1": {"birthYear": 1980, "hits": 2},
        "p2": {"birthYear": 1990, "hits": 0},
    }


async def test_recorded_edges_wait_for_vertices_that_must_exist(http: httpx.AsyncClient) -> None:
    [skipped] = (await send(http, "upsertEdges"))["results"]
    assert (skipped["accepted_edges"], skipped["skipped_edges"]) == (0, 1)
    assert skipped["miss_vertices"] == [{"v_type": "Observation", "v_id": "o1"}, {"v_type": "Patient", "v_id": "p1"}]
    assert await vertices(http, "Patient") == {}
    [mixed] = (await send(http, "upsertData_mixed"))["results"]
    assert mixed == {"accepted_vertices": 1, "accepted_edges": 1}
    assert await vertices(http, "Observation") == {"o1": {"known": False}}, "made by the edge, with defaults"


async def test_recorded_deletes_name_what_they_mean(http: httpx.AsyncClient) -> None:
    await upsert(http, {"vertices": {"Patient": {"p/1 x": {}, "p1": {}}}, "edges": EDGE})
    assert (await send(http, "delEdges"))["results"] == [{"e_type": "HAS_OBSERVATION", "deleted_edges": 1}]
    assert (await send(http, "delVerticesById"))["results"] == {"v_type": "Patient", "deleted_vertices": 1}
    assert set(await vertices(http, "Patient")) == {"p1"}


async def test_a_deleted_vertex_takes_its_edges_along(http: httpx.AsyncClient) -> None:
    await upsert(http, {"edges": EDGE})
    await http.delete(f"{GRAPH}/vertices/Observation/o1")
    assert (await http.get(f"{GRAPH}/edges/Patient/p1")).json()["results"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"vertices": {"Doctor": {"d1": {}}}},
        {"vertices": {"Patient": {"": {}}}},
        {"vertices": {"Patient": {"p9": {"name": {"value": "x"}}}}},
        {"vertices": {"Patient": {"p9": {"birthYear": {"value": "1980"}}}}},
        {"vertices": {"Patient": {"p9": {"birthYear": {"value": True}}}}},
        {"vertices": {"Patient": {"p9": {"birthYear": 1980}}}},
        {"vertices": {"Patient": {"p9": {"birthYear": {"value": None}}}}},
        {"edges": {"Observation": {"o1": {"HAS_OBSERVATION": {"Patient": {"p1": {}}}}}}},
        {"edges": {"Patient": {"p1": {"KNOWS": {"Patient": {"p2": {}}}}}}},
        {"edges": {"Patient": {"p1": {"HAS_OBSERVATION": {"Observation": {"o1": {"at": {"value": "today"}}}}}}}},
    ],
    ids=json.dumps,
)
async def test_what_the_schema_does_not_have_is_told_in_a_200_and_changes_nothing_if_atomic(
    http: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    good = {"Patient": {"good": {"birthYear": {"value": 1}}}}
    mixed = {**body, "vertices": {**good, **{t: {**good.get(t, {}), **v} for t, v in body.get("vertices", {}).items()}}}
    answer = await http.post(GRAPH, json=mixed, headers={"gsql-atomic-level": "atomic"})
    assert (answer.status_code, answer.json()["error"]) == (200, True)
    assert await vertices(http, "Patient") == {}
    [result] = (await upsert(http, mixed, atomic=False))["results"]
    assert (result["accepted_vertices"], result["accepted_edges"]) == (1, 0), "in part, as is REST++'s default"


async def test_who_has_no_token_or_no_graph_is_told_so(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{GRAPH}/vertices/Patient", headers={"authorization": "Bearer no"})).status_code == 403
    assert (await http.get("/restpp/graph/other/vertices/Patient")).status_code == 404
    assert (await http.get("/elsewhere")).status_code == 404
    assert (await http.post(GRAPH, content=b"[")).status_code == 400
