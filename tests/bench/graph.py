"""`./dev bench graph`: 10,000 changes of a clinic, deletions and late ones among them, drawn event by event, and made anew.

The real handler and the real sink over HTTP against the embedded TigerGraph, in one process on one core; the change log is
in memory and answers at once, so that the graph's side is what is measured. Beside it in the same run: the sink alone, the
same with one row in each request, and the limit: the stand-in's own DuckDB, fed with the same bodies and no HTTP.
"""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime

import orjson

from handlers.graph import draw, versions
from handlers.graph.rebuild import rebuild
from shared import egress
from shared.acting import Sinks
from shared.errors import End, Problem
from shared.events.data import Committed
from shared.events.envelope import Event
from shared.graph.canonical import Canonical
from shared.graph.drawing import Drawing
from shared.graph.picture import Picture
from shared.graph.plan import shipped
from shared.graph.rows import view_rows
from shared.local.tigergraph import TigerGraph as Embedded
from shared.local.tigergraph.body import BadBody, EdgeUpsert, VertexUpsert, parse
from shared.local.tigergraph.schema import parse as schema
from shared.local.tigergraph.server import SCHEMA
from shared.local.tigergraph.store import Store
from shared.sinks.changes.port import DEPTH, Change
from shared.sinks.memory import MemoryPublisher
from shared.sinks.sequence import padded
from shared.sinks.tigergraph import Settled, TigerGraph
from shared.sinks.tigergraph.upserts import upsert

OPERATIONS, RESOURCES, SEED = 10_000, 3_000, 11
AT_ONCE = 400  # events in work
ALONE = 100  # rows that go one by one
NORTH = ("north", "k1")
_TYPES = ("Patient", "Encounter", "Condition", "Observation", "DiagnosticReport")
_DRAWING = Drawing(shipped(), view_rows)


class Log:
    """Keeps shared.sinks.changes.Changes."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, list[Change]] = defaultdict(list)

    def write(self, change: Change) -> None:
        self._rows[change.key].append(change)
        self._rows[change.key].sort(key=lambda one: padded(one.sequence), reverse=True)

    async def history(self, project: str, key_id: str, key: str) -> Sequence[Change]:
        await asyncio.sleep(0)
        return self._rows[key][:DEPTH]

    async def everything(self, project: str, key_id: str) -> AsyncIterator[Sequence[Change]]:
        yield [rows[0] for rows in self._rows.values() if not rows[0].deleted]

    async def close(self) -> None:
        """Nothing is held."""


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if the two graphs are not the same."""
    result = asyncio.run(_measured())
    if as_json:
        print(json.dumps(result))
    else:
        print(
            f"{OPERATIONS:,} changes of {RESOURCES:,} resources; bodies {result['bytes_per_row']} bytes a row on average"
        )
        for name in ("incremental", "rebuild"):
            print(f"{name:<12} {result[name]}")
        for name, of in result["per_second"].items():  # type: ignore[attr-defined]
            print(f"{name:<34} {of['rows']:>8,} rows/s  {of['ratio']:>5} of the limit")
    return 0 if result["equal"] else 1


async def _measured() -> dict[str, object]:
    chance, log = random.Random(SEED), Log()
    changes = list(_changes(chance))
    embedded = Embedded(["drawn", "anew", "sink", "alone"], ["token"])
    url = await embedded.start()
    async with egress.client({"127.0.0.1"}, timeout=30, local=True) as http:

        def graph(name: str) -> TigerGraph:
            return TigerGraph(http, url, {NORTH: (name, "token")}, shipped(), seconds=30)

        seconds = {"handler, written and read again": (OPERATIONS, await _drawn(graph("drawn"), log, changes))}
        anew = graph("anew")
        start = time.monotonic()
        counted = await rebuild(log, anew, _DRAWING, Settled(anew, log, _DRAWING), *NORTH)
        seconds["rebuild"] = (counted.vertices, time.monotonic() - start)
        pictures = [_DRAWING.picture(*NORTH, [one]) for one in changes if not one.deleted]
        seconds["sink alone"] = (len(pictures), await _written(graph("sink"), pictures))
        one_by_one = pictures[:ALONE]
        seconds["one row in each request"] = (ALONE, await _one_by_one(graph("alone"), one_by_one))
    bodies = [upsert(pictures[at : at + AT_ONCE]).body for at in range(0, len(pictures), AT_ONCE)]
    seconds["limit: its store without HTTP"] = (len(pictures), _stored(bodies))
    shown = {name: _hash(embedded, name) for name in ("drawn", "anew")}
    await embedded.stop()
    embedded.close()
    limit = len(pictures) / seconds["limit: its store without HTTP"][1]
    return {
        "operations": OPERATIONS,
        "equal": shown["drawn"] == shown["anew"],
        "incremental": _told(shown["drawn"]),
        "rebuild": _told(shown["anew"]),
        "bytes_per_row": sum(map(len, bodies)) // len(pictures),
        "per_second": {
            name: {"rows": round(rows / took), "ratio": round(rows / took / limit, 2)}
            for name, (rows, took) in seconds.items()
        },
    }


async def _drawn(graph: TigerGraph, log: Log, changes: Sequence[Change]) -> float:
    """Seconds for every change to be committed, told late and out of order, and drawn."""
    settled, read = Settled(graph, log, _DRAWING), versions(log, _DRAWING)
    sinks, places = Sinks(MemoryPublisher(), time.time, graph=settled), asyncio.Semaphore(AT_ONCE)

    async def one(change: Change) -> None:
        async with places:
            log.write(change)
            said = {name: getattr(change, name) for name in ("resource_type", "key", "sequence", "deleted")}
            data = Committed(project=NORTH[0], key_id=NORTH[1], **said)
            event = Event("e" * 64, data, datetime.now(UTC), "analytics", "", "")
            try:
                for effect in await draw(event, await read.fetch(event), drawing=_DRAWING):
                    await sinks.apply(effect, draw.on, event)
            except Problem as problem:
                if problem.code.end is not End.SUPERSEDED:
                    raise

    start = time.monotonic()
    await asyncio.gather(*map(one, changes))
    return time.monotonic() - start


async def _written(graph: TigerGraph, pictures: Sequence[Picture]) -> float:
    start = time.monotonic()
    await asyncio.gather(*map(graph.write, pictures))
    return time.monotonic() - start


async def _one_by_one(graph: TigerGraph, pictures: Sequence[Picture]) -> float:
    start = time.monotonic()
    for picture in pictures:
        await graph.write(picture)
    return time.monotonic() - start


def _stored(bodies: Sequence[bytes]) -> float:
    """Seconds for the stand-in's store to take these bodies."""
    store = Store(schema(SCHEMA.read_text()))
    start = time.monotonic()
    for body in bodies:
        parts = list(parse(orjson.loads(body), store.schema))
        assert not any(isinstance(part, BadBody) for part in parts)
        vertices = [part for part in parts if isinstance(part, VertexUpsert)]
        store.merge("limit", vertices, [part for part in parts if isinstance(part, EdgeUpsert)], must_exist=False)
    took = time.monotonic() - start
    store.close()
    return took


def _changes(chance: random.Random) -> Iterator[Change]:
    """Versions of random resources, each twentieth a deletion, and neighbours often in the wrong order."""
    age = [0] * RESOURCES
    made = []
    for _ in range(OPERATIONS):
        number = chance.randrange(RESOURCES)
        age[number] += 1
        type, deleted = _TYPES[number % len(_TYPES)], chance.random() < 0.05
        sequence = f"{age[number]:014x}/{int(deleted)}/{number:016x}/{65536:012x}"
        made.append(Change(type, _key(number), sequence, deleted, None if deleted else _resource(type, number, chance)))
    for at in range(0, OPERATIONS, 50):
        some = made[at : at + 50]
        chance.shuffle(some)
        yield from some


def _resource(type: str, number: int, chance: random.Random) -> dict[str, object]:
    """Its references stay as they are, its code is corrected now and then, its value changes."""

    def ref(kind: str, nth: int = 0) -> dict[str, str]:
        return {"reference": f"{kind}/{_key((number * 7 + nth) % (RESOURCES // 5) * 5 + _TYPES.index(kind))}"}

    correction = 1 if chance.random() < 0.1 else 0
    code = {"coding": [{"system": "http://snomed.info/sct", "code": str(number % 200 + correction)}]}
    common = {"resourceType": type, "id": _key(number), "status": "final"}
    match type:
        case "Patient":
            return {"resourceType": type, "gender": chance.choice(("male", "female")), "birthDate": "1950"}
        case "Encounter":
            return common | {"subject": ref("Patient"), "type": [code]}
        case "Condition":
            return {"resourceType": type, "subject": ref("Patient"), "encounter": ref("Encounter"), "code": code}
        case "DiagnosticReport":
            results = [ref("Observation", nth) for nth in range(1 + number % 4)]
            return common | {"subject": ref("Patient"), "code": code, "result": results}
    value = {"value": chance.randrange(1000) / 10, "unit": "mg"}
    return common | {"subject": ref("Patient"), "encounter": ref("Encounter"), "code": code, "valueQuantity": value}


def _key(number: int) -> str:
    return f"{number:032x}"


def _hash(embedded: Embedded, name: str) -> Canonical:
    counted = Canonical()
    for vertex in embedded.vertices(name):
        counted.add(vertex)
    return counted


def _told(counted: Canonical) -> dict[str, object]:
    return {"vertices": counted.vertices, "edges": counted.edges, "hash": counted.hash}
