"""The path in virtual time, with every quota as a server: what gets through at a rate, what waits, and for what.

    events ─► ingress ─► Pub/Sub ─► clinical ─► Medplum reads ─┬─► no text ──────────────► analytics ─► BigQuery: a row
              CPU        bytes      CPU, places points, requests├─► DLP ─ at most 5 s ───►
                                                               └─► AuditEvents: points, requests

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
from handlers.scale.limits import Limit, Shape, batch, limits, points
from handlers.scale.servers import MINUTE, Batches, Purse, Rate, Windows, World

SECONDS = 4 * MINUTE
WARM = MINUTE  # left out of the throughput
TICK = 0.2
SEED = 9
BEHIND = 3.0  # seconds of work: a longer queue at the end is one that grows


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


def simulate(shape: Shape, rate: float, *, seed: int = SEED) -> Outcome:
    """Four minutes at `rate` events a second."""
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
    servers: list[Rate | Windows | Batches] = []

    def pipe(name: str, onward: Callable[[float, float], None], takes: float = 0.0) -> Callable[[float, float], None]:
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
    stored = pipe("Storage Write bytes", lambda born, events: row.arrive(world.now, born, events))
    stored = pipe("Storage Write connections", stored)
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
    way = pipe("Pub/Sub push", way)
    way = pipe("Pub/Sub publish", way)
    way = pipe("Cloud Run CPU, ingress", way)
    servers = [*reversed(servers[4:]), reads, texts, audits, *reversed(servers[:4])]  # in the order of the way

    came = _come(world, chance, rate, way)
    world.run(SECONDS)
    done = [branch.counted / of / (SECONDS - WARM) for branch, of in ((row, 1), (text, share), (audit, 1))]
    waiting = {"rows": came.events - row.done, "texts": texts.waits(), "audit": audits.waits()}
    growing = [of for server in servers if server.waits() > BEHIND * given[of := _purse(server.name, given)].rate]
    return Outcome(rate, min(done), done[0], _quantile(row.ages, 0.95), waiting, growing[-1] if growing else "")


@dataclass(slots=True)
class _Came:
    events: float = 0.0


def _purse(name: str, given: Mapping[str, Limit]) -> str:
    """A queue for Medplum may be for any of three purses: the emptiest."""
    if not name.startswith("Medplum"):
        return name
    return min((name, "Medplum points, project", "Medplum requests, address"), key=lambda one: given[one].rate)


def _quantile(ages: list[tuple[float, float]], share: float) -> float:
    """The age that this share of the events was not older than; infinite where none came through."""
    left = share * sum(events for _, events in ages)
    for age, events in sorted(ages):
        left -= events
        if left <= 0:
            return age
    return inf


def _come(world: World, chance: random.Random, rate: float, way: Callable[[float, float], None]) -> _Came:
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
