"""The whole space of the ledger's protocol, and that a mistake in it is found."""

from collections.abc import Callable
from copy import replace
from typing import Any

import pytest

from shared.errors import Problem
from shared.ledger import transitions
from shared.ledger.port import Lease, Record, State
from tests.simulation.model import Rules, explore


def test_no_interleaving_of_three_workers_breaks_the_protocol_and_each_can_come_to_an_end() -> None:
    explored = explore(3)
    assert not explored.violation
    assert explored.states > 5_000


def _without_the_fence(found: Record | None, lease: Lease, state: State, **how: Any) -> Record:
    try:
        return transitions.ended(found, lease, state, **how)
    except Problem:
        assert found is not None
        return replace(found, state=state)


def _after_the_end(found: Record | None, lease: Lease, state: State, **how: Any) -> Record:
    same = found and found.token == lease.token and found.state is State.DONE and state is State.RETRY
    return replace(found, state=state) if found and same else transitions.ended(found, lease, state, **how)


def _never_over(found: Record | None, *args: Any, **how: Any) -> Record | None:
    return None if found and found.state is State.LEASED else transitions.claimed(found, *args, **how)


def _same_token(found: Record | None, *args: Any, **how: Any) -> Record | None:
    made = transitions.claimed(found, *args, **how)
    return replace(made, token=found.token) if made and found else made


def _at_any_time(found: Record | None, *args: Any, **how: Any) -> Record | None:
    free = found and found.state in (State.LEASED, State.RETRY)
    return transitions.claimed(replace(found, until=0.0) if found and free else found, *args, **how)


def _any_state(found: Record | None, **how: Any) -> Record | None:
    poison = replace(found, state=State.POISON) if found and found.state is State.DONE else found
    return transitions.reopened(poison, **how)


BUGS: dict[str, tuple[Rules, str]] = {
    "a zombie's end is taken": (Rules(ended=_without_the_fence), "a zombie's write was taken"),
    "a lease that is over is not taken over": (Rules(claimed=_never_over), "no end can be reached"),
    "a lease is taken while another lasts": (Rules(claimed=_at_any_time), "a lease while another lasts"),
    "the token does not grow": (Rules(claimed=_same_token), "a token that does not grow"),
    "done before the effect": (Rules(effect_first=False), "done, and there was no effect"),
    "poison before its quarantine": (Rules(quarantine_first=False), "no quarantine tells of it"),
    "the memo remembers poison": (
        Rules(remembered=frozenset({State.DONE, State.SUPERSEDED, State.POISON})),
        "the record is not final",
    ),
    "an end without an answer counts as done": (Rules(lost_is_done=True), "the record is not final"),
    "an operator reopens what was done": (Rules(reopened=_any_state), "what was no poison"),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_mistake_is_found_with_the_way_to_it(name: str) -> None:
    rules, sentence = BUGS[name]
    violation = explore(2, rules).violation
    assert sentence in violation[-1]
    assert len(violation) > 1


def test_a_retry_that_is_written_over_an_end_is_found() -> None:
    """A worker whose answer was lost ends its lease a second time: only where a lease outlives its end."""
    rules: Callable[..., Record] = _after_the_end
    done = Record("k", State.DONE, 1, "a", 5.0, "", "f", 1e9, 0.0)
    again = rules(
        done, Lease("k", "a", 1, 9.0, "f"), State.RETRY, code="", now=6.0, not_before=0, expires=1e9, trace=""
    )
    assert again.state is State.RETRY
    with pytest.raises(Problem):
        transitions.ended(
            done, Lease("k", "a", 1, 9.0, "f"), State.RETRY, code="", now=6.0, not_before=0, expires=1e9, trace=""
        )
