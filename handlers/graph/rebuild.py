"""The whole graph anew from the warehouse, and the hash that the graph has to have.

    view `resources` ─► pictures ─► cleared graph ─► what has changed meanwhile, drawn again

Events may go on coming: what they draw while the old rows are still being written may be overwritten by those, so at the
end every row is compared with what was written of it, and drawn again as an event would draw it.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import batched

from shared.graph.canonical import Canonical
from shared.graph.drawing import Drawing
from shared.graph.picture import Picture
from shared.sinks.changes.port import Changes
from shared.sinks.tigergraph.port import Draws, Graph

_AT_ONCE = 2_000  # pictures on their way to the graph


async def rebuild(
    changes: Changes, graph: Graph, drawing: Drawing, settled: Draws, project: str, key_id: str
) -> Canonical:
    """Write the graph of a dataset anew; what was written. Raises Problem. Safe to repeat."""
    await graph.clear(project, key_id)
    counted, written = Canonical(), dict[str, str]()
    async for pictures in _pictures(changes, drawing, project, key_id):
        await asyncio.gather(*(graph.write(picture) for picture in pictures))
        for picture in pictures:
            counted.add(picture.vertex)
            written[picture.vertex.id] = picture.sequence
    async for pictures in _pictures(changes, drawing, project, key_id):
        moved = [one for one in pictures if written.pop(one.vertex.id, None) != one.sequence]
        await asyncio.gather(*(settled.draw(picture) for picture in moved))
    for some in batched(written, _AT_ONCE, strict=False):  # deleted meanwhile
        await asyncio.gather(*(_again(changes, drawing, settled, project, key_id, key) for key in some))
    return counted


async def wanted(changes: Changes, drawing: Drawing, project: str, key_id: str) -> Canonical:
    """What the graph has to show, from the warehouse alone."""
    counted = Canonical()
    async for pictures in _pictures(changes, drawing, project, key_id):
        for picture in pictures:
            counted.add(picture.vertex)
    return counted


async def _pictures(
    changes: Changes, drawing: Drawing, project: str, key_id: str
) -> AsyncIterator[tuple[Picture, ...]]:
    async for page in changes.everything(project, key_id):
        for some in batched(page, _AT_ONCE, strict=False):
            yield tuple(drawing.picture(project, key_id, [one]) for one in some if drawing.shows(one.resource_type))


async def _again(changes: Changes, drawing: Drawing, settled: Draws, project: str, key_id: str, key: str) -> None:
    if versions := await changes.history(project, key_id, key):
        await settled.draw(drawing.picture(project, key_id, versions))
