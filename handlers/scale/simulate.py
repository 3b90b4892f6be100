"""The path in virtual time, with every quota as a server: what gets through at a rate, what waits, and for what.

    events ─► ingress ─► Pub/Sub ─► clinical ─► Medplum reads ─┬─► no text ─────────────► analytics ─► BigQuery: a row
              CPU        bytes      ledger      points,        ├─► DLP ─ at most 5 s ──►  CPU         bytes, connections
                                    CPU, places requests       └─► AuditEvents: points, requests

Events come at random and are seeded; a fifth of a second's events are a parcel. The row does not wait for its
AuditEvents, and for its text no longer than it does in the service; what waits there is a backlog all the same, and a
rate is only carried if no backlog grows. Left out: refused calls, which cost no points and which the service hardly
makes; the graph's server, of which no quota is known.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf

from handlers.scale.facts import ACTS_A_BATCH, DLP_PATIENCE, facts, hops, value
from handlers.scale.limits import Limit, Shape, batch, clinical_writes, limits, points
from handlers.scale.servers import MINUTE, Batches, Purse, Rate, Warming, Windows, World

SECONDS = 4 * MINUTE
WARM = MINUTE  # left out of the throughput
TICK = 0.2
SEED = 9
WARMING = "Firestore, warming up"
BEHIND = 3.0  # seconds of work: a longer queue at the end is one that grows

type Take = Callable[[float, float], None]  # when a parcel had come into the world, how many events


@dataclass(frozen=True, slots=True)
class Outcome:
    """`through`: events a second of the slowest branch; `rows`: of the rows alone; `fresh`: p95 seconds to a row.

    `waiting`: events at the end, by branch. `binds`: the last queue on the way that grows, for what is after it keeps up.
    """

    rate: float
    through: float
    rows: float
    fresh: float
    waiting: dict[str, float]
    binds: str


@dataclass(slots=True)
class _Branch:
    """What has come out of a branch."""

    ages: list[tuple[float, float]] = field(default_factory=list)  # seconds, events
    done: float = 0.0
    counted: float = 0.0

    def arrive(self, now: float, born: float, events: float) -> None:
        self.done += events
        self.ages.append((now - born, events))
        if now >= WARM:
            self.counted += events


def simulate(shape: Shape, rate: float, *, seconds: float = SECONDS, cold: bool = False, seed: int = SEED) -> Outcome:
    """So many seconds at `rate` events a second. `cold`: the ledger's collections are new, and have yet to warm up."""
    world, chance = World(), random.Random(seed)  # noqa: S311 - no secret
    row, text, audit = _Branch(), _Branch(), _Branch()
    share = value("event.text_share")
    given = {limit.name: limit for limit in limits(shape)}
    tenants = shape.cells * shape.tenants
    client = tenants * value("quota.medplum_client") * shape.quota
    project = Purse(client * value("quota.medplum_project_factor"))
    address = Purse(shape.cells * shape.addresses * value("quota.medplum_requests") * shape.requests)
    reading, writing = points()
    pace = max(given["Cloud Run CPU, clinical"].rate, rate)
    servers: list[Rate] = []

    def pipe(name: str, onward: Take, takes: float = 0.0) -> Take:
        server = Rate(world, name, given[name].rate, lambda _, born, events: onward(born, events), takes)
        servers.append(server)
        return server.take

    audits = Windows(
        world,
        "Medplum points, auditors",
        (
            (Purse(client * shape.auditors), writing),
            (project, writing),
            (address, value("event.acts") / ACTS_A_BATCH),
        ),
        pace,
        audit.arrive,
    )
    # from the row back to the event: each server is made with what comes after it
    stored = pipe("Storage Write connections", lambda born, events: row.arrive(world.now, born, events))
    stored = pipe("Storage Write bytes", stored)
    stored = pipe("Cloud Run requests in work, analytics", stored)
    stored = pipe("Cloud Run CPU, analytics", stored, _fixed())
    texts = Batches(
        world,
        "DLP requests",
        MINUTE / (shape.cells * shape.dlp),
        batch(shape),
        DLP_PATIENCE,
        lambda _, born, events: stored(born, events),
        text.arrive,
    )

    def read(_: float, born: float, events: float) -> None:
        audits.take(born, events)
        whole = round(events)
        some = chance.binomialvariate(whole, share) * events / whole if whole else events * share
        if some:
            texts.take(born, some)
        if events > some:
            stored(born, events - some)

    asks = value("event.reads") + value("event.histories")
    reads = Windows(
        world,
        "Medplum points, reader",
        ((Purse(client), reading), (project, reading), (address, asks)),
        pace,
        read,
    )
    way = pipe("Cloud Run requests in work, clinical", reads.take)
    way = pipe("Cloud Run CPU, clinical", way)
    if cold:
        way = _warming(world, shape, servers, way)
    way = pipe("Pub/Sub push", way)
    way = pipe("Pub/Sub publish", way)
    way = pipe("Cloud Run CPU, ingress", way)

    came = _come(world, chance, rate, way)
    world.run(seconds)
    done = [branch.counted / of / (seconds - WARM) for branch, of in ((row, 1), (text, share), (audit, 1))]
    waiting = {"rows": came.events - row.done, "texts": texts.waits(), "audit": audits.waits()}
    all_of_them: list[Rate | Windows | Batches] = [*servers, reads, texts, audits]
    growing = [name for server in all_of_them if (name := _grows(server, given))]
    binds = max(growing, key=[WARMING, *given].index, default="")
    return Outcome(rate, min(done), done[0], _quantile(row.ages, 0.95), waiting, binds)


def _warming(world: World, shape: Shape, servers: list[Rate], onward: Take) -> Take:
    """The clinical ledger of new databases, by Firestore's 500/50/5 rule."""
    rate = shape.cells * value("quota.firestore_cold") / clinical_writes()
    server = Warming(world, WARMING, rate, lambda _, born, events: onward(born, events))
    server.growth = value("quota.firestore_growth")
    servers.append(server)
    return server.take


def _grows(server: Rate | Windows | Batches, given: Mapping[str, Limit]) -> str:
    """The limit that a server's queue waits for, if it grows. A queue for Medplum may be for any of three purses."""
    name, rate = server.name, server.rate if isinstance(server, Rate) else 0.0
    if name.startswith("Medplum"):
        purses = (name, "Medplum points, project", "Medplum requests, address")
        name = min(purses, key=lambda one: given[one].rate)
    return name if server.waits() > BEHIND * (rate or given[name].rate) else ""


@dataclass(slots=True)
class _Came:
    events: float = 0.0


def _quantile(ages: list[tuple[float, float]], share: float) -> float:
    """The age that this share of the events was not older than; infinite where none came through."""
    left = share * sum(events for _, events in ages)
    for age, events in sorted(ages):
        left -= events
        if left <= 0:
            return age
    return inf


def _come(world: World, chance: random.Random, rate: float, way: Take) -> _Came:
    """Let events come, as many in each tick as chance has it; how many have come, once it has run."""
    came, fine = _Came(), 1_000_000

    def tick() -> None:
        events = chance.binomialvariate(fine, min(1.0, rate * TICK / fine))
        if events:
            came.events += events
            way(world.now, float(events))
        world.at(world.now + TICK, tick)

    world.at(0.0, tick)
    return came


def _fixed() -> float:
    """Seconds that every row takes without any queue."""
    latency = {name: facts()[f"latency.{name}"].value for name in ("push", "publish", "ledger", "medplum", "append")}
    to_a_row = len(hops()) - 1  # the graph comes after
    return (
        to_a_row * (latency["push"] + value("event.ledger_writes") * latency["ledger"])
        + (to_a_row - 1) * (latency["medplum"] + latency["publish"])
        + latency["publish"]
        + latency["append"]
    )
