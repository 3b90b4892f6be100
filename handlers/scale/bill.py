"""What a million events cost, line by line: how much of what, times its price. List prices, no free tier."""

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.scale.facts import GRAPH_EVERY, value
from handlers.scale.limits import cpu, handled, messages
from shared.settings import Settings, Zone

MILLION = 1_000_000
GIB, TIB = 1 << 30, 1 << 40
MONTH = 30 * 86400.0
_AROUND = 40  # bytes that Pub/Sub counts beside data and attributes: 20 for the time, and the message's id
ZONES = (Zone.INGRESS, Zone.CLINICAL, Zone.ANALYTICS)


@dataclass(frozen=True, slots=True)
class Line:
    """`amount` of `unit` for a million events, `price` for one unit, in USD."""

    service: str
    what: str
    amount: float
    unit: str
    price: float

    @property
    def cost(self) -> float:
        return self.amount * self.price


def bill() -> Sequence[Line]:
    """Everything that grows with the events."""
    seconds = sum(cpu(zone) for zone in ZONES) / value("assumed.busy")
    names = messages()
    volume = {name: max(value(f"bytes.{name}") + _AROUND, value("price.pubsub_least")) for name in names}
    published = sum(count * volume[name] for name, count in names.items())
    pushed = published - volume["outgoing"]
    leases = handled()
    days = Settings.model_fields["retention"].default
    looks = 3 * value("event.patients")  # is the patient erased: deid before it publishes, analytics before and after
    appended = value("event.bigquery_bytes")
    queries = cpu(Zone.ANALYTICS) / value("assumed.busy") / GRAPH_EVERY
    per = 1 / 100_000
    return (
        Line("Cloud Run", "vCPU", seconds * MILLION, "vCPU s", value("price.run_cpu")),
        Line("Cloud Run", "memory", seconds * value("shipped.memory") * MILLION, "GiB s", value("price.run_memory")),
        Line("Pub/Sub", "publish", published * MILLION / TIB, "TiB", value("price.pubsub")),
        Line("Pub/Sub", "push", pushed * MILLION / TIB, "TiB", value("price.pubsub")),
        Line(
            "Firestore",
            "leases and their ends",
            leases * value("event.ledger_writes") * MILLION,
            "writes",
            value("price.firestore_write") * per,
        ),
        Line("Firestore", "looks for erased patients", looks * MILLION, "reads", value("price.firestore_read") * per),
        Line("Firestore", "records that expire", leases * MILLION, "deletes", value("price.firestore_delete") * per),
        Line(
            "Firestore",
            f"records kept {days / 86400:.0f} days",
            leases * value("event.ledger_bytes") * MILLION / GIB * days / MONTH,
            "GiB months",
            value("price.firestore_stored"),
        ),
        Line("BigQuery", "Storage Write", appended * MILLION / GIB, "GiB", value("price.bigquery_write")),
        Line("BigQuery", "a month of storage", appended * MILLION / GIB, "GiB months", value("price.bigquery_stored")),
        Line(
            "BigQuery",
            "the graph's looks into the change log, at their least",
            queries * value("price.bigquery_least") * (1 << 20) * MILLION / TIB,
            "TiB",
            value("price.bigquery_query"),
        ),
        Line("DLP", "free text", value("event.text_bytes") * MILLION / GIB, "GiB", value("price.dlp")),
    )


def by_service() -> dict[str, float]:
    """USD for a million events."""
    totals: dict[str, float] = {}
    for line in bill():
        totals[line.service] = totals.get(line.service, 0.0) + line.cost
    return totals


def total() -> float:
    """USD for a million events, all services."""
    return sum(by_service().values())


def floor() -> float:
    """USD a month for the three instances that wait for events when there are none."""
    second = value("price.run_cpu") + value("shipped.memory") * value("price.run_memory")
    return len(ZONES) * second * MONTH


def text_kilobyte() -> float:
    """USD for a million events that have a kilobyte of free text each."""
    return 1000 * MILLION / GIB * value("price.dlp")
