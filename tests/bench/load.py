"""`./dev bench load`: the four zones as services of their own, one worker each, under as much as the machine gives.

What service.yaml asks for comes from here: CPU for each change of the clinic, and the most memory that a worker has held,
at the concurrency that service.yaml allows. The stand-ins share the machine, so the rate is theirs as much as ours; the
CPU and the memory are the worker's own. What the stand-ins were asked for goes into schemas/scale.toml: messages and bytes
of each topic, Medplum's interactions, bytes to BigQuery.
"""

import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from handlers.demo.stack import PROJECT, Stack, embedded
from shared.events.data import Accounted
from shared.events.envelope import Message
from shared.local.clinic import Clinic
from shared.local.medplum.quota import HISTORY, READ, Quota
from shared.settings import Zone

CHANGES = 1500
SEED = 7
DEPLOYED = Path(__file__).resolve().parents[2] / "service.yaml"
ZONES = (Zone.INGRESS, Zone.CLINICAL, Zone.ANALYTICS, Zone.OPS)
AT_ONCE = 200  # changes on their way: more than a worker of any zone is sent at once
QUIET, PATIENCE = 1.0, 240.0  # seconds


@dataclass(frozen=True, slots=True)
class Figure:
    """`given_mb`: the limit of service.yaml; `peak_mb`: the most that the worker has held, gunicorn's own beside it."""

    zone: str
    ready_mb: float
    peak_mb: float
    master_mb: float
    given_mb: int
    cpu_ms_a_change: float


class Asked:
    """What the stand-ins were asked for, from now on: counts, to be divided by the changes."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.points: Counter[int] = Counter()
        self.acts = 0
        take = Quota.take

        def counted(quota: Quota, points: int) -> None:
            self.points[points] += 1
            take(quota, points)

        Quota.take = counted  # type: ignore[method-assign, assignment]

    def observe(self, topic: str, message: Message) -> None:
        """A message as it is published; its size is what Pub/Sub counts, but for its id and time."""
        attributes = sum(len(name) + len(value) for name, value in message.attributes.items())
        self.messages[topic] += 1
        self.bytes[topic] += len(message.data) + len(message.ordering_key) + attributes
        if message.attributes.get("ce-type") == Accounted.TYPE:
            self.acts += len(json.loads(message.data)["acts"])

    def of_a_change(self, warehouse_bytes: int) -> dict[str, object]:
        """Each figure for one change of the clinic."""
        return {
            "messages": {topic: count / CHANGES for topic, count in sorted(self.messages.items())},
            "message_bytes": {topic: self.bytes[topic] / count for topic, count in sorted(self.messages.items())},
            "acts": self.acts / CHANGES,
            "medplum_reads": self.points[READ] / CHANGES,
            "medplum_histories": self.points[HISTORY] / CHANGES,
            "bigquery_bytes": warehouse_bytes / CHANGES,
        }


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if a worker needed more than half of what service.yaml gives it."""
    rate, figures, asked = asyncio.run(_all())
    if as_json:
        zones = [asdict(one) for one in figures]
        print(json.dumps({"changes": CHANGES, "changes_per_s": rate, "zones": zones, "a_change": asked}))
    else:
        print(f"{CHANGES:,} changes of the clinic, {rate:.0f} a second, stand-ins on the same machine")
        for one in figures:
            print(
                f"  {one.zone:<10} ready {one.ready_mb:4.0f} MB   peak {one.peak_mb:4.0f} MB   gunicorn {one.master_mb:3.0f} MB"
                f"   given {one.given_mb:5,} MB   {one.cpu_ms_a_change:6.2f} ms CPU a change"
            )
        for name, figure in asked.items():
            print(f"  {name} a change: {figure}")
    return 0 if all(2 * (one.peak_mb + one.master_mb) <= one.given_mb for one in figures) else 1


async def _all() -> tuple[float, list[Figure], dict[str, object]]:
    asked = Asked()
    with tempfile.TemporaryDirectory() as folder:
        async with embedded(Path(folder), faults=None, observe=asked.observe, zones=ZONES) as stack:
            before = {zone: _of(stack, zone) for zone in ZONES}
            started = time.monotonic()
            await _written(stack)
            rate = CHANGES / (time.monotonic() - started - QUIET)
            after = {zone: _of(stack, zone) for zone in ZONES}
            stored = stack.warehouse.stats.bytes
    given = dict(_given())
    figures = [
        Figure(
            zone=str(zone),
            ready_mb=before[zone].resident_mb,
            peak_mb=after[zone].peak_mb,
            master_mb=after[zone].master_mb,
            given_mb=given[str(zone)],
            cpu_ms_a_change=(after[zone].cpu_s - before[zone].cpu_s) * 1000 / CHANGES,
        )
        for zone in ZONES
    ]
    return rate, figures, asked.of_a_change(stored)


async def _written(stack: Stack) -> None:
    """The clinic's day, until nothing is on its way."""
    clinic = Clinic(SEED)
    for operation in clinic.operations(CHANGES):
        while _on_its_way(stack) >= AT_ONCE:
            await asyncio.sleep(0.02)
        if operation.action == "delete":
            stack.medplum.delete(PROJECT, operation.type, operation.id)
        else:
            write = stack.medplum.create if operation.action == "create" else stack.medplum.update
            clinic.stored(operation, write(PROJECT, operation.resource()))
        await asyncio.sleep(0)
    quiet = end = time.monotonic()
    while time.monotonic() - quiet < QUIET and time.monotonic() - end < PATIENCE:
        await asyncio.sleep(0.05)
        if _on_its_way(stack):
            quiet = time.monotonic()


def _on_its_way(stack: Stack) -> int:
    hooks = stack.medplum.stats
    waiting = sum(one.backlog for name, one in stack.pubsub.stats().items() if not name.endswith(("--hold", "--index")))
    return hooks.fired - hooks.accepted - hooks.stale - hooks.given_up + waiting


@dataclass(frozen=True, slots=True)
class _Process:
    cpu_s: float
    resident_mb: float
    peak_mb: float
    master_mb: float


def _of(stack: Stack, zone: Zone) -> _Process:
    service = stack.services[zone]
    [worker] = service.workers()
    assert service.process is not None
    user, system = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13]
    ticks = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return _Process(ticks, _kept(worker, "VmRSS"), _kept(worker, "VmHWM"), _kept(service.process.pid, "VmRSS"))


def _kept(pid: int, name: str) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024 / 1e6


def _given() -> Iterator[tuple[str, int]]:
    """Each zone's memory limit in service.yaml, in MB."""
    units = {"Mi": 1 << 20, "Gi": 1 << 30}
    for service in yaml.safe_load_all(DEPLOYED.read_text()):
        [container, *_] = service["spec"]["template"]["spec"]["containers"]
        [zone] = [one["value"] for one in container["env"] if one["name"] == "ZONE"]
        text = container["resources"]["limits"]["memory"]
        yield zone, int(text[:-2]) * units[text[-2:]] // 1_000_000
