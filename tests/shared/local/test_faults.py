"""Faults come as often as they should, and the same ones for the same seed."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest

from shared.events.envelope import Message
from shared.local.faults import LONGEST, Fate, Faults


@dataclass(frozen=True)
class _Hook:
    id: str
    attempt: int = 0
    interaction: str = "create"
    type: str = "Patient"
    version: str = "1"


def _pushed(faults: Faults, event: str) -> Fate:
    return faults.before_push("fhir.changed--validation", Message(b"{}", {"ce-id": event}))


def test_without_faults_everything_is_delivered() -> None:
    faults = Faults(1, enabled=False)
    assert {faults.on_hook(_Hook(str(n))) for n in range(1000)} == {"deliver"}
    assert faults.hooks == {"delivered": 1000}


@pytest.mark.parametrize("way", ["hook", "push"])
def test_about_a_tenth_is_late_and_a_twentieth_each_is_dropped_or_doubled(way: str) -> None:
    faults = Faults(1, enabled=True)
    for n in range(10_000):
        _ = faults.on_hook(_Hook(str(n))) if way == "hook" else _pushed(faults, str(n))
    counts = faults.hooks if way == "hook" else faults.pushes
    assert counts.total() == 10_000
    assert 400 < counts["dropped"] < 600
    assert 400 < counts["doubled"] < 600
    assert 850 < counts["delayed"] < 1150


def test_a_delay_is_at_most_half_a_second() -> None:
    faults = Faults(1, enabled=True)
    delays = [fate for n in range(5000) if isinstance(fate := faults.on_hook(_Hook(str(n))), float)]
    assert 0 <= min(delays) < 0.05 < 0.45 < max(delays) <= LONGEST


def test_the_same_delivery_has_the_same_fate_in_whatever_order() -> None:
    hooks = [_Hook(str(n)) for n in range(1000)]
    shuffled = random.Random(3).sample(hooks, len(hooks))
    one, other, third = Faults(1, enabled=True), Faults(1, enabled=True), Faults(2, enabled=True)
    fates = {hook: one.on_hook(hook) for hook in hooks}
    assert fates == {hook: other.on_hook(hook) for hook in shuffled}
    assert fates != {hook: third.on_hook(hook) for hook in hooks}


def test_each_attempt_has_a_fate_of_its_own() -> None:
    faults = Faults(1, enabled=True)
    assert all(any(_pushed(faults, str(n)) != "drop" for _ in range(5)) for n in range(2000))
    dropped = Counter(faults.on_hook(_Hook(str(n))) == "drop" and n for n in range(2000))
    again = [faults.on_hook(_Hook(str(n), attempt=1)) for n in dropped if n is not False]
    assert again.count("drop") < len(again) / 4
