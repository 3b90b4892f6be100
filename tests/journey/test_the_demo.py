"""The whole path, over HTTP and gRPC, with gunicorn and its workers: what the clinic did is what analysts see."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from handlers.demo.display import Display
from handlers.demo.run import Demo
from handlers.demo.stack import PROJECT, embedded
from handlers.demo.summary import Summary
from shared.fhir.validation import Validator
from shared.local.faults import Faults
from tests.balp import broken, claimed

pytestmark = pytest.mark.xdist_group("demo")


async def _run(
    folder: Path,
    *,
    events: int,
    seed: int,
    faults: bool = False,
    plant: str | None = None,
    audits: list[Mapping[str, object]] | None = None,
) -> Summary:
    plan = Faults(seed, enabled=True) if faults else None
    demo = Demo(events, seed, plan, plant, Display(io.StringIO()))
    async with embedded(folder, faults=plan, observe=demo.observe) as stack:
        summary = await demo.run(stack)
        if audits is not None:
            audits.extend(stack.medplum.audit_events(PROJECT))
        return summary


async def test_every_change_becomes_a_row_and_no_identifier_leaves(tmp_path: Path) -> None:
    audits: list[Mapping[str, object]] = []
    summary = await _run(tmp_path, events=120, seed=7, audits=audits)
    assert summary.findings == ()
    assert summary.good
    assert summary.received >= 100
    assert summary.published == summary.received
    assert summary.rows > 0
    assert summary.audit == {"expected": summary.audit["written"], "written": summary.audit["written"], "waiting": 0}
    assert summary.audit["written"] > summary.published
    validator = Validator()
    assert {profile for event in audits for profile in claimed(event)} >= {"PatientRead", "PrivacyDisclosure.Source"}
    for event in audits:
        assert list(broken(event)) == []
        assert [issue for issue in validator.issues(event) if issue.severity in ("error", "fatal")] == []
    assert summary.freshness_ms.p50 > 0
    assert summary.scanned["identifiers"] > 1000
    assert summary.scanned["channels"] >= 6


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="a worker is found to be killed through /proc")  # noqa: PTH112
async def test_dropped_doubled_delayed_deliveries_and_dying_workers_change_nothing(tmp_path: Path) -> None:
    summary = await _run(tmp_path, events=150, seed=8, faults=True)
    assert summary.findings == ()
    assert summary.good
    assert summary.faults["workers killed"] == 2
    assert min(summary.faults.values()) > 0


@pytest.mark.parametrize("plant", ["lost", "duplicated", "leaked"])
async def test_the_judge_sees_what_was_planted_and_names_it(tmp_path: Path, plant: str) -> None:
    summary = await _run(tmp_path, events=60, seed=9, plant=plant)
    assert not summary.good
    assert getattr(summary, plant) > 0
    others = {"lost", "duplicated", "leaked"} - {plant}
    assert {name: getattr(summary, name) for name in others} == dict.fromkeys(others, 0)
    assert all(finding.startswith(plant) for finding in summary.findings)
