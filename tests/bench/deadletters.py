"""`./dev bench deadletters`: 100,000 dead letters on the embedded stack: list, plan, replay, and a runner killed -9.

Beside each other in one run: the command line's own list and plan, each a process from its start to its end; the replay's
throughput, and as its limit the bare publishes of the same client, one at a time; random plans against what was replayed,
as sets; and runners that are killed at several points and gone on with: how often an event was published twice.
"""

import asyncio
import json
import os
import random
import resource
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from handlers import catalog
from handlers.deadletters.choosing import Filter
from handlers.deadletters.records import Delivered, entry_of
from handlers.demo.service import environment_of
from handlers.provisioning import Retry, hold, requests
from shared.deadletters.sqlite import SqliteIndex
from shared.errors import Code
from shared.events.envelope import Message
from shared.ledger.port import Lease
from shared.ledger.port import State as Ended
from shared.ledger.sqlite import SqliteLedger
from shared.local.pubsub import PubSub
from shared.settings import Settings
from shared.sinks.channels import publisher_client, subscriber_client
from shared.sinks.pubsub import PubSubPublisher
from tests.handlers.deadletters.house import CODES, TYPES, house, quarantined, reference
from tests.handlers.deadletters.test_replay import check_plan_is_replay
from tests.tenant import PROJECT, settings

MESSAGES = 100_000
REPLAYED = 2_000
PLANS = 1_000
KILLED = 120  # messages of each plan whose runner is killed
POINTS = (1, 2, 20, 60, 119)  # publishes after which it is
TOPIC = "deid.quarantine"
_PATIENCE = 600  # seconds until a runner has got through all that is in the way of its plan
_DAY = 86_400  # seconds over which they were set aside, in the order in which Pub/Sub holds them
_LOADED_AT_ONCE = 1_000  # the most that Pub/Sub takes in a request


@dataclass(frozen=True, slots=True)
class Figures:
    messages: int
    load_s: float
    list_s: float
    list_cpu_s: float
    counts_s: float
    counts_cpu_s: float
    plan_s: float
    plan_cpu_s: float
    replay_per_s: float
    bare_publish_per_s: float
    share_of_bare: float
    plans: int
    plans_unlike_their_replays: int
    crashes: int
    published_twice: int
    most_for_one_crash: int
    events_lost: int
    memory_mb_of_replay: float


class Stage:
    """Pub/Sub and the files that the command line works with. `sent` counts publishes by event."""

    def __init__(self, using: Settings, home: Path, sent: "Counter[str]", address: str) -> None:
        self.using, self.sent, self.address = using, sent, address
        self.index = SqliteIndex(home / "ledger.sqlite.dead-letters")
        self.ledger = SqliteLedger(home / "ledger.sqlite")
        self._number, self._chance = 0, random.Random(7)

    async def load(self, number: int) -> None:
        """So many poisoned events: in the hold, in the index, and POISON in the ledger."""
        async with publisher_client(self.address) as client:
            for start in range(0, number, _LOADED_AT_ONCE):
                await self._load(client, min(_LOADED_AT_ONCE, number - start))

    async def _load(self, client: object, number: int) -> None:
        made = [self._one() for _ in range(number)]
        request = {
            "topic": f"projects/starvit/topics/{TOPIC}",
            "messages": [
                {"data": m.data, "attributes": dict(m.attributes), "ordering_key": m.ordering_key} for m in made
            ],
        }
        ids = (await client.publish(request=request)).message_ids  # type: ignore[attr-defined]
        now = time.time()
        entries = []
        for id, message in zip(ids, made, strict=True):
            self._number += 1
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now - _DAY + _DAY * self._number / MESSAGES)) + ".000Z"
            entries.append(entry_of(Delivered(TOPIC, id, at, message), {PROJECT: "clinic"}))
        await asyncio.gather(*(self.index.add(entry) for entry in entries))
        entries = [entry for entry in entries if entry.code == Code.HANDLER_FAILED.slug]  # those that will be replayed
        leases = await asyncio.gather(
            *(self.ledger.claim(e.key, "f", owner="w", now=now, until=now + 9) for e in entries)
        )
        await asyncio.gather(
            *(
                self.ledger.finish(lease, Ended.POISON, code=entry.code, now=now)
                for lease, entry in zip(leases, entries, strict=True)
                if isinstance(lease, Lease)
            )
        )

    def _one(self) -> Message:
        id = secrets.token_hex(32)
        return quarantined("deid", self._chance.choice(CODES), reference(id, self._chance.choice(TYPES)))

    async def dlq(self, *arguments: str) -> tuple[float, float, list[bytes]]:
        """Seconds of a command from its start to its end, its CPU time (the machine may have else to do), its lines."""
        before, spent = time.monotonic(), _cpu()
        process = await self.start(*arguments)
        out, _ = await process.communicate()
        return time.monotonic() - before, _cpu() - spent, out.splitlines()

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "handlers.cli", "dlq", *arguments),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **environment_of(self.using)},
        )


def run(*, as_json: bool) -> int:
    """Measure and print; 1 if a plan was not its replay, an event was lost, or a crash repeated more than one publish."""
    found = asyncio.run(_all())
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        for name, value in asdict(found).items():
            form = ",.2f" if isinstance(value, float) else ","
            print(f"  {name.replace('_', ' '):<28}{value:>12{form}}")
    good = not found.plans_unlike_their_replays and not found.events_lost and found.most_for_one_crash <= 1
    return 0 if good else 1


async def _all() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        async with _stage(Path(folder)) as stage:
            before = time.monotonic()
            await stage.load(MESSAGES)
            load = time.monotonic() - before
            _tell("loaded", load)
            *listed, lines = await stage.dlq("list")
            assert len(lines) == MESSAGES
            *counted, _ = await stage.dlq("list", "--counts")
            *planned, _ = await stage.dlq("plan", "--reason", "bench", "--code", Code.RESOURCE_INVALID.slug)
            _tell("list, counts, plan, each with its CPU", *listed, *counted, *planned)
            rate, memory = await _replay(stage)
            bare = await _bare(stage)
            _tell("replayed, bare, memory", rate, bare, memory)
            crashes, twice, most, lost = await _crashes(stage)
            _tell("crashes, twice, most, lost", crashes, twice, most, lost)
    unlike = await _plans()
    return Figures(
        messages=MESSAGES,
        load_s=load,
        list_s=listed[0],
        list_cpu_s=listed[1],
        counts_s=counted[0],
        counts_cpu_s=counted[1],
        plan_s=planned[0],
        plan_cpu_s=planned[1],
        replay_per_s=rate,
        bare_publish_per_s=bare,
        share_of_bare=rate / bare,
        plans=PLANS,
        plans_unlike_their_replays=unlike,
        crashes=crashes,
        published_twice=twice,
        most_for_one_crash=most,
        events_lost=lost,
        memory_mb_of_replay=memory,
    )


@asynccontextmanager
async def _stage(home: Path) -> AsyncIterator[Stage]:
    sent: Counter[str] = Counter()

    def observe(topic: str, message: Message) -> None:
        if topic == "fhir.validated":
            sent[message.attributes["ce-id"]] += 1

    pubsub = PubSub(observe=observe)
    address = await pubsub.start()
    using = settings("all", pubsub_endpoint=address, ledger=f"sqlite:{home / 'ledger.sqlite'}", replay_lease=2.0)
    async with publisher_client(address) as publisher, subscriber_client(address) as subscriber:
        for topic in catalog.topics():
            await publisher.create_topic(name=f"projects/starvit/topics/{topic}")
        for request in requests(using, url=lambda _: "http://127.0.0.1:9", retry=Retry()):
            if request["name"].endswith(hold("")):
                await subscriber.create_subscription(request=request)
    stage = Stage(using, home, sent, address)
    try:
        yield stage
    finally:
        await stage.index.close()
        await stage.ledger.close()
        await pubsub.stop()


async def _replay(stage: Stage) -> tuple[float, float]:
    """Messages a second of a replay, from its first publish to its end, with twice as many others in its way; and its memory."""
    plan = await _plan(stage, REPLAYED)
    before = stage.sent.total()
    process = await stage.start("replay", plan, "--per-second", "0")
    peak = 0.0
    reading = asyncio.create_task(process.communicate())
    while stage.sent.total() == before:
        await asyncio.sleep(0.01)
    began = time.monotonic()
    while not reading.done():
        peak = max(peak, _memory(process.pid))
        await asyncio.sleep(0.05)
        if stage.sent.total() - before < REPLAYED:
            ended = time.monotonic()
    return (stage.sent.total() - before) / (ended - began), peak


def _tell(what: str, *figures: float) -> None:
    if sys.stderr.isatty() or os.environ.get("CI"):
        print(what, *(f"{figure:.2f}" for figure in figures), file=sys.stderr, flush=True)


def _cpu() -> float:
    """Of all processes that have ended and that this one had started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


async def _bare(stage: Stage) -> float:
    """The limit: the same client's publishes, one at a time, with nothing around them."""
    publisher, message = PubSubPublisher("starvit", stage.address), Message(b"{}", {"ce-id": "0"})
    await publisher.publish("analytics.committed", message)
    before = time.monotonic()
    for _ in range(REPLAYED):
        await publisher.publish("analytics.committed", message)
    seconds = time.monotonic() - before
    await publisher.close()
    return REPLAYED / seconds


async def _crashes(stage: Stage) -> tuple[int, int, int, int]:
    """Runners killed -9 after so many publishes: crashes, publishes too many in all and at most for one, events lost."""
    twice, most, lost = 0, 0, 0
    for point in POINTS:
        plan = await _plan(stage, KILLED)
        before = Counter(stage.sent)
        process = await stage.start("replay", plan, "--per-second", "0")
        reading = asyncio.create_task(process.communicate())
        await _until(partial(_as_many, stage, before, point))
        os.kill(process.pid, signal.SIGKILL)
        await reading
        for _ in range(100):
            *_, lines = await stage.dlq("replay", plan, "--per-second", "0")
            if b'"stage":"done"' in lines[-1]:
                break
        again = Counter(stage.sent) - before
        extra = sum(again.values()) - len(again)
        twice, most, lost = twice + extra, max(most, extra), lost + KILLED - len(again)
    return len(POINTS), twice, most, lost


def _as_many(stage: Stage, before: "Counter[str]", point: int) -> bool:
    return stage.sent.total() - before.total() >= point


async def _plan(stage: Stage, number: int) -> str:
    *_, lines = await stage.dlq("plan", "--reason", "bench", "--code", Code.HANDLER_FAILED.slug, "--limit", str(number))
    found: str = json.loads(lines[-1])["plan"]
    return found


async def _plans() -> int:
    """Random plans on small sets: how many were not what was replayed."""
    chance, unlike = random.Random(7), 0
    async with house() as made:
        for number in range(PLANS):
            chosen = Filter(
                code=chance.choice(["", "", *(code.slug for code in CODES), "dead-letter", "medplum-down"]),
                handler=chance.choice(["", "", "deid", "validation", "analytics"]),
                type=chance.choice(["", "", *TYPES]),
                trace=chance.choice(["", "", f"{1:032x}"]),
            )
            try:
                await check_plan_is_replay(made, number, chosen, chance.choice([0, 0, 1, 3]))
            except AssertionError:
                unlike += 1
    return unlike


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not holds():
            await asyncio.sleep(0.001)
