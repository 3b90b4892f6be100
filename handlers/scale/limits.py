"""Each limit as a rate: what there is of something in a second, over what one event asks of it.

The least of them is what the deployment can take for ever. A backlog passes every limit for a while; a quota that is
asked for more than it gives only grows one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from handlers.scale.facts import (
    ACTS_A_BATCH,
    CONCURRENCY,
    DLP_PATIENCE,
    DLP_PER_MINUTE,
    GRAPH_EVERY,
    POINTS_A_HISTORY,
    POINTS_A_READ,
    POINTS_AN_ACT,
    hops,
    tables,
    value,
)
from shared.settings import Zone

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What a deployment is given. Tenants are alike, and spread evenly over the cells; a cell is a Google Cloud project.

    `quota`: how many times Medplum's default points a client and a project have; `addresses`: from which a cell calls
    Medplum; `requests`: how many times the default an address may ask.
    """

    cells: int = 1
    tenants: int = 1  # of a cell
    auditors: int = 1  # of a tenant
    quota: int = 1
    addresses: int = 1
    requests: int = 1
    dlp: int = DLP_PER_MINUTE
    instances: int = int(value("shipped.instances"))  # of a zone, at most
    concurrency: int = CONCURRENCY


@dataclass(frozen=True, slots=True)
class Limit:
    """`asked` of an event and `given` in a second, both in `unit`. `where`: the branch that waits when it binds."""

    name: str
    where: str
    unit: str
    asked: float
    given: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.given / self.asked


def points() -> tuple[float, float]:
    """Medplum's points for one event: of reading, and of writing down what was read."""
    reading = value("event.reads") * POINTS_A_READ + value("event.histories") * POINTS_A_HISTORY
    return reading, value("event.acts") * POINTS_AN_ACT


def batch(shape: Shape) -> float:
    """The texts of a DLP request when there are enough: what is in work at once, or what fits."""
    return min(shape.concurrency, 1 / value("event.dlp_share_of_a_request"))


def cpu(zone: Zone) -> float:
    """CPU seconds of an event in a zone."""
    return value(f"event.cpu_ms_{zone}") / 1000


def published_bytes() -> float:
    """Bytes that Pub/Sub takes for an event, by all topics."""
    return sum(value(f"bytes.{name}") * count for name, count in messages().items())


def pushed_bytes() -> float:
    """Bytes that it pushes to us; the outgoing topic is pushed to others."""
    return published_bytes() - value("bytes.outgoing")


def messages() -> Mapping[str, float]:
    """How many messages of each topic an event is: one for each hop, and what goes out beside them."""
    return {on.topic.replace(".", "_"): 1.0 for on in hops()} | {
        "fhir_accessed": value("event.accessed_messages"),
        "quality_found": value("event.quality_messages"),
        "outgoing": 1.0,
    }


def handled() -> float:
    """Messages of an event that our handlers get, each with a lease; the outgoing one is for others."""
    return sum(messages().values()) - messages()["outgoing"]


def clinical_writes() -> float:
    """Writes of an event to the clinical ledger; the analytics zone has a database of its own, with fewer."""
    here = sum(on.zone is Zone.CLINICAL for on in hops()) + value("event.accessed_messages")
    return here * value("event.ledger_writes")


def turn(shape: Shape) -> float:
    """Seconds between two DLP requests of an instance: the region's quota is shared by all that there may be."""
    return 60 * shape.instances / shape.dlp


def held_clinical(shape: Shape) -> float:
    """Seconds for which the messages of an event hold a place in the clinical zone: what each waits for."""
    leases = value("event.ledger_writes") * value("latency.ledger")
    both = 2 * (leases + value("latency.medplum") + value("latency.publish"))
    prose = value("event.text_share") * (min(turn(shape) / 2, DLP_PATIENCE) + value("latency.dlp"))
    record = value("event.accessed_messages") * leases + value("event.acts") * value("latency.medplum_act")
    return both + prose + record + cpu(Zone.CLINICAL)


def held_analytics() -> float:
    """The same of the analytics zone: a row, and its picture in the graph."""
    leases = value("event.ledger_writes") * value("latency.ledger")
    row = leases + 2 * value("latency.ledger") + value("latency.append") + value("latency.publish")
    picture = leases + GRAPH_EVERY / 2 + value("latency.query") + value("latency.graph")
    return row + picture + cpu(Zone.ANALYTICS)


def limits(shape: Shape) -> tuple[Limit, ...]:
    """Every limit that grows with the rate, in the order of an event's way."""
    one, reading, writing = shape.cells, *points()
    tenants = shape.cells * shape.tenants
    client = tenants * value("quota.medplum_client") * shape.quota / 60
    address = one * shape.addresses * value("quota.medplum_requests") * shape.requests / 60
    asks = value("event.reads") + value("event.histories") + value("event.acts") / ACTS_A_BATCH
    usable = one * shape.instances * value("assumed.busy")
    open_at_once = one * value("quota.write_connections") / (tables() * shape.tenants)  # analytics instances
    return (
        Limit("Cloud Run CPU, ingress", "data", "CPU s", cpu(Zone.INGRESS), usable),
        Limit("Pub/Sub publish", "data", "MB", published_bytes() / MB, one * value("quota.publish")),
        Limit("Pub/Sub push", "data", "MB", pushed_bytes() / MB, one * value("quota.push")),
        Limit("Cloud Run CPU, clinical", "data", "CPU s", cpu(Zone.CLINICAL), usable),
        Limit(
            "Cloud Run requests in work, clinical",
            "data",
            "s in work",
            held_clinical(shape),
            one * shape.instances * shape.concurrency,
        ),
        Limit("Medplum points, reader", "data", "points", reading, client),
        Limit(
            "Medplum points, project",
            "data",
            "points",
            reading + writing,
            client * value("quota.medplum_project_factor"),
        ),
        Limit("Medplum requests, address", "data", "requests", asks, address),
        Limit("DLP requests", "text", "requests", value("event.text_share") / batch(shape), one * shape.dlp / 60),
        Limit("Medplum points, auditors", "audit", "points", writing, client * shape.auditors),
        Limit("Cloud Run CPU, analytics", "data", "CPU s", cpu(Zone.ANALYTICS), usable),
        Limit(
            "Cloud Run requests in work, analytics",
            "data",
            "s in work",
            held_analytics(),
            one * shape.instances * shape.concurrency,
        ),
        Limit(
            "Storage Write bytes", "data", "MB", value("event.bigquery_bytes") / MB, one * value("quota.write_bytes")
        ),
        Limit("Storage Write connections", "data", "CPU s", cpu(Zone.ANALYTICS), open_at_once * value("assumed.busy")),
    )


def binding(shape: Shape) -> Limit:
    """The limit that a deployment of this shape meets first."""
    return min(limits(shape), key=lambda limit: limit.rate)
