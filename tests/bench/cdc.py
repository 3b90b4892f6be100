"""`./dev bench cdc`: rows into BigQuery: what encoding one costs, how many a second arrive, whether any is lost or doubled.

The corpus is what the synthetic clinic writes, de-identified, in its mix of types. Beside each other in one run: orjson
alone on the resources (the limit), the append path up to the bytes of its requests, and what the views add. Then over
real gRPC to the embedded server, which shares this process: rows a second; the cost of a row as the tables fill, and its
slope (0: it does not grow); every order of five versions, a deletion among them; and runs in which streams are reset
before or after their rows are kept.
"""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from copy import replace
from itertools import permutations
from random import Random
from typing import Any

import orjson

from shared.deid.row import SafeRow
from shared.errors import Code, Problem
from shared.local.bigquery import Fault, Warehouse
from shared.sinks.bigquery import BigQueryWarehouse
from shared.sinks.bigquery.rows import Encoded, encode
from shared.sinks.bigquery.view_rows import RecordEncoder
from shared.sinks.records import Record, Recorder
from tests.bench.ledger import slope
from tests.contracts.test_warehouse_views import LIFE
from tests.golden.clinic_resources import left
from tests.rows import ROW
from tests.views import VIEWS, views

RESOURCES, ROUNDS, REQUEST_ROWS = 2_000, 5, 1_000
WRITES, AT_ONCE = 4_000, 500
GROWN, SAMPLE = (1_000, 5_000, 25_000), 3_000  # rows that are there, and how many more are measured
RUNS, KEYS, FAULTS = 200, 12, 10


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if a row was lost or doubled, or an order did not converge."""
    encoded = _encoding()
    arrived = asyncio.run(_arriving())
    grown = asyncio.run(_growing())
    orders = asyncio.run(_orders())
    resets = asyncio.run(_resets())
    bad = resets["lost"] + resets["doubled"] + orders["orders"] - orders["converged"]
    if as_json:
        print(
            json.dumps({"encoding": encoded, "embedded": arrived, "grown": grown, "orders": orders, "resets": resets})
        )
        return int(bad > 0)
    print(
        f"{encoded['resources']} rows: a resource of {encoded['mean_bytes']} bytes on average and ten columns more; "
        f"the best of {ROUNDS} rounds, CPU of one core"
    )
    for name, value in encoded["per_s"].items():
        print(f"  {name:<58} {value:>9,} rows/s   {value / encoded['per_s'][_LIMIT]:.2f} of orjson")
    told = (
        f"{arrived['writes_per_s']:,} rows/s ({arrived['writes_per_cpu_s']:,} for each second of CPU, the server's too)"
    )
    print(
        f"to the embedded server: {told}, {arrived['table_rows_per_s']:,} table rows/s, {arrived['requests']} requests"
    )
    sizes = ", ".join(f"{size:,} rows {cost:.3f} ms" for size, cost in grown["cpu_ms_a_row"].items())
    print(f"as it fills: {sizes} CPU of the loop a row; {grown['bytes_a_row']:,} bytes; slope {grown['slope']:+.3f}")
    print(f"orders of five versions, one a deletion: {orders['converged']} of {orders['orders']} end in the newest")
    told = f"{resets['resets']} resets, {resets['lost']} rows lost, {resets['doubled']} doubled in the published views"
    print(f"{resets['runs']} runs with injected resets: {resets['rows']} rows, {told}")
    return int(bad > 0)


_LIMIT = "orjson alone"


def _rows(count: int) -> list[SafeRow]:
    resources = left("safe-harbor")
    return [
        replace(
            ROW,
            key=f"{number:032x}",
            sequence="64f0a1b2c3d4e/0/5e0f/10000",
            resource_type=str(resource["resourceType"]),
            resource=dict(resource),
        )
        for number, resource in zip(range(count), resources * (count // len(resources) + 1), strict=False)
    ]


def _encoding() -> dict[str, Any]:
    rows, recorder = _rows(RESOURCES), Recorder()
    made = [(row, recorder.records(row)) for row in rows]
    encoders = {record.view.name: RecordEncoder(record.view, row.policy) for row, records in made for record in records}

    def records(pair: tuple[SafeRow, list[Record]]) -> None:
        for record in pair[1]:
            encoders[record.view.name].fit(record, pair[0], 1)

    def everything(row: SafeRow) -> Encoded:
        records((row, recorder.records(row)))
        return encode(row, 1)

    per_s = {
        _LIMIT: _per_second(rows, lambda row: orjson.dumps(row.resource)),
        "the append path: both tables' rows, in requests' bytes": _per_second(
            rows, lambda row: encode(row, 1), _requests
        ),
        "the records of all views, encoded": _per_second(made, records),
        "the rows of all views, evaluated": _per_second(rows, recorder.records),
        "all of it": _per_second(rows, everything, _requests),
    }
    sizes = [len(orjson.dumps(row.resource)) for row in rows]
    return {"resources": len(rows), "mean_bytes": round(statistics.mean(sizes)), "per_s": per_s}


def _per_second[T, R](
    items: Sequence[T], one: Callable[[T], R], finish: Callable[[list[R]], object] = lambda _: None
) -> int:
    spent = []
    for _ in range(ROUNDS):
        before = time.process_time()
        finish([one(item) for item in items])
        spent.append(time.process_time() - before)
    return round(len(items) / min(spent))


def _requests(rows: list[Encoded]) -> int:
    """The bytes of the requests that carry the rows, as Appender makes them and gRPC sends them."""
    from google.cloud.bigquery_storage_v1.types import AppendRowsRequest

    size = 0
    for table in ([row.current for row in rows], [row.change for row in rows]):
        for start in range(0, len(table), REQUEST_ROWS):
            request = AppendRowsRequest.pb()()
            request.proto_rows.rows.serialized_rows.extend(table[start : start + REQUEST_ROWS])
            size += len(request.SerializeToString())
    return size


@asynccontextmanager
async def _embedded() -> AsyncIterator[tuple[Warehouse, str]]:
    embedded = Warehouse()
    yield embedded, (await embedded.start()).grpc
    await embedded.stop()
    embedded.close()


def _sink(endpoint: str, dataset: str, **more: Any) -> BigQueryWarehouse:
    return BigQueryWarehouse("starvit", {("north", "k1"): dataset}, endpoint, **more)


async def _arriving() -> dict[str, Any]:
    """With the shipped views: so many rows under way at once, as the pipeline has them."""
    async with _embedded() as (embedded, endpoint):
        await embedded.provision("bench")
        sink, rows = _sink(endpoint, "bench"), _rows(WRITES)
        await sink.write(rows[0])
        started, spent, before = time.monotonic(), time.process_time(), embedded.stats
        await _write(sink, rows)
        seconds, cpu = time.monotonic() - started, time.process_time() - spent
        await sink.close()
        arrived, requests = embedded.stats.rows - before.rows, embedded.stats.requests - before.requests
        found = embedded.rows("SELECT COUNT(*) FROM bench.resources")
        assert found == [(len(rows),)]
        return {
            "writes_per_s": round(len(rows) / seconds),
            "writes_per_cpu_s": round(len(rows) / cpu),
            "table_rows_per_s": round(arrived / seconds),
            "requests": requests,
        }


async def _growing() -> dict[str, Any]:
    """CPU and bytes of a row when there are so many already; without views, whose rows are more of the same.

    The event loop's CPU: the writer's and the server's gRPC, not DuckDB's, which has a thread of its own."""
    async with _embedded() as (embedded, endpoint):
        await embedded.provision("bench", views=())
        sink, rows = _sink(endpoint, "bench", views=lambda _: ()), _rows(max(GROWN) + SAMPLE)
        costs, sizes, there = {}, set(), 0
        for size in GROWN:
            await _write(sink, rows[there:size])
            spent, before = [], embedded.stats.bytes
            for start in range(size, size + SAMPLE, AT_ONCE):
                began = time.thread_time()
                await _write(sink, rows[start : start + AT_ONCE])
                spent.append((time.thread_time() - began) * 1000 / AT_ONCE)
            costs[size] = statistics.median(spent)
            sizes.add(round((embedded.stats.bytes - before) / SAMPLE))
            there = size + SAMPLE
        await sink.close()
    return {"cpu_ms_a_row": costs, "bytes_a_row": max(sizes), "slope": slope(list(costs), list(costs.values()))}


async def _write(sink: BigQueryWarehouse, rows: Sequence[SafeRow]) -> None:
    for start in range(0, len(rows), AT_ONCE):
        await asyncio.gather(*(sink.write(row) for row in rows[start : start + AT_ONCE]))


async def _orders() -> dict[str, int]:
    async with _embedded() as (embedded, endpoint):
        await embedded.provision("bench", views=VIEWS)
        sink, orders = _sink(endpoint, "bench", views=views), list(permutations(LIFE))

        async def live(number: int, order: Sequence[SafeRow]) -> None:
            for row in (*order, order[0]):
                await sink.write(replace(row, key=f"{number:032x}"))

        await asyncio.gather(*(live(number, order) for number, order in enumerate(orders)))
        await sink.close()
        newest = "SELECT key FROM bench.resources WHERE sequence = '11/0/0/1'"
        lines = "SELECT _key, STRING_AGG(name, '' ORDER BY name) AS names FROM bench.patient_names GROUP BY _key"
        kept = {key for (key,) in embedded.rows(newest)}
        converged = [key for key, names in embedded.rows(lines) if names == "gh" and key in kept]
        return {"orders": len(orders), "converged": len(converged)}


async def _resets() -> dict[str, int]:
    async with _embedded() as (embedded, endpoint):
        await embedded.provision("bench", views=VIEWS)
        for seed in range(RUNS):
            await _one_run(embedded, endpoint, seed)
        total = {"runs": RUNS, "rows": 0, "resets": embedded.stats.resets, "lost": 0, "doubled": 0}
        for view, identity, for_each_key in _PUBLISHED:
            found = embedded.rows(f"SELECT {identity}, COUNT(*) FROM bench.{view} GROUP BY {identity}")
            total["rows"] += len(found)
            total["lost"] += RUNS * KEYS * for_each_key - len(found)
            total["doubled"] += sum(times - 1 for *_, times in found)
        return total


_PUBLISHED = (("resources", "key, sequence", 1), ("change_log", "key, sequence", 2), ("patient_names", "_key, name", 2))


async def _one_run(embedded: Warehouse, endpoint: str, seed: int) -> None:
    """Two versions of each resource, in any order; what was not confirmed comes again, as Pub/Sub sends it."""
    random, sink = Random(seed), _sink(endpoint, "bench", views=views)
    embedded.plant(*(random.choice((Fault.RESET_BEFORE, Fault.RESET_AFTER, None)) for _ in range(FAULTS)))
    resource: dict[str, object] = {"resourceType": "Patient", "names": ["a", "b"]}
    rows = [
        replace(ROW, key=f"{seed * KEYS + n:032x}", sequence=f"{s}/0/0/1", resource=resource)
        for n in range(KEYS)
        for s in "12"
    ]
    waiting = random.sample(rows, len(rows))
    while waiting:
        ends = await asyncio.gather(*(sink.write(row) for row in waiting), return_exceptions=True)
        for end in ends:
            assert end is None or (isinstance(end, Problem) and end.code is Code.WAREHOUSE_DOWN)
        waiting = [row for row, end in zip(waiting, ends, strict=True) if end is not None]
    await sink.close()
