"""The result of a demo: the integers that must be zero, and how fast it went (design §6)."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Freshness:
    """Milliseconds from a write in Medplum to its row in the warehouse."""

    p50: float
    p95: float
    p99: float


def freshness(milliseconds: Sequence[float]) -> Freshness:
    """Percentiles, by the nearest rank; zeros when nothing arrived."""
    ordered = sorted(milliseconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else 0.0

    return Freshness(at(0.50), at(0.95), at(0.99))


@dataclass(frozen=True, slots=True)
class Summary:
    """`received`: changes that the ingress accepted; `published`: distinct events on fhir.changed; `rows`: rows that
    analysts see; `vertices` and `edges`: what the graph shows. `audit` is {expected, written, waiting}; `faults` counts
    what was done to the deliveries."""

    received: int
    published: int
    rows: int
    vertices: int
    edges: int
    lost: int
    duplicated: int
    leaked: int
    freshness_ms: Freshness
    events_per_s: float
    scanned: dict[str, int]
    audit: dict[str, int]
    faults: dict[str, int]
    seconds: float
    findings: tuple[str, ...] = field(default=())

    @property
    def good(self) -> bool:
        """Nothing lost, nothing twice, nothing leaked."""
        return self.lost == self.duplicated == self.leaked == 0
