"""`./dev bench dlp`: what goes to DLP of a clinic's day, and in how many requests, through Google's client to a local DLP.

The clinic's notes differ from each other, as notes do. Events are worked on so many at once, as an instance does under load; the
local DLP takes as long for an answer as the real one may. Stated: how many bytes of the resources are free text, how many go
after masking, and events for each request.
"""

import asyncio
import json
from uuid import UUID

import orjson

from shared.deid.door import Door, texts_of
from shared.deid.policy import load
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.text.dlp import MOST_BYTES, MOST_CELLS, Dlp
from shared.deid.text.local import Local
from shared.deid.text.record import Record
from shared.events.data import Validated
from shared.local.clinic import Clinic
from shared.local.dlp import LocalDlp
from shared.phi import Phi
from shared.settings import Settings

EVENTS, SEED, LATENCY = 3000, 11, 0.25  # seconds that the local DLP takes
PROJECT = "bench"


def run(*, as_json: bool) -> int:
    """Measure and print; 0."""
    figures = asyncio.run(_measured())
    if as_json:
        print(json.dumps(figures))
        return 0
    print(
        f"{figures['events']:,} events of the clinic, {figures['at_once']} at once, {figures['with_text']:,} with free text"
    )
    print(f"  resources {figures['resource_bytes']:,} bytes; free text {figures['free_text']:.1%} of them")
    print(
        f"  sent to DLP: {figures['sent']:.1%} of the resources' bytes, masked; the same text twice in a request: never"
    )
    print(f"  {figures['requests']} requests, {figures['events_per_request']:.0f} events each")
    print(
        f"  largest: {figures['largest_bytes']:,} of {MOST_BYTES:,} bytes, {figures['largest_cells']:,} of {MOST_CELLS:,} cells"
    )
    return 0


async def _measured() -> dict[str, float]:
    at_once = Settings.model_fields["concurrency"].default
    day = list(_day())
    fake = LocalDlp(latency=LATENCY)
    dlp = Dlp("bench", "us-central1", endpoint=await fake.start())
    await dlp.scrub(["warm"])
    fake.requests.clear()
    slots = asyncio.Semaphore(at_once)

    async def event(texts: list[str]) -> None:
        async with slots:
            if texts:
                await dlp.scrub(texts)

    await asyncio.gather(*(event(masked) for _, _, masked in day))
    await dlp.close()
    await fake.stop()
    sizes = [type(request).pb(request).ByteSize() for request in fake.requests]
    cells = [
        [row.values[0].string_value for row in type(request).pb(request).item.table.rows] for request in fake.requests
    ]
    assert all(len(set(own)) == len(own) for own in cells)
    resource_bytes = sum(size for size, _, _ in day)
    return {
        "events": len(day),
        "at_once": at_once,
        "with_text": sum(bool(masked) for _, _, masked in day),
        "resource_bytes": resource_bytes,
        "free_text": sum(size for _, size, _ in day) / resource_bytes,
        "sent": sum(len(cell.encode()) for own in cells for cell in own) / resource_bytes,
        "requests": len(fake.requests),
        "events_per_request": len(day) / len(fake.requests),
        "largest_bytes": max(sizes),
        "largest_cells": max(map(len, cells)),
    }


def _day() -> "list[tuple[int, int, list[str]]]":
    """For each write of the clinic: bytes of the resource, bytes of its free text, the texts masked."""
    clinic, local = Clinic(SEED), Local()
    door = Door("bench", load("safe-harbor"), Pseudonyms(b"k" * 32, "k1"))
    records: dict[str, Record] = {}
    day: list[tuple[int, int, list[str]]] = []
    for operation in clinic.operations(EVENTS):
        if operation.action == "delete":
            continue
        id, version = str(UUID(int=operation.handle)), str(UUID(int=operation.number))
        meta = {"versionId": version, "lastUpdated": "2026-11-23T10:41:55.279Z"}
        stored = {**operation.resource(), "id": id, "meta": meta}
        clinic.stored(operation, stored)
        type = str(stored["resourceType"])
        if type == "Patient":
            records[id] = local.record(stored)
        about = door.patient(Phi(stored))
        record = records.get(about.reveal() if about else "", local.record(None))
        reference = Validated(
            project=PROJECT,
            type=type,
            id=id,
            version=version,
            last_updated=meta["lastUpdated"],
            generation=1,
            op="write",
        )
        found = texts_of([door], reference, Phi(stored))
        texts = found.reveal() if found else ()
        size = sum(len(text.encode()) for text in texts)
        day.append((len(orjson.dumps(stored)), size, [local.scrub(text, record) for text in texts]))
    return day
