"""The one list of metrics, what a process makes of its numbers, and what ops can read of them."""

import ast
import json
from pathlib import Path

import pytest

from handlers import catalog
from shared.telemetry import metrics
from shared.telemetry.live import live
from shared.telemetry.logs import FIELDS
from shared.telemetry.metrics import BOUNDS, DROPPED, METRICS, OTHER, VALUES, Metric, Series, Spread
from shared.telemetry.metrics_store import MemoryMetrics
from shared.telemetry.prometheus import exposition
from shared.telemetry.snapshots import Snapshot, Snapshots, decode, encode, read, tell


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> Series:
    fresh = Series()
    monkeypatch.setattr(metrics, "SERIES", fresh)
    return fresh


def snapshots(series: Series, process: str = "p1", now: float = 1000.0) -> Snapshots:
    return Snapshots(process, "clinical", 30, now=lambda: now, series=series)


def test_every_handler_of_the_catalog_is_a_value_of_the_label() -> None:
    assert {on.handler for on in catalog.subscriptions()} <= VALUES["handler"], "a new handler is added to VALUES"


def test_every_label_that_the_code_writes_is_a_value_of_it() -> None:
    """One that is not would be told as `other`, and nobody would know what."""
    root, found = Path(metrics.__file__).resolve().parents[2], 0
    for path in (*root.glob("shared/**/*.py"), *root.glob("handlers/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Attribute(ast.Name(name), "add" | "observe" | "move" | "set"), [_, *labels]):
                    metric = getattr(metrics, name, None)
                    for label, given in zip(metric.labels, labels, strict=True) if isinstance(metric, Metric) else ():
                        if isinstance(given, ast.Constant):
                            assert given.value in VALUES[label], f"{path.name}: {name}, {label}"
                            found += 1
    assert found > 10


def test_names_are_of_one_form_and_say_their_unit() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.name.replace("_", "").islower()
        assert metric.help
        assert metric.unit != "s" or metric.name.endswith("_seconds")
        assert set(metric.labels) <= set(VALUES)


def test_a_label_that_is_not_listed_becomes_other_and_is_counted(series: Series) -> None:
    metrics.QUARANTINED.add(1, "Patient/123", "malformed-data")
    assert series.numbers == {("quarantined", OTHER, "malformed-data"): 1, ("dropped", "label"): 1}
    assert DROPPED.labels == ("what",)


def test_a_metric_has_all_its_labels() -> None:
    with pytest.raises(ValueError, match="zip"):
        metrics.QUARANTINED.add(1, "deid")


@pytest.mark.parametrize(("share", "least"), [(0.5, 0.1), (0.95, 5), (0.99, 5)])
def test_a_quantile_is_the_bound_below_which_that_share_lies(share: float, least: float, series: Series) -> None:
    for seconds in (*[0.07] * 90, *[4.0] * 10):
        metrics.MESSAGE_SECONDS.observe(seconds, "deid")
    assert series.spreads["message_seconds", "deid"].quantile(share) == least


def test_quantiles_of_nothing_and_of_too_much() -> None:
    assert Spread().quantile(0.95) == 0
    beyond = Spread()
    beyond.counts[-1] = 1
    assert beyond.quantile(0.5) == BOUNDS[-1]


def test_a_snapshot_tells_what_came_since_the_last_one(series: Series) -> None:
    here = snapshots(series)
    metrics.MESSAGES.add(3, "deid", "done", "none")
    metrics.IN_FLIGHT.move(2, "deid")
    metrics.EVENT_AGE.observe(0.3, "deid")
    here.take()
    metrics.MESSAGES.add(2, "deid", "done", "none")
    metrics.EVENT_AGE.observe(7, "deid")
    by_name = {number.name: number for number in here.take().numbers}
    assert (by_name["messages"].value, by_name["messages"].window) == (5, 2)
    assert by_name["in_flight"].value == 2
    assert (by_name["event_age_seconds"].window, by_name["event_age_seconds"].p50) == (1, 10)


def test_the_log_has_increases_gauges_and_quantiles(series: Series, capfd: pytest.CaptureFixture[str]) -> None:
    from shared.telemetry.logs import start_logging

    here = snapshots(series)
    metrics.MESSAGES.add(3, "deid", "set_aside", "malformed-data")
    metrics.MEDPLUM_POINTS.set(49_000, "reader")
    metrics.EVENT_AGE.observe(0.3, "analytics")
    start_logging()
    tell(here.take())
    tell(here.take())
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    told = [{k: v for k, v in line.items() if k not in ("time", "severity", "message")} for line in lines]
    counted = {"metric": "messages", "value": 3.0, "handler": "deid", "outcome": "set_aside", "code": "malformed-data"}
    assert told.count(counted) == 1, "what stands still is not told again"
    assert told.count({"metric": "medplum_points_left", "value": 49_000.0, "client": "reader"}) == 2
    assert {"metric": "event_age_seconds", "quantile": "p95", "value": 0.5, "handler": "analytics"} in told
    assert not any("dropped_fields" in line for line in told)


def test_every_value_of_every_label_has_its_place_in_the_log() -> None:
    lost = [(metric.name, label) for metric in METRICS for label in metric.labels if not VALUES[label] <= FIELDS[label]]  # type: ignore[operator]
    assert lost == []


def test_a_snapshot_survives_its_json(series: Series) -> None:
    metrics.MESSAGES.add(3, "deid", "done", "none")
    metrics.EVENT_AGE.observe(0.3, "deid")
    taken = snapshots(series).take()
    assert decode(encode(taken)) == taken


async def test_ops_reads_the_processes_that_live(series: Series) -> None:
    store = MemoryMetrics()
    metrics.MESSAGES.add(3, "deid", "done", "none")
    await snapshots(series, "old", 900).tell(store)
    await snapshots(series, "p1", 1000).tell(store)
    found = await read(store, now=1000)
    assert [one.process for one in found] == ["p1"], "a snapshot of three rounds ago is of a process that has gone"


def test_the_numbers_of_now_are_summed_over_processes_and_the_slowest_counts(series: Series) -> None:
    metrics.MESSAGES.add(60, "deid", "done", "none")
    metrics.MESSAGES.add(3, "deid", "try_again", "medplum-down")
    metrics.IN_FLIGHT.move(4, "deid")
    metrics.CLINICAL_LAG.observe(2, "deid")
    one = snapshots(series).take()
    both = [Snapshot("p1", "clinical", 0, 30, 30, one.numbers), Snapshot("p2", "clinical", 0, 60, 30, one.numbers)]
    [deid] = live(both)
    assert (deid.handler, deid.events_per_s) == ("deid", 3.0)
    assert deid.again_per_s == pytest.approx(0.15)
    assert (deid.in_flight, deid.lag_p95, deid.processes) == (8, 2.5, 2)


def test_prometheus_reads_every_series_of_every_process(series: Series) -> None:
    metrics.MESSAGES.add(3, "deid", "done", "none")
    metrics.EVENT_AGE.observe(0.3, "deid")
    metrics.IN_FLIGHT.move(1, "deid")
    text = exposition([snapshots(series).take()])
    assert '# TYPE starvit_messages_total counter\nstarvit_messages_total{handler="deid",outcome="done",' in text
    assert 'starvit_event_age_seconds{handler="deid",zone="clinical",process="p1",quantile="0.95"} 0.5\n' in text
    assert 'starvit_in_flight{handler="deid",zone="clinical",process="p1"} 1\n' in text
    for line in text.splitlines():
        assert line.startswith("#") or line.rsplit(" ", 1)[1].replace(".", "").isdigit()
