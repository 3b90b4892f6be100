"""A ward of random changes, workers that die, and a graph that is slow: whether what is drawn converges.

    changes ─► warehouse ─► events, late and out of order ─► workers ─► handler ─► graph
                                                               └─ killed now and then; what they had sent still lands

All of it on virtual time, from one seed. A killed worker's event comes again, later than anything that it had sent lands:
that is what Pub/Sub's backoff and TigerGraph's own time limit are for.
"""

import asyncio
from collections.abc import Iterator
from copy import replace
from random import Random
from typing import Any

from handlers.graph import draw, versions
from shared.acting import Sinks
from shared.errors import End, Problem
from shared.events.data import Committed
from shared.events.envelope import Event
from shared.graph.drawing import Drawing
from shared.graph.picture import Picture
from shared.sinks.memory import MemoryPublisher
from shared.sinks.memory_graph import MemoryGraph
from shared.sinks.memory_warehouse import MemoryWarehouse
from shared.sinks.tigergraph.port import Draws
from tests.drawings import DRAWING, PLAN, key
from tests.rows import ROW

BACKOFF = 10.0  # seconds
_SENT = 4.0  # seconds within which what was sent lands, whether anybody waits for it or not


def rows(random: Random, number: int, keys: int) -> Iterator[Any]:
    """Random versions of random rows: most of them writes, each fourth a deletion."""
    clock = dict.fromkeys(range(keys), 0)
    for _ in range(number):
        at = random.randrange(keys)
        clock[at] += 1
        type = "Patient" if at % 4 == 0 else "Observation"
        resource: dict[str, object] | None = {"gender": random.choice("mf"), "birth_year": random.randrange(1930, 2020)}
        if type == "Observation":
            codes = random.sample("abcd", random.randrange(3))
            resource = {"status": "final", "value": random.random(), "patient": key(random.randrange(0, keys, 4))}
            resource["codes"] = codes
        deleted = random.random() < 0.25
        sequence = f"{clock[at]:014x}/{int(deleted)}/{at:016x}/{65536:012x}"
        row = replace(ROW, resource_type=type, key=key(at), sequence=sequence, deleted=deleted)
        yield replace(row, resource=None if deleted else resource)


class SlowGraph(MemoryGraph):
    """Every half of a write takes its time, and lands even if whoever sent it is dead."""

    def __init__(self, random: Random) -> None:
        super().__init__({("north", "k1")}, PLAN)
        self._random = random

    async def write(self, picture: Picture) -> None:
        for half in (self.upsert, self.take_away):
            sent = asyncio.ensure_future(self._land(half, picture))
            await asyncio.shield(sent)

    async def _land(self, half: Any, picture: Picture) -> None:
        await asyncio.sleep(self._random.random() * _SENT)
        half(picture)


class SlowWarehouse(MemoryWarehouse):
    """An answer is of the moment at which the question was put, and takes its time to come."""

    def __init__(self, random: Random) -> None:
        super().__init__({"north"})
        self._random = random

    async def history(self, project: str, key_id: str, key: str) -> Any:
        answer = await super().history(project, key_id, key)
        await asyncio.sleep(self._random.random() * 2)
        return answer


class Ward:
    """`settled` makes what draws out of the graph and the warehouse."""

    def __init__(self, seed: int, settled: Any, drawing: Drawing = DRAWING) -> None:
        self._random = Random(seed)
        self.warehouse, self.graph = SlowWarehouse(self._random), SlowGraph(self._random)
        self._drawing = drawing
        draws: Draws = settled(self.graph, self.warehouse, drawing)
        self._sinks = Sinks(MemoryPublisher(), lambda: 0.0, graph=draws)
        self._read = versions(self.warehouse, drawing)
        self.superseded = self.killed = 0

    async def run(self, number: int, *, keys: int = 8) -> None:
        """So many changes, and all that comes of them."""
        changes = list(rows(self._random, number, keys))
        async with asyncio.TaskGroup() as tasks:
            for at, row in enumerate(changes):
                tasks.create_task(self._change(row, at / 3 + self._random.random() * 3))

    async def _change(self, row: Any, at: float) -> None:
        await asyncio.sleep(at)
        await self.warehouse.write(row)
        said = Committed(
            project=row.project,
            key_id=row.key_id,
            resource_type=row.resource_type,
            key=row.key,
            sequence=row.sequence,
            deleted=row.deleted,
        )
        event = Event("e" * 64, said, None, "analytics", "c", "t")  # type: ignore[arg-type]
        for attempt in range(20):
            await asyncio.sleep(self._random.random() * 3)
            work = asyncio.ensure_future(self._work(event))
            patience = self._random.random() * 6 if attempt < 3 and self._random.random() < 0.2 else None
            done, _ = await asyncio.wait([work], timeout=patience)
            if done and work.result():
                return
            self.killed += not done
            work.cancel()
            await asyncio.sleep(BACKOFF)
        raise AssertionError("an event never ends")

    async def _work(self, event: Event[Committed]) -> bool:
        """Whether the event is done with."""
        try:
            given = await self._read.fetch(event)
            for effect in await draw(event, given, drawing=self._drawing):
                await self._sinks.apply(effect, draw.on, event)
        except Problem as problem:
            self.superseded += problem.code.end is End.SUPERSEDED
            return problem.code.end is not End.TRY_AGAIN
        return True
