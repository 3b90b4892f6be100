"""`./dev bench reconcile`: a clinic of 20,000 resources, one in a hundred lost in every way, and one sweep to find them.

The real client against the embedded Medplum over HTTP, the real keys against the embedded BigQuery over REST, the real
door. Each kind of loss hits one resource in a hundred; what is published is compared with what was lost, one by one.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import replace
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import orjson

from handlers.reconcile.publish import Events
from handlers.reconcile.sweep import Findings, Sweep
from shared.deid.door import Door, open_doors
from shared.deid.row import from_event
from shared.events.data import Deidentified, Validated
from shared.fhir.client import MedplumClient
from shared.identity.event_ids import EventIds
from shared.ledger.memory import MemoryLedger
from shared.local.bigquery import Warehouse
from shared.local.clinic import Clinic
from shared.local.medplum import Medplum
from shared.phi import Phi
from shared.settings import Client, Tenant
from shared.sinks.bigquery import BigQueryWarehouse
from shared.sinks.keys import BigQueryKeys
from shared.sinks.memory import MemoryPublisher
from tests.tenant import EVENT_KEY, PROJECT, PSEUDONYM_KEY

RESOURCES, ONE_IN, SEED = 20_000, 100, 5
KINDS = ("created", "updated", "middle", "deleted", "re-created")
_LATER = 3600.0  # seconds after the last change at which the sweep runs
_SEARCH, _HISTORY = 20, 10  # Medplum's points


@dataclass(slots=True)
class Truth:
    """What was lost: versions that must be published, and row keys that must be buried, each with its kind."""

    versions: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    types: Counter[str] = field(default_factory=Counter)


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if not everything was found, or something else was."""
    result = asyncio.run(_measured())
    if as_json:
        print(json.dumps(result))
    else:
        print(f"{result['resources']:,} resources, {result['versions']:,} versions; lost: {result['lost']}")
        print(f"found: {result['found']}, superfluous {result['superfluous']}, left after it {result['left']}")
        print(
            f"one sweep with histories: {result['seconds']} s, {result['requests']} requests to Medplum, "
            f"{result['points']:,} points of its quota (50,000 a minute for a client)"
        )
        print(f"without histories: {result['plain_seconds']} s, {result['plain_points']:,} points")
    complete = result["found"] == result["lost"] and not result["superfluous"] and not result["left"]
    return 0 if complete else 1


async def _measured() -> dict[str, object]:
    tenant = Tenant.model_validate(
        {
            "project": PROJECT,
            "name": "clinic",
            "dataset": "clinic",
            "event_key": EVENT_KEY,
            "pseudonym_key": PSEUDONYM_KEY,
            "reader": {"id": "sweeper", "secret": "s"},
        }
    )
    [door] = open_doors(tenant)
    medplum, warehouse = Medplum(quota=10**9, seed=SEED), Warehouse()
    assert isinstance(tenant.reader, Client)
    medplum.add_project(PROJECT, [(tenant.reader.id, tenant.reader.secret.get_secret_value())])
    await warehouse.provision(tenant.dataset)
    endpoints = await warehouse.start()
    await medplum.start()
    datasets = {(tenant.name, tenant.key_id): tenant.dataset}
    sink = BigQueryWarehouse("starvit", datasets, endpoints.grpc)
    keys = BigQueryKeys("starvit", datasets, endpoints.rest)
    paths: list[str] = []

    async def seen(request: httpx.Request) -> None:
        paths.append(request.url.path)

    async with httpx.AsyncClient(event_hooks={"request": [seen]}, timeout=60) as http:
        truth, written = await _filled(medplum, door, sink)
        publisher = MemoryPublisher()
        sweep = Sweep(
            tenant,
            (door,),
            MedplumClient(http, medplum.base_url, [tenant], 2_000_000, 60),
            keys,
            MemoryLedger(),
            Events(tenant, EventIds(bytes.fromhex(EVENT_KEY)), publisher, lambda: time.time() + _LATER),
            lambda: time.time() + _LATER,
        )
        plain_seconds, _ = await _swept(sweep, truth, apply=False, histories=False)
        plain_points, requests = _points(paths), len(paths)
        seconds, _ = await _swept(sweep, truth, apply=True, histories=True)
        points = _points(paths) - plain_points
        requests = len(paths) - requests
        changed = [orjson.loads(one.data)["version"] for topic, one in publisher.published if topic == "fhir.changed"]
        buried = [orjson.loads(one.data)["key"] for topic, one in publisher.published if topic == "fhir.deidentified"]
        await _healed(medplum, door, sink, publisher, written)
        _, after = await _swept(sweep, truth, apply=False, histories=True)
    lost = Counter([*truth.versions.values(), *truth.keys.values()])
    found = Counter(
        [truth.versions[one] for one in changed if one in truth.versions]
        + [truth.keys[one] for one in buried if one in truth.keys]
    )
    superfluous = len([one for one in changed if one not in truth.versions])
    superfluous += len([one for one in buried if one not in truth.keys])
    await keys.close()
    await sink.close()
    await medplum.stop()
    await warehouse.stop()
    warehouse.close()
    return {
        "resources": RESOURCES,
        "versions": len(written),
        "lost": dict(sorted(lost.items())),
        "found": dict(sorted(found.items())),
        "superfluous": superfluous,
        "left": sum(not one.clean for one in after),
        "seconds": round(seconds, 1),
        "requests": requests,
        "points": points,
        "plain_seconds": round(plain_seconds, 1),
        "plain_points": plain_points,
    }


async def _filled(medplum: Medplum, door: Door, sink: BigQueryWarehouse) -> tuple[Truth, dict[str, Validated]]:
    """A clinic whose changes are all in the warehouse but for those that were lost."""
    dice, truth, written = random.Random(SEED), Truth(), {}
    told: list[Validated] = []

    def stored(resource: Mapping[str, object], op: str = "write") -> Validated:
        meta = resource["meta"]
        assert isinstance(meta, dict)
        version = Validated(
            project=PROJECT,
            type=str(resource["resourceType"]),
            id=str(resource["id"]),
            version=meta["versionId"],
            last_updated=meta["lastUpdated"],
            generation=1 << 16,
            op="delete" if op == "delete" else "write",
        )
        written[version.version] = version
        return version

    def again(resource: Mapping[str, object]) -> Validated:
        time.sleep(0.0011)  # no two versions of a resource in one millisecond: a write takes Medplum ten
        return stored(medplum.update(PROJECT, {**resource, "language": f"x-{dice.randrange(10**9)}"}))

    for number, made in enumerate(_created(medplum)):
        first, kind = stored(made), KINDS[number % ONE_IN] if number % ONE_IN < len(KINDS) else ""
        truth.types[first.type] += 1
        match kind:
            case "created":
                truth.versions[first.version] = kind
            case "updated":
                told.append(first)
                truth.versions[again(made).version] = kind
            case "middle":
                told.append(first)
                truth.versions[again(made).version] = kind
                told.append(again(made))
            case "deleted":
                told.append(first)
                medplum.delete(PROJECT, first.type, first.id)
                truth.keys[door.pseudonyms.id(first.type, first.id)] = kind
            case "re-created":
                told += (first, first.model_copy(update={"op": "delete"}))
                medplum.delete(PROJECT, first.type, first.id)
                truth.versions[again(made).version] = kind
            case _:
                told.append(first)
                if number % 5 == 0:
                    told.append(again(made))
    await _write(door, sink, told)
    return truth, written


async def _healed(
    medplum: Medplum, door: Door, sink: BigQueryWarehouse, publisher: MemoryPublisher, written: Mapping[str, Validated]
) -> None:
    """What was published has arrived."""
    changed, rows = [], []
    for topic, message in publisher.published:
        if topic == "fhir.changed":
            changed.append(written[orjson.loads(message.data)["version"]])
        elif topic == "fhir.deidentified":
            rows.append(from_event(Deidentified.model_validate_json(message.data)))
    await _write(door, sink, changed)
    await asyncio.gather(*map(sink.write, rows))


async def _write(door: Door, sink: BigQueryWarehouse, versions: Iterable[Validated]) -> None:
    rows = [
        door.row(one, None if one.op == "delete" else Phi({"resourceType": one.type, "id": one.id})) for one in versions
    ]
    for start in range(0, len(rows), 500):
        await asyncio.gather(*map(sink.write, rows[start : start + 500]))


async def _swept(sweep: Sweep, truth: Truth, *, apply: bool, histories: bool) -> tuple[float, list[Findings]]:
    start, using = time.monotonic(), replace(sweep, apply=apply)
    found = [await using.whole(type, histories=histories, allow=True) for type in sorted(truth.types)]
    return time.monotonic() - start, found


def _created(medplum: Medplum) -> Iterable[Mapping[str, object]]:
    """Resources of a clinic, as Medplum stored them."""
    clinic, made = Clinic(SEED), 0
    while made < RESOURCES:
        for operation in clinic.operations(100):
            if operation.action == "create" and made < RESOURCES:
                stored = medplum.create(PROJECT, operation.resource())
                clinic.stored(operation, stored)
                made += 1
                yield stored
            elif operation.action == "update":
                clinic.stored(operation, {"id": str(UUID(int=operation.handle)), "meta": {"versionId": "x"}})


def _points(paths: Iterable[str]) -> int:
    return sum(_HISTORY if path.endswith("/_history") else _SEARCH for path in paths if "/fhir/R4/" in path)
