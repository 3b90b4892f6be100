"""When a handler stops taking a tenant's messages, and when it begins again."""

import pytest

from shared.errors import Code, Problem
from shared.gates import FAILURES, Gate, Gates


def shut(gate: Gate, code: Code = Code.MEDPLUM_DOWN, *, at: float = 0.0) -> None:
    for _ in range(FAILURES):
        gate.leave(code, at, probe=gate.enter(at))


def is_shut(gate: Gate, now: float) -> bool:
    try:
        gate.leave(Code.BUSY, now, probe=gate.enter(now))
    except Problem:
        return True
    return False


def test_failures_between_successes_do_not_shut_it() -> None:
    gate = Gate(50)
    for code in [Code.MEDPLUM_DOWN, Code.MEDPLUM_DOWN, None] * 20:
        gate.leave(code, 0.0, probe=gate.enter(0.0))
    assert gate.code is None


@pytest.mark.parametrize("code", [Code.BUSY, Code.LEASE_LOST, Code.UNEXPECTED, Code.STOPPING])
def test_what_is_no_dependencys_fault_does_not_shut_it(code: Code) -> None:
    gate = Gate(50)
    for _ in range(20):
        gate.leave(code, 0.0, probe=gate.enter(0.0))
    assert gate.code is None


def test_while_it_is_shut_one_message_at_a_time_tries() -> None:
    gate = Gate(50)
    shut(gate)
    assert is_shut(gate, 0.9)
    assert gate.enter(1.0)
    with pytest.raises(Problem) as refused:
        gate.enter(1.0)
    assert refused.value.code is Code.MEDPLUM_DOWN
    gate.leave(None, 1.5, probe=True)
    assert not gate.enter(1.5)


def test_each_failed_try_waits_longer_up_to_half_a_minute() -> None:
    gate, now, waits = Gate(50), 0.0, []
    shut(gate)
    for _ in range(8):
        waits.append(gate.until - now)
        now = gate.until
        gate.leave(Code.MEDPLUM_DOWN, now, probe=gate.enter(now))
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_dependency_that_says_when_to_come_back_is_believed() -> None:
    gate = Gate(50)
    for _ in range(FAILURES):
        gate.leave(Code.MEDPLUM_BUSY, 0.0, probe=gate.enter(0.0), retry_after=49.0)
    assert is_shut(gate, 48.9)
    assert not is_shut(gate, 49.0)


def test_a_try_that_tells_nothing_leaves_it_shut_and_lets_the_next_one_try() -> None:
    gate = Gate(50)
    shut(gate)
    gate.leave(Code.BUSY, 1.0, probe=gate.enter(1.0))
    assert gate.code is Code.MEDPLUM_DOWN
    assert gate.enter(1.0)


def test_work_that_began_before_it_shut_does_not_open_it() -> None:
    gate = Gate(50)
    early = gate.enter(0.0)
    shut(gate)
    gate.leave(None, 0.5, probe=early)
    assert gate.code is Code.MEDPLUM_DOWN


def test_gates_are_the_handlers_and_the_tenants_and_bounded() -> None:
    gates = Gates(50, size=2)
    first = gates.of("deid", "a")
    assert gates.of("deid", "a") is first
    assert gates.of("deid", "b") is not first
    gates.of("text", "a")
    assert gates.of("deid", "a") is not first
