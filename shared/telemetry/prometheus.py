"""Snapshots as Prometheus reads them: text exposition format 0.0.4, for an endpoint of ops to show.

Counters are each process's since its start, with the process as a label, so that a restart is seen as one. Of a
distribution the quantiles of the last round are shown, as a summary's.
"""

from collections.abc import Iterable, Iterator

from shared.telemetry.metrics import METRICS
from shared.telemetry.snapshots import Number, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_TYPES = {"counter": "counter", "gauge": "gauge", "distribution": "summary"}


def exposition(snapshots: Iterable[Snapshot]) -> str:
    """All series of all processes. Labels' values are words of closed sets, so nothing needs escaping."""
    numbers = [(snapshot, number) for snapshot in snapshots for number in snapshot.numbers]
    lines: list[str] = []
    for metric in METRICS:
        found = [(snapshot, number) for snapshot, number in numbers if number.name == metric.name]
        if found:
            name = f"starvit_{metric.name}" + ("_total" if metric.kind == "counter" else "")
            lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {_TYPES[metric.kind]}"]
            lines += [line for snapshot, number in found for line in _samples(name, snapshot, number)]
    return "".join(f"{line}\n" for line in lines)


def _samples(name: str, snapshot: Snapshot, number: Number) -> Iterator[str]:
    labels = number.labels | {"zone": snapshot.zone, "process": snapshot.process}
    if number.kind != "distribution":
        yield f"{name}{_labels(labels)} {number.value:g}"
        return
    for quantile, value in (("0.5", number.p50), ("0.95", number.p95), ("0.99", number.p99)):
        yield f"{name}{_labels(labels | {'quantile': quantile})} {value:g}"
    yield f"{name}_count{_labels(labels)} {number.value:g}"


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
