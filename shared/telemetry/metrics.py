"""Every metric of the service: its name, kind, unit, labels and what it says. What is not listed here can not be emitted.

    MESSAGES.add(1, "deid", "done", "none") ─► series of this process ─► snapshot ─► the log (Cloud Monitoring), the store

A metric is an object, so a name that is not listed is an error to mypy; a label's value that is not in its closed set
becomes `other` and is counted as dropped, so no label can hold an id. Docs, alert rules and Cloud Monitoring's
definitions are generated from this list. Recording is an addition in a dict, on the event loop; nothing is sent here.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Literal

from shared.errors import Code, End
from shared.rules import RULES

type Kind = Literal["counter", "gauge", "distribution"]
type Label = Literal["handler", "outcome", "code", "rule", "dependency", "operation", "client", "answer", "what"]
type Key = tuple[str, ...]  # the metric's name and its labels' values

# The values that a label may have. Handlers are those of the catalog and the three that no subscription of it feeds.
VALUES: dict[Label, frozenset[str]] = {
    "handler": frozenset(
        {
            "webhook",
            "reconcile",
            "index",
            "validation",
            "deid",
            "text",
            "audit",
            "operations",
            "analytics",
            "graph",
            "erase",
            "quality",
        }
    ),
    "outcome": frozenset({"done", "duplicate", *(end.name.lower() for end in End)}),
    "code": frozenset({"none", *(code.slug for code in Code)}),
    "rule": RULES,
    "dependency": frozenset({"pubsub", "bigquery", "dlp", "accounts", "audit"}),
    "operation": frozenset({"claim", "finish", "renew", "reopen", "get"}),
    "client": frozenset({"reader", "sweeper", "auditor"}),
    "answer": frozenset({"2xx", "3xx", "4xx", "429", "5xx", "none"}),
    "what": frozenset({"field", "label", "message", "span"}),
}
OTHER = "other"

# Upper bounds in seconds: from a cache's answer to an outage of an hour.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)


@dataclass(slots=True)
class Spread:
    """How values were distributed: how many were at most each bound, and beyond the last."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def quantile(self, share: float) -> float:
        """The bound below which this share of the values lies; 0 without values. As fine as the bounds are."""
        left = share * sum(self.counts)
        for bound, count in zip((*BOUNDS, BOUNDS[-1]), self.counts, strict=True):
            left -= count
            if left <= 0 < sum(self.counts):
                return bound
        return 0.0


class Series:
    """All that this process has counted. A metric writes here; `shared.telemetry.snapshots` reads."""

    def __init__(self) -> None:
        self.numbers: dict[Key, float] = {}
        self.spreads: dict[Key, Spread] = {}


SERIES = Series()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `labels` name the values that come after the number, in this order."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[Label, ...] = ()
    _known: dict[tuple[str, ...], Key] = field(default_factory=dict, init=False, repr=False, compare=False)

    def key(self, *values: str) -> Key:
        """The series of these values; a value out of its set is `other`."""
        known = self._known.get(values)
        if known is None:
            known = self._listed(values)
            if known[1:] == values:  # only what is listed is remembered, so it is not much
                self._known[values] = known
        return known

    def _listed(self, values: tuple[str, ...]) -> Key:
        for label, value in zip(self.labels, values, strict=True):
            if value not in VALUES[label] and value != OTHER:
                DROPPED.add(1, "label")
                pairs = zip(self.labels, values, strict=True)
                return (self.name, *(value if value in VALUES[label] else OTHER for label, value in pairs))
        return (self.name, *values)


class Counter(Metric):
    """Only grows."""

    def add(self, number: float, *values: str) -> None:
        key = self.key(*values)
        SERIES.numbers[key] = SERIES.numbers.get(key, 0) + number


class Gauge(Metric):
    """Stands at something."""

    def set(self, number: float, *values: str) -> None:
        SERIES.numbers[self.key(*values)] = number

    def move(self, by: float, *values: str) -> None:
        key = self.key(*values)
        SERIES.numbers[key] = SERIES.numbers.get(key, 0) + by


class Distribution(Metric):
    """Many values, of which quantiles are told."""

    def observe(self, value: float, *values: str) -> None:
        key = self.key(*values)
        spread = SERIES.spreads.get(key)
        if spread is None:
            spread = SERIES.spreads[key] = Spread()
        spread.counts[bisect_left(BOUNDS, value)] += 1
        spread.total += value


DROPPED = Counter("dropped", "counter", "1", "what telemetry refused to tell, since it is not listed", ("what",))
MESSAGES = Counter(
    "messages", "counter", "1", "messages that ended, by how and under which code", ("handler", "outcome", "code")
)
MESSAGE_SECONDS = Distribution(
    "message_seconds", "distribution", "s", "from a push's arrival to its answer", ("handler",)
)
EVENT_AGE = Distribution(
    "event_age_seconds",
    "distribution",
    "s",
    "from an event's ce-time to the end of its work: a step's share of freshness, and audit's lag",
    ("handler",),
)
CLINICAL_LAG = Distribution(
    "clinical_lag_seconds",
    "distribution",
    "s",
    "from Medplum's lastUpdated to the publish through the door; more than a day is a backfill's, not counted",
    ("handler",),
)
IN_FLIGHT = Gauge("in_flight", "gauge", "1", "messages in work at this moment", ("handler",))
GATES_SHUT = Gauge("gates_shut", "gauge", "1", "tenants whose messages a handler takes none of for now", ("handler",))
QUARANTINED = Counter("quarantined", "counter", "1", "messages published to quarantine", ("handler", "code"))
RULES_BROKEN = Counter(
    "rules_broken",
    "counter",
    "1",
    "rules that a validated version broke, each counted once for it; a retry counts again",
    ("rule",),
)
LEASE_WAITS = Counter("lease_waits", "counter", "1", "looks at a lease that another worker held", ("handler",))
WEBHOOKS = Counter("webhooks", "counter", "1", "webhooks that ended, by how and under which code", ("outcome", "code"))
LEDGER_TRIPS = Counter("ledger_trips", "counter", "1", "calls that reached the ledger's store", ("operation",))
BATCHES = Counter("batches", "counter", "1", "calls that many shared", ("dependency",))
BATCH_ITEMS = Counter(
    "batch_items", "counter", "1", "what travelled in them; by batches: the mean size", ("dependency",)
)
DLP_BYTES = Counter("dlp_bytes", "counter", "By", "bytes of masked text sent to DLP, which bills by them")
MEDPLUM_CALLS = Counter("medplum_calls", "counter", "1", "answers of Medplum, by status", ("client", "answer"))
MEDPLUM_POINTS = Gauge(
    "medplum_points_left", "gauge", "1", "what is left of the client's quota for the minute", ("client",)
)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
